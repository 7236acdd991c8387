#!/usr/bin/env python3
"""The echo server of README.md, compiled as it is printed there but for its port."""
import pathlib
import random
import re
import socket
import sys
import threading

sys.dont_write_bytecode = True
import support

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
LISTENING = "0A"


def listening_port(process):
    """The TCP port that the program listens on; none as long as there is none."""
    folder = pathlib.Path("/proc", str(process.pid))
    if process.poll() is not None:
        raise AssertionError(f"the server ended with status {process.returncode}")
    inodes = set()
    for link in folder.joinpath("fd").iterdir():
        try:
            inodes.add(str(link.readlink()))
        except OSError:
            pass  # closed meanwhile
    for line in folder.joinpath("net", "tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == LISTENING and f"socket:[{fields[9]}]" in inodes:
            return int(fields[1].rpartition(":")[2], 16)
    return None


class ReadmeTest(support.ExampleTest):
    def test_it_has_fifteen_lines(self):
        programs = re.findall(r"^```cpp\n(#include <sluice/sluice.hpp>\n.*?)^```$", README.read_text(),
                              re.DOTALL | re.MULTILINE)
        self.assertEqual([program.count("\n") for program in programs], [15])

    def test_it_echoes_to_several_clients_and_ends_with_them(self):
        server = self.start("readme_echo_server")
        port = support.wait_until(lambda: listening_port(server), "listening")
        messages = [random.Random(seed).randbytes(1 << 20) for seed in range(3)]
        with support.connect(port) as one, support.connect(port) as two, support.connect(port) as three:
            clients = [one, two, three]

            def send(client, message):
                client.sendall(message)
                client.shutdown(socket.SHUT_WR)

            senders = [threading.Thread(target=send, args=pair) for pair in zip(clients, messages)]
            for sender in senders:
                sender.start()
            # The last one is read first: nobody waits for anybody else.
            for client, message in reversed(list(zip(clients, messages))):
                self.assertEqual(support.receive_all(client), message)
            for sender in senders:
                sender.join(support.PATIENCE)
        self.assertIsNone(server.poll())


if __name__ == "__main__":
    support.main()
