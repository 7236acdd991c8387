"""Against the programs that everybody has: socat and netcat, both directions, compared by SHA-256."""
import unittest

from support import CliTestCase, MIB, eventually, payload, program, sha256


class Exchange:
    """One file, its sender and its receiver; one of the two is not ours."""

    def __init__(self, case, size=8 * MIB + 3):
        self.case = case
        self.data = payload(size)
        self.source = case.file(self.data)
        self.received = case.tmp / "received"

    def send_by(self, *command):
        with open(self.source, "rb") as source:
            return self.case.start(*command, stdin=source)

    def receive_by(self, *command):
        with open(self.received, "wb") as out:
            return self.case.start(*command, stdout=out)

    def send(self, endpoint):
        return self.case.copy(self.source, endpoint)

    def receive(self, endpoint):
        with open(self.received, "wb") as out:
            return self.case.copy(endpoint, "-", stdout=out)

    def check(self, *children):
        for child in children:
            self.case.assertEqual(child.status(), 0, f"{child.arguments}: {child.err()}")
        self.case.assertEqual(sha256(self.received.read_bytes()), sha256(self.data))


class SocatTest(CliTestCase):
    def test_tcp_socat_connects_and_sends(self):
        exchange = Exchange(self)
        receiver = exchange.receive("tcp-listen://127.0.0.1:0")
        address = receiver.listening_url()[len("tcp://"):]
        exchange.check(exchange.send_by("socat", "-u", "-", f"TCP:{address}"), receiver)

    def test_tcp_socat_connects_and_receives(self):
        exchange = Exchange(self)
        sender = exchange.send("tcp-listen://127.0.0.1:0")
        address = sender.listening_url()[len("tcp://"):]
        exchange.check(exchange.receive_by("socat", "-u", f"TCP:{address}", "-"), sender)

    def test_tcp_socat_listens_and_receives(self):
        exchange = Exchange(self)
        receiver = exchange.receive_by("socat", "-d", "-d", "-u", "TCP-LISTEN:0,bind=127.0.0.1", "-")
        address = receiver.wait_for_text(r"listening on AF=2 (127\.0\.0\.1:\d+)").group(1)
        exchange.check(exchange.send(f"tcp://{address}"), receiver)

    def test_tcp_socat_listens_and_sends(self):
        exchange = Exchange(self)
        sender = exchange.send_by("socat", "-d", "-d", "-u", "-", "TCP-LISTEN:0,bind=127.0.0.1")
        address = sender.wait_for_text(r"listening on AF=2 (127\.0\.0\.1:\d+)").group(1)
        exchange.check(exchange.receive(f"tcp://{address}"), sender)

    def test_unix_socat_connects(self):
        exchange = Exchange(self)
        path = self.tmp / "sock"
        receiver = exchange.receive(f"unix-listen://{path}")
        receiver.listening_url()
        exchange.check(exchange.send_by("socat", "-u", "-", f"UNIX-CONNECT:{path}"), receiver)
        sender = exchange.send(f"unix-listen://{path}")
        sender.listening_url()
        exchange.check(exchange.receive_by("socat", "-u", f"UNIX-CONNECT:{path}", "-"), sender)

    def test_unix_socat_listens(self):
        exchange = Exchange(self)
        path = self.tmp / "sock"
        receiver = exchange.receive_by("socat", "-d", "-d", "-u", f"UNIX-LISTEN:{path}", "-")
        receiver.wait_for_text("listening on AF=1")
        exchange.check(exchange.send(f"unix://{path}"), receiver)
        sender = exchange.send_by("socat", "-d", "-d", "-u", "-", f"UNIX-LISTEN:{path}")
        sender.wait_for_text("listening on AF=1")
        exchange.check(exchange.receive(f"unix://{path}"), sender)

    def test_fifo(self):
        exchange = Exchange(self)
        fifo = self.fifo()
        receiver = exchange.receive(f"pipe://{fifo}")
        exchange.check(exchange.send_by("socat", "-u", "-", f"OPEN:{fifo},wronly"), receiver)
        sender = exchange.send(f"pipe://{fifo}")
        exchange.check(exchange.receive_by("socat", "-u", f"OPEN:{fifo},rdonly", "-"), sender)

    def test_between_two_peers(self):
        """socat -> TCP -> sluice -> Unix socket -> socat."""
        exchange = Exchange(self)
        path = self.tmp / "sock"
        receiver = exchange.receive_by("socat", "-d", "-d", "-u", f"UNIX-LISTEN:{path}", "-")
        receiver.wait_for_text("listening on AF=1")
        relay = self.copy("tcp-listen://127.0.0.1:0", f"unix://{path}")
        address = relay.listening_url()[len("tcp://"):]
        sender = exchange.send_by("socat", "-u", "-", f"TCP:{address}")
        exchange.check(sender, relay, receiver)

    def test_peer_that_talks_back(self):
        """socat's echo: what comes back is read and thrown away, and nothing is reset."""
        exchange = Exchange(self)
        echo = self.start("socat", "-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1",
                          f"SYSTEM:tee {exchange.received}")
        address = echo.wait_for_text(r"listening on AF=2 (127\.0\.0\.1:\d+)").group(1)
        exchange.check(exchange.send(f"tcp://{address}"), echo)


class LingerTest(CliTestCase):
    """The peer still reads, slowly, when the last byte was given to the kernel. Closing a socket that
    something comes into resets the connection, and what the peer has not read yet is lost.
    """

    def listener(self, options, script):
        peer = self.start("socat", "-d", "-d", f"TCP-LISTEN:0,bind=127.0.0.1{options}",
                          f"SYSTEM:{script}")
        found = peer.wait_for_text(r"listening on AF=2 (127\.0\.0\.1:\d+)")
        return peer, f"tcp://{found.group(1)}"

    def test_slow_peer_that_talks_all_the_time(self):
        exchange = Exchange(self)
        echo, url = self.listener(
            "", f"{program()} copy - - --rate 2M --report none | tee {exchange.received}")
        exchange.check(exchange.send(url), echo)

    def test_slow_peer_that_talks_once(self):
        exchange = Exchange(self, 2 * MIB)
        word = self.fifo()
        slow, url = self.listener(
            ",rcvbuf=8192", f"cat {word} & {program()} copy - - --rate 500K "
            f"--report none > {exchange.received}")
        sender = exchange.send(url)
        # By then the sender has given its last byte to the kernel, long before the peer has read it.
        eventually(lambda: exchange.received.stat().st_size > len(exchange.data) // 2
                   if exchange.received.exists() else False, "half of the file to arrive")
        word.write_text("word\n")
        exchange.check(sender, slow)

    def test_peer_that_talks_without_end_is_left(self):
        """It takes nothing more, and is listened to for twenty seconds."""
        chatter, url = self.listener("", f"yes | {program()} copy - - --rate 1M --report none")
        sender = self.copy(self.file(b"few"), url, "--report", "json")
        self.assertEqual(sender.status(), 0, sender.err())
        seconds = sender.report()["seconds"]
        self.assertGreaterEqual(seconds, 19)
        self.assertLess(seconds, 30)
        chatter.signal(9)
        chatter.process.wait()


class NetcatTest(CliTestCase):
    def test_tcp_netcat_connects_and_sends(self):
        exchange = Exchange(self)
        receiver = exchange.receive("tcp-listen://127.0.0.1:0")
        host, port = receiver.listening_url()[len("tcp://"):].split(":")
        exchange.check(exchange.send_by("nc", "-N", host, port), receiver)

    def test_tcp_netcat_connects_and_receives(self):
        exchange = Exchange(self)
        sender = exchange.send("tcp-listen://127.0.0.1:0")
        host, port = sender.listening_url()[len("tcp://"):].split(":")
        exchange.check(exchange.receive_by("nc", "-d", host, port), sender)

    def test_tcp_netcat_listens(self):
        exchange = Exchange(self)
        receiver = exchange.receive_by("nc", "-v", "-d", "-l", "127.0.0.1", "0")
        port = receiver.wait_for_text(r"Listening on \S+ (\d+)").group(1)
        exchange.check(exchange.send(f"tcp://127.0.0.1:{port}"), receiver)
        sender = exchange.send_by("nc", "-v", "-N", "-l", "127.0.0.1", "0")
        port = sender.wait_for_text(r"Listening on \S+ (\d+)").group(1)
        exchange.check(exchange.receive(f"tcp://127.0.0.1:{port}"), sender)

    def test_unix_netcat_connects(self):
        exchange = Exchange(self)
        path = self.tmp / "sock"
        receiver = exchange.receive(f"unix-listen://{path}")
        receiver.listening_url()
        exchange.check(exchange.send_by("nc", "-N", "-U", path), receiver)
        sender = exchange.send(f"unix-listen://{path}")
        sender.listening_url()
        exchange.check(exchange.receive_by("nc", "-d", "-U", path), sender)

    def test_unix_netcat_listens(self):
        exchange = Exchange(self)
        for name, receives in (("first", True), ("second", False)):
            path = self.tmp / name
            if receives:
                peer = exchange.receive_by("nc", "-d", "-l", "-U", path)
            else:
                peer = exchange.send_by("nc", "-N", "-l", "-U", path)
            self.wait_for_listener(peer, path)
            url = f"unix://{path}"
            exchange.check(exchange.send(url) if receives else exchange.receive(url), peer)
            path.unlink(missing_ok=True)

    def wait_for_listener(self, peer, path):
        """The kernel lists a listening Unix socket with the flag 00010000."""
        def is_listening():
            self.assertIsNone(peer.process.poll(), peer.err())
            with open("/proc/net/unix", encoding="ascii", errors="replace") as table:
                return any(line.rstrip().endswith(f" {path}") and " 00010000 " in line
                           for line in table)
        eventually(is_listening, f"netcat to listen on {path}")

    def test_netcat_does_not_close_its_side(self):
        """Without -N and with its input open, it never ends by itself: it is not waited for."""
        exchange = Exchange(self)
        receiver = exchange.receive("tcp-listen://127.0.0.1:0")
        host, port = receiver.listening_url()[len("tcp://"):].split(":")
        exchange.check(exchange.send_by("nc", "-q", "0", host, port), receiver)


if __name__ == "__main__":
    unittest.main()
