"""Peers that die, stop reading, half-close or have no room; signals. Nothing is lost unsaid."""
import os
import re
import resource
import signal
import socket
import subprocess
import unittest

from support import CliTestCase, MIB, eventually, payload, read_all, sha256


def tally(line):
    """Bytes delivered and bytes not delivered, from a line of error."""
    match = re.search(r"; (\d+) bytes? delivered, (\d+) bytes? read but not delivered$", line)
    assert match, line
    return int(match.group(1)), int(match.group(2))


class ReaderTest(CliTestCase):
    def endless(self):
        """A source that has far more than any buffer takes."""
        path = self.tmp / "endless"
        with open(path, "wb") as file:
            file.truncate(1 << 30)
        return path

    def killed_in_mid_transfer(self, listen):
        with open(self.tmp / "received", "wb") as out:
            reader = self.copy(listen, "-", "--rate", "4M", stdout=out)
        sender = self.copy(self.endless(), reader.listening_url(), "--report", "json")
        eventually(lambda: (self.tmp / "received").stat().st_size > 100_000, "bytes to arrive")
        reader.signal(signal.SIGKILL)
        reader.process.wait()
        line = self.assert_failed(sender, "cannot write to", "Connection reset by peer|Broken pipe")
        delivered, lost = tally(line)
        report = sender.report()
        self.assertEqual(report["bytes"], delivered + lost)
        self.assertGreaterEqual(delivered, (self.tmp / "received").stat().st_size)
        self.assertEqual((report["status"], report["exit_status"]), ("failed", 1))
        self.assertEqual(report["sinks"][0]["bytes_undelivered"], lost)
        self.assertEqual(report["sinks"][0]["status"], "failed")
        self.assertIn(report["error"], line)

    def test_killed_tcp_reader(self):
        self.killed_in_mid_transfer("tcp-listen://127.0.0.1:0")

    def test_killed_unix_reader(self):
        self.killed_in_mid_transfer(f"unix-listen://{self.tmp}/sock")

    def test_killed_fifo_reader(self):
        fifo = self.fifo()
        reader = self.start("cat", fifo, stdout=subprocess.PIPE)
        sender = self.copy(self.endless(), f"pipe://{fifo}", "--high", "64K", "--progress",
                           "always")
        sender.wait_until_paused()
        reader.signal(signal.SIGKILL)
        reader.process.wait()
        delivered, lost = tally(self.assert_failed(sender, f"cannot write to pipe://{fifo}: "
                                                   "Broken pipe"))
        self.assertGreater(delivered, 0)
        self.assertGreater(lost, 0)

    def test_killed_socat(self):
        socat = self.start("socat", "-d", "-d", "-u", "TCP-LISTEN:0,bind=127.0.0.1", "-",
                           stdout=subprocess.PIPE)
        address = socat.wait_for_text(r"listening on AF=2 (\S+)").group(1)
        sender = self.copy(self.endless(), f"tcp://{address}", "--high", "64K", "--progress",
                           "always")
        sender.wait_until_paused()
        socat.signal(signal.SIGKILL)
        socat.process.wait()
        self.assertGreater(tally(self.assert_failed(sender, "reset|Broken pipe"))[0], 0)

    def never_read(self, number):
        """A reader that never reads; only a signal ends it. Returns what is said and what is true."""
        listener, url = self.tcp_listener(receive_buffer=4096)
        sender = self.copy(self.endless(), url, "--high", "64K", "--progress", "always", "--report",
                           "json")
        connection, _ = listener.accept()
        with connection:
            sender.wait_until_paused()
            self.assertIsNone(sender.process.poll())
            sender.signal(number)
            line = self.assert_failed(sender, f"interrupted by {signal.Signals(number).name}",
                                      status=128 + number)
            # What the kernel has taken arrives nevertheless, and not a byte more.
            arrived = len(read_all(connection))
        delivered, lost = tally(line)
        self.assertEqual(delivered, arrived)
        self.assertGreater(lost, 0)
        report = sender.report()
        self.assertEqual((report["status"], report["exit_status"]), ("interrupted", 128 + number))
        self.assertEqual(report["sinks"][0]["status"], "aborted")

    def test_reader_that_never_reads_and_ctrl_c(self):
        self.never_read(signal.SIGINT)

    def test_reader_that_never_reads_and_sigterm(self):
        self.never_read(signal.SIGTERM)

    def test_half_closing_sink(self):
        data = payload(8 * MIB)

        def handle(connection):
            connection.shutdown(socket.SHUT_WR)
            return sha256(read_all(connection))
        peer, url = self.peer(handle)
        self.assert_done(self.copy(self.file(data), url))
        self.assertEqual(peer.join(), sha256(data))

    def test_peer_that_says_much_while_it_reads(self):
        data = payload(4 * MIB)

        def handle(connection):
            received = []
            connection.setblocking(True)
            while chunk := connection.recv(1 << 16):
                received.append(chunk)
                connection.sendall(chunk)
            connection.sendall(b"late words" * 1000)
            connection.close()
            return sha256(b"".join(received))
        peer, url = self.peer(handle)
        self.assert_done(self.copy(self.file(data), url))
        self.assertEqual(peer.join(), sha256(data))

    def test_peer_that_never_closes(self):
        """It has every byte: the copy is complete, and does not wait for ever."""
        data = payload(100_000)
        listener, url = self.tcp_listener()
        sender = self.copy(self.file(data), url)
        connection, _ = listener.accept()
        with connection:
            self.assert_done(sender)
            self.assertEqual(sha256(read_all(connection)), sha256(data))

    def test_reader_that_closes_at_once(self):
        peer, url = self.peer(lambda connection: connection.close())
        sender = self.copy(self.endless(), url)
        tally(self.assert_failed(sender, "cannot write to", "reset|Broken pipe"))
        peer.join()

    def test_reset_after_the_last_byte(self):
        """All bytes were sent, and then the peer says that it did not want them."""
        def handle(connection):
            connection.recv(1, socket.MSG_PEEK)
            connection.close()  # With unread data: this resets the connection.
        peer, url = self.peer(handle)
        line = self.assert_failed(self.copy(self.file(b"unread"), url), "reset|Broken pipe")
        self.assertEqual(sum(tally(line)), 6)
        peer.join()


class NoRoomTest(CliTestCase):
    def test_full_device(self):
        path = self.file(payload(MIB))
        line = self.assert_failed(self.copy(path, "pipe:///dev/full", "--high", "64K"),
                                  "cannot write to pipe:///dev/full: No space left on device")
        delivered, lost = tally(line)
        self.assertEqual(delivered, 0)
        self.assertGreater(lost, 0)
        with open("/dev/full", "wb") as full:
            line = self.assert_failed(self.copy(path, "-", stdout=full),
                                      "standard output: No space left on device")
        self.assertEqual(tally(line)[0], 0)

    def test_file_that_may_not_grow(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        with open(self.tmp / "out", "wb") as out:
            child = self.copy(self.file(payload(MIB)), "-", stdout=out, preexec_fn=limit)
            line = self.assert_failed(child, "cannot write to standard output: File too large")
        self.assertEqual(tally(line)[0], 100_000)
        self.assertEqual((self.tmp / "out").read_bytes(), payload(MIB)[:100_000])

    def test_full_pipe(self):
        """Nobody reads for a while: the copy waits and then goes on."""
        data = payload(2 * MIB)
        sender = self.copy(self.file(data), "-", "--high", "64K", "--progress", "always",
                           stdout=subprocess.PIPE)
        sender.wait_until_paused()
        self.assertIsNone(sender.process.poll())
        self.assertEqual(sha256(sender.out()), sha256(data))
        self.assert_done(sender)

    def test_output_that_is_closed_half_way(self):
        sender = self.copy(self.file(payload(4 * MIB)), "-", stdout=subprocess.PIPE)
        os.read(sender.process.stdout.fileno(), 10)
        sender.process.stdout.close()
        line = self.assert_failed(sender, "cannot write to standard output: ",
                                  "Broken pipe|closed its end")
        self.assertGreater(tally(line)[0], 0)


class TeeFailureTest(CliTestCase):
    def test_the_others_go_on(self):
        data = payload(4 * MIB)
        child = self.copy(self.file(data), "-", "pipe:///dev/full", "--report", "json",
                          stdout=subprocess.PIPE)
        self.assertEqual(sha256(child.out()), sha256(data))
        line = self.assert_failed(child, "1 of 2 sinks failed", "/dev/full: No space left",
                                  f"standard output: {len(data)} bytes delivered, 0 bytes read",
                                  f"/dev/full: 0 bytes delivered, {len(data)} bytes read")
        self.assertEqual([sink["status"] for sink in child.report()["sinks"]],
                         ["closed", "failed"])
        self.assertIn("1 of 2", line)

    def test_a_dead_sink_holds_nobody_up(self):
        """It dies while the source is paused because of it."""
        data = payload(4 * MIB)
        fifo = self.fifo()
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        child = self.copy(self.file(data), f"pipe://{fifo}", "-", "--progress", "always",
                          stdout=subprocess.PIPE)
        child.wait_until_paused()
        os.close(reader)
        self.assertEqual(sha256(child.out()), sha256(data))
        self.assert_failed(child, "1 of 2 sinks failed", "Broken pipe")

    def test_all_fail(self):
        child = self.copy("pipe:///dev/zero", "pipe:///dev/full", "pipe:///dev/full")
        self.assert_failed(child, "2 of 2 sinks failed")


class SourceFailureTest(CliTestCase):
    def test_reset_source(self):
        def handle(connection):
            connection.sendall(b"half of it")
            eventually(lambda: (self.tmp / "out").stat().st_size == 10, "the first half")
            # Reset instead of end of file.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
        (self.tmp / "out").touch()
        peer, url = self.peer(handle)
        with open(self.tmp / "out", "wb") as out:
            child = self.copy(url, "-", stdout=out)
            line = self.assert_failed(child, f"cannot read {url}: Connection reset by peer")
        self.assertEqual(tally(line), (10, 0))
        peer.join()

    def test_file_that_cannot_be_read(self):
        # Reading the memory of a process at address 0 is refused by the kernel.
        self.assert_failed(self.copy("/proc/self/mem", "-"), "cannot read /proc/self/mem: ")


class SignalTest(CliTestCase):
    def test_while_listening(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                child = self.copy(f"unix-listen://{self.tmp}/sock", "-")
                child.listening_url()
                child.signal(number)
                self.assert_failed(child, f"interrupted by {number.name}", "nothing was copied",
                                   status=128 + number)
                self.assertFalse((self.tmp / "sock").exists())

    def test_while_reading_from_a_silent_source(self):
        read_end, write_end = os.pipe()
        child = self.copy("-", "-", "--progress", "always", stdin=read_end,
                          stdout=subprocess.PIPE)
        os.write(write_end, b"some words")
        self.assertEqual(os.read(child.process.stdout.fileno(), 100), b"some words")
        child.signal(signal.SIGINT)
        line = self.assert_failed(child, "interrupted by SIGINT", status=130)
        self.assertEqual(tally(line), (10, 0))
        os.close(read_end)
        os.close(write_end)

    def test_while_the_sink_drains(self):
        """The source has ended; the reader does not read the rest."""
        fifo = self.fifo()
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        data = payload(200_000)
        child = self.copy(self.file(data), f"pipe://{fifo}", "--high", "1M", "--progress",
                          "always")
        child.wait_for_text(r"195\.\d KiB|6[45]\.\d KiB")
        child.signal(signal.SIGTERM)
        line = self.assert_failed(child, "interrupted by SIGTERM", status=143)
        delivered, lost = tally(line)
        self.assertEqual(delivered + lost, len(data))
        self.assertEqual(len(os.read(reader, 1 << 20)), delivered)
        os.close(reader)

    def test_nohup_stays_ignored(self):
        def ignore():
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        child = self.copy(f"unix-listen://{self.tmp}/sock", "-", preexec_fn=ignore)
        client = self.client(child.listening_url())
        child.signal(signal.SIGHUP)
        client.close()
        self.assert_done(child)


if __name__ == "__main__":
    unittest.main()
