"""sluice serve: echo, discard and chargen."""
import array
import fcntl
import json
import select
import signal
import socket
import subprocess
import termios
import threading
import time
import unittest

from support import CliTestCase, MIB, eventually, payload, read_all, sha256

PRINTABLE = "".join(map(chr, range(32, 127)))


def chargen_line(number):
    """RFC 864: line `number` begins one character later than the one before it."""
    ring = PRINTABLE * 2
    start = number % 95
    return (ring + PRINTABLE)[start:start + 72] + "\r\n"


def send_until_stuck(client):
    """Sends until neither side's kernel takes more and nothing moves; returns how many bytes."""
    client.setblocking(False)
    data = payload(MIB)
    sent = 0

    def is_stuck():
        nonlocal sent
        try:
            while True:
                sent += client.send(data)
        except BlockingIOError:
            pass
        # Room that opens within a moment means that the service still reads.
        return not select.select([], [client], [], 1.0)[1]
    eventually(is_stuck, "the service to stop reading")
    client.setblocking(True)
    return sent


def wait_until_full(service, client):
    """Until chargen has sent all that fits: it never sleeps before a client's buffer is full."""
    def is_full():
        count = array.array("i", [0])
        fcntl.ioctl(client, termios.FIONREAD, count)
        return count[0] > 0 and service.child.sleeps()

    eventually(is_full, "the service to fill the socket")


class Service:
    """A running "sluice serve" and its standard output."""

    def __init__(self, case, *arguments, listen="tcp://127.0.0.1:0", **options):
        self.case = case
        self.child = case.sluice("serve", *arguments, "--listen", listen, stdout=subprocess.PIPE,
                                 **options)
        line = self.child.process.stdout.readline().decode()
        if not line.startswith("listening on "):
            raise AssertionError(f"said {line!r}, {self.child.err()}")
        self.url = line.split()[-1]

    def client(self):
        return self.case.client(self.url)

    def end(self, number=signal.SIGTERM):
        """Ends it by a signal; it must exit with 0. Returns the rest of its standard output."""
        self.child.signal(number)
        out = self.child.out().decode()
        self.case.assertEqual(self.child.status(), 0, self.child.err())
        return out


class EchoTest(CliTestCase):
    def exchange(self, client, data):
        sender = threading.Thread(target=lambda: (client.sendall(data),
                                                  client.shutdown(socket.SHUT_WR)))
        sender.start()
        received = read_all(client)
        sender.join()
        client.close()
        return received

    def test_tcp_and_unix(self):
        for listen, shown in (("tcp://127.0.0.1:0", r"^tcp://127\.0\.0\.1:[1-9]\d*$"),
                              ("tcp-listen://localhost:0", r"^tcp://(127\.0\.0\.1|\[::1\]):[1-9]"),
                              (f"unix://{self.tmp}/sock", f"^unix://{self.tmp}/sock$"),
                              (f"unix-listen://{self.tmp}/sock", f"^unix://{self.tmp}/sock$"),
                              (f"unix://@sluice-test-{id(self)}", "^unix://@sluice-test-")):
            with self.subTest(listen):
                service = Service(self, "echo", listen=listen)
                self.assertRegex(service.url, shown)
                data = payload(MIB + 1)
                self.assertEqual(sha256(self.exchange(service.client(), data)), sha256(data))
                service.end()

    def test_many_clients_at_once(self):
        service = Service(self, "echo")
        clients = [service.client() for _ in range(50)]
        for number, client in enumerate(clients):
            client.sendall(b"client %d" % number)
        for number, client in enumerate(clients):
            expected = b"client %d" % number
            self.assertEqual(client.recv(100), expected)
            client.close()
        service.end()

    def test_copy_through_echo(self):
        """The program against itself: what comes back is thrown away, and nothing is reset."""
        service = Service(self, "echo")
        self.assert_done(self.copy(self.file(payload(4 * MIB)), service.url))
        service.end()

    def test_who_does_not_read_is_not_read_from(self):
        service = Service(self, "echo", "--report", "json", "--high", "32K", "--low", "8K")
        client = service.client()
        sent = send_until_stuck(client)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(len(read_all(client)), sent)
        client.close()
        totals = json.loads(service.end())
        self.assertGreater(totals["pauses"], 0)
        # One read of the library may come on top of the high mark.
        self.assertLessEqual(totals["peak_buffer"], 32 * 1024 + 256 * 1024)

    def test_report(self):
        service = Service(self, "echo", "--report", "json")
        self.exchange(service.client(), b"x" * 1000)
        self.exchange(service.client(), b"y" * 500)
        totals = json.loads(service.end())
        self.assertEqual(set(totals), {
            "service", "listen", "seconds", "clients", "clients_lost", "handshakes_failed",
            "bytes_in", "bytes_out", "bytes_discarded", "pauses", "peak_buffer", "syscalls"})
        self.assertEqual((totals["service"], totals["clients"], totals["clients_lost"]),
                         ("echo", 2, 0))
        self.assertEqual((totals["bytes_in"], totals["bytes_out"]), (1500, 1500))

    def test_text_report_and_none(self):
        service = Service(self, "echo", "--report", "text")
        self.exchange(service.client(), b"x" * 1000)
        out = service.end()
        self.assertRegex(out, r"^echo: 1 clients, 0 lost, in \d")
        self.assertIn("in:  1000 bytes", out)
        self.assertIn("out: 1000 bytes", out)
        self.assertEqual(Service(self, "echo").end(), "")


class DiscardTest(CliTestCase):
    def test_reads_everything_says_nothing(self):
        service = Service(self, "discard", "--report", "json")
        self.assert_done(self.copy(self.file(payload(8 * MIB)), service.url))
        client = service.client()
        client.sendall(b"word")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(client), b"")
        totals = json.loads(service.end())
        self.assertEqual((totals["clients"], totals["bytes_in"], totals["bytes_out"]),
                         (2, 8 * MIB + 4, 0))


class ChargenTest(CliTestCase):
    def test_lines_of_the_rfc(self):
        service = Service(self, "chargen")
        client = service.client()
        text = b""
        while len(text) < 300_000:
            text += client.recv(1 << 16)
        client.close()
        lines = text.decode().split("\r\n")[:-1]
        self.assertGreater(len(lines), 4000)
        for number, line in enumerate(lines):
            self.assertEqual(line + "\r\n", chargen_line(number))
        service.end()

    def test_client_that_does_not_read(self):
        service = Service(self, "chargen", "--report", "json", "--high", "64K")
        slow, fast = service.client(), service.client()
        received = 0
        while received < 4 * MIB:
            received += len(fast.recv(1 << 20))
        wait_until_full(service, slow)
        fast.close()
        slow.close()
        totals = json.loads(service.end())
        self.assertGreater(totals["pauses"], 0)
        self.assertLessEqual(totals["peak_buffer"], 64 * 1024 + 7030)

    def test_client_that_half_closes(self):
        service = Service(self, "chargen")
        client = service.client()
        client.shutdown(socket.SHUT_WR)
        received = 0
        while received < MIB:
            received += len(client.recv(1 << 20))
        client.close()
        service.end()

    def test_as_a_source(self):
        service = Service(self, "chargen")
        child = self.copy(service.url, "-", "--report", "none", stdout=subprocess.PIPE)
        start = child.process.stdout.read(740)
        self.assertEqual(start.decode(), "".join(map(chargen_line, range(10))))
        child.process.stdout.close()
        self.assert_failed(child, "standard output")
        service.end()


class EndTest(CliTestCase):
    def wait_until_closed(self, service):
        with self.assertRaises(OSError):
            eventually(lambda: service.client().close(), "the listening socket to be closed")

    def test_both_signals_and_no_socket_file(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                service = Service(self, "echo", listen=f"unix://{self.tmp}/sock")
                self.assertTrue((self.tmp / "sock").exists())
                service.end(number)
                self.assertFalse((self.tmp / "sock").exists())

    def test_what_is_buffered_is_flushed(self):
        service = Service(self, "echo", "--grace", "30", "--report", "json")
        client = service.client()
        send_until_stuck(client)
        service.child.signal(signal.SIGTERM)
        self.wait_until_closed(service)
        self.assertIsNone(service.child.process.poll())
        received = read_all(client)
        client.close()
        totals = json.loads(service.child.out())
        self.assertEqual(service.child.status(), 0)
        self.assertEqual(totals["bytes_discarded"], 0)
        self.assertEqual(totals["bytes_in"], totals["bytes_out"])
        self.assertEqual(totals["bytes_in"], len(received))

    def test_unread_input_costs_no_client_its_last_echo(self):
        for listen in ("tcp://127.0.0.1:0", f"unix://{self.tmp}/sock"):
            with self.subTest(listen):
                service = Service(self, "echo", "--grace", "30", "--report", "json", listen=listen)
                client = service.client()
                # More than one buffer of the kernel: the service has input that it does not read.
                sent = send_until_stuck(client)
                service.child.signal(signal.SIGTERM)
                self.wait_until_closed(service)
                received = read_all(client)
                client.close()
                totals = json.loads(service.child.out())
                self.assertEqual(service.child.status(), 0, service.child.err())
                self.assertEqual(totals["clients_lost"], 0)
                self.assertEqual(totals["bytes_out"], len(received))
                self.assertLess(len(received), sent)

    def test_a_client_that_stays_is_waited_for_no_longer_than_a_second(self):
        service = Service(self, "echo", "--grace", "30", "--report", "json")
        client = service.client()
        client.sendall(b"word")
        self.assertEqual(client.recv(10), b"word")
        began = time.monotonic()
        totals = json.loads(service.end())
        waited = time.monotonic() - began
        self.assertGreaterEqual(waited, 1)
        self.assertLess(waited, 6)
        self.assertEqual((totals["clients"], totals["clients_lost"]), (1, 0))
        client.close()

    def test_the_grace_period_bounds_that_too(self):
        service = Service(self, "echo", "--grace", "0", "--report", "json")
        client = service.client()
        client.sendall(b"word")
        self.assertEqual(client.recv(10), b"word")
        totals = json.loads(service.end())
        self.assertLess(totals["seconds"], 0.9)
        client.close()

    def test_a_client_that_has_ended_is_not_waited_for(self):
        service = Service(self, "chargen", "--grace", "30", "--report", "json")
        client = service.client()
        client.shutdown(socket.SHUT_WR)
        wait_until_full(service, client)
        service.child.signal(signal.SIGTERM)
        received = read_all(client)
        totals = json.loads(service.child.out())
        self.assertEqual(totals["bytes_out"], len(received))
        self.assertEqual(totals["clients_lost"], 0)
        client.close()

    def test_grace_period_ends(self):
        service = Service(self, "chargen", "--grace", "0.2", "--report", "json")
        client = service.client()
        wait_until_full(service, client)
        totals = json.loads(service.end())
        self.assertEqual(totals["clients"], 1)
        self.assertGreater(totals["bytes_discarded"], 0)
        self.assertEqual(totals["clients_lost"], 1)
        client.close()

    def test_second_signal_ends_the_grace_period(self):
        service = Service(self, "chargen", "--grace", "1000", listen=f"unix://{self.tmp}/sock")
        client = service.client()
        wait_until_full(service, client)
        service.child.signal(signal.SIGTERM)
        eventually(lambda: not (self.tmp / "sock").exists(), "the listening socket to be closed")
        service.end()
        client.close()

    def test_killed_client_harms_nobody(self):
        service = Service(self, "echo", "--report", "json")
        other = service.client()
        with open("/dev/zero", "rb") as zero:
            victim = self.copy("-", service.url, "--progress", "always", stdin=zero)
        victim.wait_for_text("[MG]iB")
        other.sendall(b"before")
        self.assertEqual(other.recv(10), b"before")
        victim.signal(signal.SIGKILL)
        victim.process.wait()
        other.sendall(b"after")
        self.assertEqual(other.recv(10), b"after")
        other.close()
        self.assertEqual(json.loads(service.end())["clients"], 2)


if __name__ == "__main__":
    unittest.main()
