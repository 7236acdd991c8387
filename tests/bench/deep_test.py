"""The load of deep queues beside a server whose kernel takes so much that there is no queue."""
import json
import os
import pathlib
import subprocess
import sys
import unittest

LOAD = pathlib.Path(os.environ["SLUICE_BENCH_BIN"], "bench_load")
# Answers requests, eight bytes that are a number of writes, with so many messages of 100 bytes, and echoes all else.
# What its kernel holds is the first argument.
SERVER = """
import socket, sys, threading
def serve(peer):
    try:
        peer.setsockopt(socket.SOL_SOCKET, 32, int(sys.argv[1]))  # SO_SNDBUFFORCE
    except PermissionError:
        pass
    while data := peer.recv(4096):
        requests = [data[at:at + 8] for at in range(0, len(data), 8)]
        writes = sum(int.from_bytes(request, "little") for request in requests)
        peer.sendall(data if len(data) % 8 else bytes(100 * writes))
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
"""


class DeepTest(unittest.TestCase):
    def load(self, kernel_bytes):
        with subprocess.Popen([sys.executable, "-c", SERVER, str(kernel_bytes)],
                              stdout=subprocess.PIPE, text=True) as server:
            try:
                port = server.stdout.readline().strip()
                command = [str(LOAD), "deep", "--port", port, "--server-pid", str(server.pid), "--writes", "1000",
                           "--warm-up-ms", "0", "--window-ms", "1"]
                return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
            finally:
                server.kill()

    def test_a_kernel_that_takes_everything_is_told_and_not_measured(self):
        done = self.load(256 * 1024 * 1024)
        if os.geteuid() != 0:
            # Only root may give a socket such a buffer. An ordinary one fills up, and is measured.
            self.assertGreater(json.loads(done.stdout)["extra"]["draining_cpu_ns_per_write"], 0)
            return
        self.assertEqual((done.returncode, done.stdout), (1, ""), done)
        self.assertIn("the kernel takes all that the server writes", done.stderr)


if __name__ == "__main__":
    unittest.main()
