"""sluice serve proxy."""
import json
import os
import pathlib
import queue
import re
import signal
import socket
import ssl
import struct
import subprocess
import time
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


def is_connecting_to(port):
    """Whether somebody connects to a port of 127.0.0.1 and waits (SYN_SENT)."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        return f"0100007F:{port:04X} 02 " in table.read()


def waits_for_standard_error(child):
    """Whether its main thread is in a system call whose first argument is 2."""
    call = pathlib.Path(f"/proc/{child.pid}/syscall").read_text(encoding="ascii")
    return call.split()[1:2] == ["0x2"]


def has_no_signal_pending(child):
    status = pathlib.Path(f"/proc/{child.pid}/status").read_text(encoding="ascii")
    return re.search(r"ShdPnd:\s*0+\n", status)


class ProxyTest(CliTestCase):
    def proxy(self, target, *options, listen="tcp://127.0.0.1:0", **files):
        child = self.sluice("serve", "proxy", "--listen", listen, "--to", target, *options,
                            "--report", "json", stdout=subprocess.PIPE, **files)
        line = child.process.stdout.readline().decode()
        self.assertRegex(line, "^listening on ")
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
        first = queue.Queue()

        def read_twice(connection):
            first.put(connection.recv(10))
            return read_all(connection)
        peer, target = self.peer(read_twice)
        child, url = self.proxy(target, "--grace", "1")
        client = self.client(url)
        client.sendall(b"x")
        self.assertEqual(first.get(timeout=40), b"x")
        began = time.monotonic()
        totals = self.end(child)
        waited = time.monotonic() - began
        self.assertGreaterEqual(waited, 1)
        self.assertLess(waited, 6)
        # Both ends are open for ever, and cut off with nothing under way.
        self.assertEqual(peer.join(), b"")
        self.assertEqual(client.recv(10), b"")
        self.assertEqual((totals["clients"], totals["clients_lost"], totals["targets_lost"]),
                         (1, 0, 0))
        self.assertEqual((totals["bytes_forwarded"], totals["bytes_discarded"]), (1, 0))
        client.close()

    def full_pipe(self):
        """Both ends of a pipe that takes nothing more, as files."""
        reading, writing = (os.fdopen(fd, mode, 0) for fd, mode in zip(os.pipe(), ("rb", "wb")))
        self.addCleanup(reading.close)
        self.addCleanup(writing.close)
        os.set_blocking(writing.fileno(), False)
        while writing.write(b"." * 4096):
            pass
        os.set_blocking(writing.fileno(), True)
        return reading, writing

    def test_target_that_is_there_when_the_client_is_cut_off(self):
        """Both happen in one turn: the client is gone when the proxy hears of the target."""
        certificates = Certificates(self.tmp)
        certificate, key = certificates.signed("localhost")
        reading, writing = self.full_pipe()
        with socket.socket() as listener, socket.socket() as first:
            listener.settimeout(40)
            listener.bind(("127.0.0.1", 0))
            # One connection that is not accepted, and Linux ignores whoever comes next until it is.
            listener.listen(0)
            port = listener.getsockname()[1]
            first.connect(("127.0.0.1", port))
            child, url = self.proxy(f"tcp://127.0.0.1:{port}", "--grace", "1000", "--cert",
                                    certificate, "--key", key, listen="tls://127.0.0.1:0",
                                    stderr=writing)
            context = ssl.create_default_context(cafile=str(certificates.authority))
            url = url.replace("tls://", "tcp://")
            client = context.wrap_socket(self.client(url), server_hostname="127.0.0.1")
            self.addCleanup(client.close)
            eventually(lambda: is_connecting_to(port), "the proxy to connect")
            # It tells of this one, and is held up by that.
            self.client(url).sendall(b"no TLS\r\n\r\n")
            eventually(lambda: waits_for_standard_error(child), "the proxy to tell of it")
            listener.accept()[0].close()
            connection, _ = listener.accept()
            child.signal(signal.SIGTERM)
            child.signal(signal.SIGINT)
            eventually(lambda: has_no_signal_pending(child), "the signals to be seen")
            writing.close()
            said = reading.read(1 << 20)
            while more := reading.read(1 << 20):
                said += more
            out = child.out()
            connection.close()
            self.assertEqual(child.status(), 0, said.lstrip(b"."))
            totals = json.loads(out)
            self.assertEqual((totals["clients"], totals["targets_unreachable"]), (1, 0))
            self.assertEqual(said.count(b"sluice: "), 1, said.lstrip(b"."))

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
