"""The progress line, as a terminal gets it."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import unittest

from support import CliTestCase, MIB, eventually, payload

LINE = re.compile(
    r"^ *\d+(\.\d)? [KMG]?i?B (?P<percent>[ \d]{3})% +\d+(\.\d)? [KMG]?i?B/s ETA [\d:-]+ "
    r"buffer \[[#<> ]{10}\] +\d+(\.\d)? [KMG]?i?B pauses (?P<pauses>\d+)$")


class Terminal:
    """A pseudo terminal, and all that was written to it."""

    def __init__(self, columns):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def read_until_end_of(self, child, case):
        os.close(self.slave)
        text = b""
        while True:
            ready, _, _ = select.select([self.master], [], [], 40)
            case.assertTrue(ready, "the terminal is silent")
            try:
                chunk = os.read(self.master, 65536)
            except OSError:
                break  # The last writer has closed it.
            if not chunk:
                break
            text += chunk
        os.close(self.master)
        case.assertEqual(child.status(), 0, text)
        return text.decode()


class ProgressTest(CliTestCase):
    def on_terminal(self, *arguments, columns=80, **options):
        terminal = Terminal(columns)
        child = self.copy(*arguments, stderr=terminal.slave, **options)
        return terminal.read_until_end_of(child, self)

    def lines_of(self, text):
        """What was drawn: each drawing begins at the left and clears what was there."""
        text = re.sub(r"^(waiting for a (reader|writer) of [^\r]*\r\n)+", "", text)
        progress, _, rest = text.partition("\r\n")
        drawings = progress.split("\r")
        self.assertEqual(drawings[0], "")
        for drawing in drawings[1:]:
            self.assertTrue(drawing.endswith("\x1b[K"), drawing)
        return [drawing[:-len("\x1b[K")] for drawing in drawings[1:]], rest

    def slow_copy(self, *options, **more):
        """Half a second through a reader that is slower than the source."""
        fifo = self.fifo()
        reader = self.copy(f"pipe://{fifo}", "-", "--rate", "4M")
        text = self.on_terminal(self.file(payload(2 * MIB)), f"pipe://{fifo}", "--high", "64K",
                                *options, **more)
        self.assert_done(reader)
        return text

    def test_a_fifo_without_its_other_end_is_told_of_once(self):
        source, sink = self.fifo("from"), self.fifo("to")
        for progress, told in (("always", [f"waiting for a writer of pipe://{source}",
                                           f"waiting for a reader of {sink}"]),
                               ("auto", [])):
            with self.subTest(progress):
                child = self.copy(f"pipe://{source}", sink, "--report", "none", "--progress", progress)
                if told:
                    child.wait_for_text("waiting for a reader")
                    # Several looks later it has not been said again.
                    eventually(lambda: self.looks(child) > 30, "more looks at the FIFOs")
                else:
                    eventually(lambda: self.looks(child) > 30, "looks at the FIFOs")
                self.assertEqual(child.err().splitlines(), told)
                with open(sink, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)
                          ) as reader, open(source, "wb") as writer:
                    writer.write(b"x")
                    writer.close()
                    self.assert_done(child)
                    self.assertEqual(reader.read(), b"x")

    def looks(self, child):
        """How often its main thread has slept: once for each look at its FIFOs, at least."""
        with open(f"/proc/{child.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status
                        if line.startswith("voluntary_ctxt_switches:"))

    def test_one_line_redrawn(self):
        lines, rest = self.lines_of(self.slow_copy("--report", "none"))
        self.assertEqual(rest, "")
        self.assertGreaterEqual(len(lines), 4)
        matches = [LINE.match(line) for line in lines]
        for line, match in zip(lines, matches):
            self.assertTrue(match, repr(line))
        percents = [int(match["percent"]) for match in matches]
        self.assertEqual(percents, sorted(percents))
        self.assertEqual(percents[-1], 100)
        self.assertTrue(any(0 < percent < 100 for percent in percents), percents)
        self.assertGreater(int(matches[-1]["pauses"]), 0)
        self.assertTrue(any("#" in line for line in lines))
        self.assertIn("2.0 MiB", lines[-1])
        self.assertIn("ETA 0:00", lines[-1])

    def test_the_rate_is_known_from_the_first_bytes_on(self):
        lines, _ = self.lines_of(self.slow_copy("--report", "none"))
        for line in lines:
            if not re.match(r"^ *0 B ", line):
                self.assertNotRegex(line, r" 0 B/s")

    def test_the_report_follows_on_its_own_lines(self):
        lines, rest = self.lines_of(self.slow_copy())
        self.assertGreater(len(lines), 0)
        self.assertTrue(rest.startswith("copy    complete: 2097152 bytes"), rest)

    def test_never_wider_than_the_terminal(self):
        for columns in (20, 40):
            with self.subTest(columns):
                lines, _ = self.lines_of(self.slow_copy("--report", "none", columns=columns))
                self.assertLess(max(map(len, lines)), columns)
                (self.tmp / "fifo").unlink()

    def test_unknown_size_shows_no_percent(self):
        source = self.start("cat", self.file(payload(MIB)), stdout=subprocess.PIPE)
        text = self.on_terminal("-", "-", "--report", "none", stdin=source.process.stdout)
        source.process.stdout.close()
        self.assertEqual(source.status(), 0)
        lines, _ = self.lines_of(text)
        self.assertNotIn("%", lines[-1])
        self.assertNotIn("ETA", lines[-1])
        self.assertIn("1.0 MiB", lines[-1])
        self.assertIn("buffer [", lines[-1])

    def test_never(self):
        text = self.on_terminal(self.file(payload(MIB)), "-", "--progress", "never",
                                "--report", "none")
        self.assertEqual(text, "")

    def test_no_terminal_no_line(self):
        child = self.copy(self.file(payload(MIB)), "-", "--report", "none")
        self.assert_done(child)
        self.assertEqual(child.err(), "")

    def test_always_without_a_terminal(self):
        child = self.copy(self.file(payload(MIB)), "-", "--report", "none", "--progress",
                          "always")
        self.assert_done(child)
        self.assertIn("\r", child.err())
        self.assertIn("100%", child.err())
        self.assertTrue(child.err().endswith("\n"))

    def test_not_on_the_terminal_that_the_output_goes_to(self):
        for sink in ("-", "exec:cat"):
            with self.subTest(sink):
                terminal = Terminal(80)
                child = self.copy(self.file(payload(5000).hex().encode()), sink, "--report", "none",
                                  stdout=terminal.slave, stderr=terminal.slave)
                text = terminal.read_until_end_of(child, self)
                self.assertEqual(text, payload(5000).hex())

    def test_in_the_end_the_rate_is_that_of_the_whole(self):
        for size, options in ((MIB, []), (100_000, ["--rate", "200K"])):
            with self.subTest(size):
                child = self.copy(self.file(payload(size)), "-", "--report", "json", "--progress",
                                  "always", *options)
                self.assert_done(child)
                drawn = child.err().split("\n")[0].split("\r")[-1]
                number, unit = re.search(r"100% +(\S+) (\S+)/s", drawn).groups()
                shown = float(number) * 1024 ** ["B", "KiB", "MiB", "GiB", "TiB"].index(unit)
                mean = size / child.report()["seconds"]
                self.assertLess(abs(shown - mean), 0.1 * mean, drawn)

    def test_an_error_stands_on_its_own_line(self):
        terminal = Terminal(80)
        child = self.copy(self.file(payload(MIB)), "pipe:///dev/full", "--report", "none",
                          stderr=terminal.slave)
        child.process.wait()
        os.close(terminal.slave)
        text = os.read(terminal.master, 65536).decode()
        os.close(terminal.master)
        self.assertEqual(child.process.returncode, 1)
        last = text.splitlines()[-1]
        self.assertTrue(last.startswith("sluice: cannot write to pipe:///dev/full"), text)


if __name__ == "__main__":
    unittest.main()
