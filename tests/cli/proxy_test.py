"""sluice serve proxy."""
import json
import signal
import socket
import struct
import subprocess
import unittest

from certificates import Certificates
from support import CliTestCase, MIB, eventually, payload, read_all, sha256


def half_closed(connection):
    """A handler: reads to the end of the peer, then answers with the length of what came."""
    connection.settimeout(40)
    received = read_all(connection)
    connection.sendall(b"%d bytes" % len(received))
    connection.close()
    return received


class ProxyTest(CliTestCase):
    def proxy(self, target, *options, listen="tcp://127.0.0.1:0"):
        child = self.sluice("serve", "proxy", "--listen", listen, "--to", target, *options,
                            "--report", "json", stdout=subprocess.PIPE)
        line = child.process.stdout.readline().decode()
        self.assertTrue(line.startswith("listening on "), child.err())
        return child, line.split()[-1]

    def end(self, child):
        child.signal(signal.SIGTERM)
        totals = json.loads(child.out())
        self.assertEqual(child.status(), 0, child.err())
        return totals

    def test_half_close_is_carried_over(self):
        data = payload(4 * MIB + 1)
        peer, target = self.peer(half_closed)
        child, url = self.proxy(target)
        client = self.client(url)
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(client), b"%d bytes" % len(data))
        client.close()
        self.assertEqual(sha256(peer.join()), sha256(data))
        totals = self.end(child)
        self.assertEqual((totals["service"], totals["to"]), ("proxy", target))
        self.assertEqual((totals["clients"], totals["clients_lost"], totals["targets_lost"],
                          totals["targets_unreachable"]), (1, 0, 0, 0))
        self.assertEqual((totals["bytes_in"], totals["bytes_forwarded"]), (len(data), len(data)))
        self.assertEqual(totals["bytes_out"], len(b"%d bytes" % len(data)))

    def test_unix_sockets_on_both_sides(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.tmp / "target"))
            listener.listen()
            child, url = self.proxy(f"unix://{self.tmp}/target", listen=f"unix://{self.tmp}/sock")
            client = self.client(url)
            client.sendall(b"question")
            target, _ = listener.accept()
            target.settimeout(40)
            self.assertEqual(target.recv(100), b"question")
            target.sendall(b"answer")
            self.assertEqual(client.recv(100), b"answer")
            target.close()
            self.assertEqual(client.recv(100), b"")
            client.close()
            self.assertEqual(self.end(child)["clients_lost"], 0)
        (self.tmp / "target").unlink()

    def test_many_clients(self):
        echo = self.sluice("serve", "echo", "--listen", "tcp://127.0.0.1:0",
                           stdout=subprocess.PIPE)
        target = echo.process.stdout.readline().decode().split()[-1]
        child, url = self.proxy(target)
        clients = [self.client(url) for _ in range(30)]
        for number, client in enumerate(clients):
            client.sendall(b"client %d" % number)
        for number, client in enumerate(clients):
            expected = b"client %d" % number
            self.assertEqual(client.recv(100), expected)
            client.close()
        self.assertEqual(self.end(child)["clients"], 30)
        echo.signal(signal.SIGTERM)
        self.assertEqual(echo.status(), 0)

    def test_target_that_cannot_be_reached(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            target = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
            child, url = self.proxy(target)
            client = self.client(url)
            self.assertEqual(client.recv(100), b"")
            self.assertRegex(child.err(), f"cannot connect to {target}: .*refused.*turned away")
            client.close()
        self.assertEqual(self.end(child)["targets_unreachable"], 1)

    def test_client_that_breaks(self):
        peer, target = self.peer(read_all)
        child, url = self.proxy(target)
        client = self.client(url)
        client.sendall(b"half a")
        eventually(lambda: peer.connection, "the target's connection")
        # Closing like this sends a reset.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        peer.join()
        self.assertEqual(self.end(child)["clients_lost"], 1)

    def test_relay_that_goes_on_is_cut_off_after_the_grace(self):
        peer, target = self.peer(read_all)
        child, url = self.proxy(target, "--grace", "0.2")
        client = self.client(url)
        client.sendall(b"x")
        eventually(lambda: peer.connection, "the target's connection")
        self.end(child)
        self.assertIn(peer.join(), (b"", b"x"))
        client.close()

    def test_relay_that_ends_within_the_grace(self):
        data = payload(MIB)
        peer, target = self.peer(half_closed)
        child, url = self.proxy(target, "--grace", "1000", listen=f"unix://{self.tmp}/sock")
        client = self.client(url)
        client.sendall(data[:1000])
        eventually(lambda: peer.connection, "the target's connection")
        child.signal(signal.SIGTERM)
        eventually(lambda: not (self.tmp / "sock").exists(), "the listening socket to be closed")
        client.sendall(data[1000:])
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(client), b"%d bytes" % len(data))
        client.close()
        self.assertEqual(sha256(peer.join()), sha256(data))
        self.assertEqual(json.loads(child.out())["clients_lost"], 0)
        self.assertEqual(child.status(), 0)

    def test_tls_on_either_side(self):
        certificates = Certificates(self.tmp)
        certificate, key = certificates.signed("localhost")
        serving = ("--cert", certificate, "--key", key)
        trusting = ("--ca", certificates.authority)
        data = payload(4 * MIB + 1)
        with open(self.tmp / "received", "wb") as out:
            receiver = self.copy("tcp-listen://127.0.0.1:0", "-", stdout=out)
        ending, middle = self.proxy(receiver.listening_url(), *serving, listen="tls://127.0.0.1:0")
        beginning, url = self.proxy(middle, *trusting)
        self.assert_done(self.copy(self.file(data), url))
        self.assert_done(receiver)
        self.assertEqual(sha256((self.tmp / "received").read_bytes()), sha256(data))
        for child in (beginning, ending):
            self.assertEqual(self.end(child)["bytes_forwarded"], len(data))


if __name__ == "__main__":
    unittest.main()
