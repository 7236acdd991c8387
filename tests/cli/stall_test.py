"""Clients over TLS that take nothing for a while have lost nothing."""
import array
import fcntl
import json
import signal
import socket
import ssl
import subprocess
import termios
import unittest

from serve_test import Service, wait_until_full
from support import DEADLINE_S, MIB, eventually, payload, read_all, sha256
from tls_test import TlsTestCase

# Longer than the program waits for a farewell when everything was sent.
STALL_S = 3


class StallTest(TlsTestCase):
    def serve(self, *arguments):
        return Service(self, *arguments, "--report", "json", *self.serving,
                       listen="tls://127.0.0.1:0")

    def plain_client(self, service):
        """A connection without TLS yet, whose kernel takes little."""
        host, port = service.url[len("tls://"):].rsplit(":", 1)
        plain = socket.socket()
        self.addCleanup(plain.close)
        plain.settimeout(DEADLINE_S)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        plain.connect((host, int(port)))
        return plain

    def client(self, service, version):
        context = self.client_context()
        context.maximum_version = version
        tls = context.wrap_socket(self.plain_client(service), server_hostname="127.0.0.1")
        self.addCleanup(tls.close)
        return tls

    def end_while_it_stalls(self, service):
        """The signal, and then the end of the program must not come."""
        service.child.signal(signal.SIGTERM)
        with self.assertRaises(subprocess.TimeoutExpired):
            service.child.process.wait(STALL_S)

    def wait_until_read(self, plain, service):
        """Until the service has read all that the client has sent."""
        def is_read():
            count = array.array("i", [0])
            fcntl.ioctl(plain, termios.TIOCOUTQ, count)
            return count[0] == 0 and service.child.sleeps()
        eventually(is_read, "the service to read everything")

    def totals(self, service):
        totals = json.loads(service.child.out())
        self.assertEqual(service.child.status(), 0, service.child.err())
        self.assertEqual((totals["clients"], totals["clients_lost"], totals["bytes_discarded"]),
                         (1, 0, 0))
        return totals

    def test_buffer_of_a_service(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version):
                service = self.serve("chargen", "--high", "8M", "--grace", "60")
                client = self.client(service, version)
                wait_until_full(service, client)
                self.end_while_it_stalls(service)
                received = len(read_all(client))
                client.close()
                self.assertGreater(received, 8 * MIB)
                self.assertEqual(self.totals(service)["bytes_out"], received)

    def test_buffer_of_a_proxy(self):
        data = payload(16 * MIB)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version):
                def send(connection):
                    connection.sendall(data)
                    connection.close()
                peer, target = self.peer(send)
                service = self.serve("proxy", "--to", target, "--high", "32M", "--grace", "60")
                client = self.client(service, version)
                peer.join()
                self.end_while_it_stalls(service)
                self.assertEqual(sha256(read_all(client)), sha256(data))
                # Without a farewell, as many leave: it has every byte.
                client.close()
                self.assertEqual(self.totals(service)["bytes_out"], len(data))

    def test_client_of_a_proxy_that_leaves_before_it_is_told_the_end(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version):
                peer, target = self.peer(read_all)
                service = self.serve("proxy", "--to", target)
                client = self.client(service, version)
                eventually(lambda: peer.connection, "the target's connection")
                client.sendall(b"half a")
                client.close()
                peer.join()
                totals = json.loads(service.end())
                self.assertEqual((totals["clients"], totals["clients_lost"]), (1, 1))

    def test_echo_of_a_client_that_has_half_closed(self):
        data = payload(16 * MIB)
        service = self.serve("echo", "--high", "32M", "--grace", "60")
        plain = self.plain_client(service)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.client_context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")

        def until_done(step):
            """Runs a step, with what it sends and what it needs to receive."""
            while True:
                try:
                    result = step()
                    plain.sendall(outgoing.read())
                    return result
                except ssl.SSLWantReadError:
                    plain.sendall(outgoing.read())
                    incoming.write(plain.recv(1 << 18))

        until_done(tls.do_handshake)
        for start in range(0, len(data), MIB):
            tls.write(data[start:start + MIB])
            plain.sendall(outgoing.read())
        with self.assertRaises(ssl.SSLWantReadError):
            tls.unwrap()
        plain.sendall(outgoing.read())
        self.wait_until_read(plain, service)
        self.end_while_it_stalls(service)
        received = b""
        while len(received) < len(data):
            received += until_done(lambda: tls.read(1 << 18))
        self.assertEqual(sha256(received), sha256(data))
        plain.close()
        self.assertEqual(self.totals(service)["bytes_out"], len(data))

    def test_who_lost_bytes_is_counted(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version):
                service = self.serve("chargen", "--high", "8M", "--grace", "0.2")
                client = self.client(service, version)
                wait_until_full(service, client)
                totals = json.loads(service.end())
                client.close()
                self.assertGreater(totals["bytes_discarded"], 0)
                self.assertEqual((totals["clients"], totals["clients_lost"]), (1, 1))


if __name__ == "__main__":
    unittest.main()
