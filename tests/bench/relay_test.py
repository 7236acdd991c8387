"""How the relays among the contenders carry ends over, where the load does not look."""
import contextlib
import os
import pathlib
import signal
import socket
import unittest

from support import FolderTestCase
from driver import contenders, workloads
from driver.processes import Server

PATIENCE_S = 30
# As much as most of them read at once.
ONE_READ = 64 * 1024
PIECE = bytes(4 * 1024)


def received(peer, most=None):
    """How many bytes come until the end, or until there are so many."""
    count = 0
    while count != most and (piece := peer.recv(1 << 20)):
        count += len(piece)
    return count


def in_the_kernel(*connections):
    """What waits in either queue of these connections, each of which is a pair (local port, remote port)."""
    waiting = 0
    for line in pathlib.Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _, local, remote, _, queues = line.split()[:5]
        if tuple(int(address.partition(":")[2], 16) for address in (local, remote)) in connections:
            waiting += sum(int(queue, 16) for queue in queues.split(":"))
    return waiting


def fill(server, client, target):
    """Sends until the target's connection is full and the server holds a piece; returns how much that is."""
    arriving = (server.port, client.getsockname()[1])
    leaving = (target.getpeername()[1], target.getsockname()[1])
    sent = 0
    while sent <= in_the_kernel(arriving, leaving, leaving[::-1]):
        client.sendall(PIECE)
        sent += len(PIECE)
        server.wait_until_it_rests()
    return sent


class RelayTest(FolderTestCase):
    def test_an_end_that_comes_with_the_last_bytes_leaves_the_other_way_open(self):
        def check(server, client, target):
            # Opens the windows of TCP, so that one read and the end arrive while the server stands still.
            client.sendall(bytes(16 * ONE_READ))
            self.assertEqual(received(target, 16 * ONE_READ), 16 * ONE_READ)
            server.process.send_signal(signal.SIGSTOP)
            os.waitpid(server.process.pid, os.WUNTRACED)
            client.sendall(bytes(ONE_READ))
            client.shutdown(socket.SHUT_WR)
            server.process.send_signal(signal.SIGCONT)
            self.assertEqual(received(target), ONE_READ)
            target.sendall(PIECE)
            target.shutdown(socket.SHUT_WR)
            self.assertEqual(received(client), len(PIECE))

        self.with_each_relay(check)

    def test_what_it_holds_when_the_second_end_comes_is_delivered(self):
        def check(server, client, target):
            target.shutdown(socket.SHUT_WR)
            self.assertEqual(received(client), 0)
            sent = fill(server, client, target)
            client.shutdown(socket.SHUT_WR)
            server.wait_until_it_rests()
            self.assertEqual(received(target), sent)

        self.with_each_relay(check)

    def with_each_relay(self, check):
        """Gives the check the server, a client, and the target of each contender that is there."""
        folder = pathlib.Path(os.environ["SLUICE_BENCH_BIN"])
        for name in workloads.RELAY.contenders:
            with self.subTest(contender=name), contextlib.suppress(contenders.Absent):
                self.with_relay(contenders.BY_NAME[name].command(folder, "relay"), check)

    def with_relay(self, command, check):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(PATIENCE_S)
            # A connection of small segments is full soon.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, len(PIECE))
            command += ["--to", str(listener.getsockname()[1])]
            with Server(command, os.sched_getaffinity(0), self.folder) as server:
                server.wait_until_it_listens()
                with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as client:
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    with listener.accept()[0] as target:
                        target.settimeout(PATIENCE_S)
                        check(server, client, target)
                server.stop()


if __name__ == "__main__":
    unittest.main()
