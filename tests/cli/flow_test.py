"""Flow control as it can be seen from outside: marks, pauses, rate, and the reports of them."""
import os
import re
import subprocess
import time
import unittest

from support import CliTestCase, MIB, eventually, payload, sha256

KIB = 1024
LARGEST_BLOCK = 64 * KIB


class MarksTest(CliTestCase):
    def slow_copy(self, *options):
        """A copy to a reader that is slower than the writer; returns the report."""
        data = payload(3 * MIB)
        fifo = self.fifo()
        reader = self.copy(f"pipe://{fifo}", "-", "--rate", "12M", stdout=subprocess.PIPE)
        child = self.copy(self.file(data), f"pipe://{fifo}", "--report", "json", *options)
        self.assertEqual(sha256(reader.out()), sha256(data))
        self.assert_done(reader)
        self.assert_done(child)
        return child.report()

    def test_marks_are_applied_and_kept(self):
        for options, low, high in (
                (["--high", "64K"], 16 * KIB, 64 * KIB),
                (["--high", "128K"], 32 * KIB, 128 * KIB),
                (["--low", "8K"], 8 * KIB, 32 * KIB),
                (["--high", "100K", "--low", "50k"], 50 * KIB, 100 * KIB),
                (["--high", "0"], 0, 0)):
            with self.subTest(options):
                report = self.slow_copy(*options)
                sink = report["sinks"][0]
                self.assertEqual((sink["low"], sink["high"]), (low, high))
                self.assertGreater(sink["peak_buffer"], high)
                self.assertLessEqual(sink["peak_buffer"], high + LARGEST_BLOCK)
                self.assertGreater(report["pauses"], 0)
                self.assertGreater(report["seconds_paused"], 0)
                self.assertLessEqual(report["seconds_paused"], report["seconds"])
                (self.tmp / "fifo").unlink()

    def test_a_mark_that_is_never_reached(self):
        report = self.slow_copy("--high", "1G")
        self.assertEqual((report["pauses"], report["seconds_paused"]), (0, 0))

    def test_all_of_the_report(self):
        report = self.slow_copy("--high", "64K")
        sinks = report.pop("sinks")
        self.assertEqual(set(report), {
            "status", "exit_status", "error", "source", "source_size", "sent_by", "bytes",
            "seconds",
            "pauses", "seconds_paused", "peak_buffer", "reads", "syscalls"})
        self.assertEqual(set(sinks[0]), {
            "sink", "status", "error", "bytes_delivered", "bytes_undelivered", "pauses",
            "seconds_paused", "peak_buffer", "low", "high", "syscalls", "short_writes",
            "would_blocks"})
        self.assertEqual((report["status"], report["exit_status"], report["error"]),
                         ("complete", 0, None))
        self.assertEqual((report["bytes"], report["source_size"]), (3 * MIB, 3 * MIB))
        self.assertEqual((sinks[0]["bytes_delivered"], sinks[0]["bytes_undelivered"]), (3 * MIB, 0))
        self.assertEqual(report["syscalls"], sinks[0]["syscalls"])
        self.assertEqual(report["pauses"], sinks[0]["pauses"])

    def test_text_report(self):
        data = payload(100_000)
        for options in ([], ["--report", "text"]):
            with self.subTest(options):
                child = self.copy(self.file(data), "-", "--high", "64K", *options,
                                  stdout=subprocess.PIPE)
                child.out()
                self.assert_done(child)
                for pattern in (r"^copy    complete: 100000 bytes \(97\.7 KiB\) in \d+\.\d+ s, ",
                                r"^source  .*source: \d+ reads?, \d+ pauses?, \d+\.\d+ s paused$",
                                r"^sink    -: closed, 100000 bytes delivered, \d+ syscalls?$",
                                r"^ +\d+ pauses?, .* s paused, peak buffer \d+ "
                                r"\(low 16384, high 65536\)$"):
                    self.assertRegex(child.err(), re.compile(pattern, re.MULTILINE))

    def test_json_is_a_line_of_its_own_on_standard_error(self):
        """Standard output has the bytes only; what else is said stands before or after the object."""
        child = self.copy(self.file(payload(MIB)), "/dev/full", "-", "--report", "json",
                          "--progress", "always", stdout=subprocess.PIPE)
        self.assertEqual(sha256(child.out()), sha256(payload(MIB)))
        line = self.assert_failed(child, "1 of 2 sinks failed: cannot write to /dev/full")
        self.assertEqual(child.err().splitlines()[-1], line)
        self.assertEqual("sluice: " + child.report()["error"], line)
        self.assertEqual(child.report()["sinks"][1]["bytes_delivered"], MIB)

    def test_nothing_was_copied_and_nothing_is_reported(self):
        for arguments in ((self.tmp / "missing", "-"), (self.file(b"x"), self.tmp / "no" / "file"),
                          ("unix://" + str(self.tmp / "none"), "-")):
            for report in ("text", "json"):
                with self.subTest(arguments):
                    child = self.copy(*arguments, "--report", report)
                    line = self.assert_failed(child, "; nothing was copied$")
                    self.assertEqual(child.err(), line + "\n")

    def test_no_report(self):
        child = self.copy(self.file(b"text"), "-", "--report", "none")
        self.assert_done(child)
        self.assertEqual(child.err(), "")


class TeeRuleTest(CliTestCase):
    def test_the_slowest_holds_the_source(self):
        """The fast sink gets no more than the slow one plus what is buffered for it."""
        data = payload(4 * MIB)
        fifo = self.fifo()
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        out = self.tmp / "out"
        with open(out, "wb") as file:
            child = self.copy(self.file(data), f"pipe://{fifo}", "-", "--progress", "always",
                              "--report", "json", stdout=file)
        child.wait_until_paused()
        os.set_blocking(reader, True)
        slow = b""
        # The high mark, one block above it, and what fits into a pipe.
        most_ahead = 64 * KIB + LARGEST_BLOCK + 64 * KIB
        while chunk := os.read(reader, 100_000):
            slow += chunk
            self.assertLessEqual(out.stat().st_size, len(slow) + most_ahead + 100_000)
        os.close(reader)
        self.assert_done(child)
        self.assertEqual(sha256(slow), sha256(data))
        self.assertEqual(sha256(out.read_bytes()), sha256(data))
        report = child.report()
        self.assertGreater(report["pauses"], 5)
        self.assertGreaterEqual(report["pauses"], report["sinks"][0]["pauses"])

    def test_resumed_only_when_all_are_low(self):
        """Two slow sinks: emptying one of them does not set the source going."""
        fifos = [self.fifo("a"), self.fifo("b")]
        readers = [os.open(fifo, os.O_RDONLY | os.O_NONBLOCK) for fifo in fifos]
        data = payload(MIB)
        child = self.copy(self.file(data), *(f"pipe://{fifo}" for fifo in fifos),
                          "--progress", "always")
        child.wait_until_paused()

        def drain(reader):
            received = b""
            try:
                while chunk := os.read(reader, 1 << 20):
                    received += chunk
            except BlockingIOError:
                pass
            return received

        received = [b"", b""]

        def first_is_stuck():
            received[0] += drain(readers[0])
            return len(received[0]) >= 128 * KIB
        eventually(first_is_stuck, "what was buffered for the first sink")
        # All that can come has come: the source was read to the high mark plus a block.
        self.assertLessEqual(len(received[0]), 64 * KIB + 64 * KIB + LARGEST_BLOCK)

        def both_ended():
            for i in (0, 1):
                received[i] += drain(readers[i])
            return all(len(part) == len(data) for part in received)
        eventually(both_ended, "the rest of both")
        self.assert_done(child)
        self.assertEqual([sha256(part) for part in received], [sha256(data)] * 2)
        for reader in readers:
            os.close(reader)


class RateTest(CliTestCase):
    def timed(self, seconds, *arguments, **options):
        """A copy that must take this long, and not much longer."""
        begin = time.monotonic()
        child = self.copy(*arguments, "--report", "json", stdout=subprocess.PIPE, **options)
        out = child.out()
        self.assert_done(child)
        taken = time.monotonic() - begin
        self.assertGreaterEqual(taken, seconds)
        self.assertLess(taken, seconds + 10)
        # Waiting for the rate is no pause of flow control.
        return out, child.report()

    def test_file(self):
        data = payload(600 * KIB)
        out, report = self.timed(0.9, self.file(data), "-", "--rate", "600K")
        self.assertEqual(out, data)
        self.assertGreater(report["reads"], 40)

    def test_low_rate_is_smooth(self):
        out, report = self.timed(0.8, self.file(b"x" * 90), "-", "--rate", "100")
        self.assertEqual(len(out), 90)
        self.assertGreater(report["reads"], 30)

    def test_pipe(self):
        data = payload(600 * KIB)
        source = self.start("cat", self.file(data), stdout=subprocess.PIPE)
        out, _ = self.timed(0.7, "-", "-", "--rate", "600K", stdin=source.process.stdout)
        self.assertEqual(sha256(out), sha256(data))
        source.process.stdout.close()
        self.assertEqual(source.status(), 0)

    def test_socket(self):
        data = payload(600 * KIB)
        sender = self.copy(self.file(data), "tcp-listen://127.0.0.1:0")
        out, report = self.timed(0.9, sender.listening_url(), "-", "--rate", "600K")
        self.assertEqual(sha256(out), sha256(data))
        self.assertGreater(report["reads"], 40)
        self.assert_done(sender)

    def test_little_at_once_from_every_kind_of_source(self):
        """A pipe gives all that is in it at once; it goes on in portions nevertheless."""
        data = self.file(payload(64 * KIB))
        sender = self.copy(data, "tcp-listen://127.0.0.1:0")
        pipe = self.start("cat", data, stdout=subprocess.PIPE)
        for source, stdin in (("-", pipe.process.stdout), (data, None), (f"exec:cat {data}", None),
                              (sender.listening_url(), None), ("/dev/zero", None)):
            with self.subTest(source):
                child = self.copy(source, "-", "--rate", "1K", stdin=stdin, stdout=subprocess.PIPE)
                begin = time.monotonic()
                count = 0
                while count < 300:
                    chunk = os.read(child.process.stdout.fileno(), 64 * KIB)
                    count += len(chunk)
                    # A late timer catches up with a quarter of a second.
                    self.assertLess(count, (time.monotonic() - begin + 0.3) * KIB)
                self.interrupt(child)
        sender.signal(9)
        sender.process.wait()
        pipe.process.stdout.close()
        pipe.process.wait()

    def test_a_slow_sink_and_a_rate(self):
        data = payload(300 * KIB)
        fifo = self.fifo()
        source = self.start("cat", self.file(data), stdout=subprocess.PIPE)
        reader = self.copy(f"pipe://{fifo}", "-", "--rate", "200K", stdout=subprocess.PIPE)
        child = self.copy("-", f"pipe://{fifo}", "--rate", "1M", "--high", "4K", "--report", "json",
                          stdin=source.process.stdout)
        self.assertEqual(sha256(reader.out()), sha256(data))
        self.assert_done(child)
        self.assertGreater(child.report()["pauses"], 0)
        self.assertLessEqual(child.report()["peak_buffer"], 4 * KIB + 21 * KIB)
        source.process.stdout.close()
        self.assertEqual(source.status(), 0)

    def test_a_rate_that_is_never_reached(self):
        data = payload(MIB)
        out, _ = self.timed(0, self.file(data), "-", "--rate", "1024G")
        self.assertEqual(sha256(out), sha256(data))


if __name__ == "__main__":
    unittest.main()
