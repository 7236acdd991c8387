#!/usr/bin/env python3
"""Standard output as a transport: through cat, to a slow reader, and to those that take nothing."""
import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import support

EXPECTED = "".join(f"line {i}\n" for i in range(1, 20001)).encode()


class WritePipeTest(support.ExampleTest):
    def test_through_cat(self):
        writer = self.start("example_write_pipe", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        cat = subprocess.run(["cat"], stdin=writer.stdout, stdout=subprocess.PIPE, check=True,
                             timeout=support.PATIENCE)
        self.finish(writer)
        self.assertEqual(hashlib.sha256(cat.stdout).hexdigest(), hashlib.sha256(EXPECTED).hexdigest())

    def test_a_slow_reader_gets_every_byte(self):
        reading, writing = self.pipe()
        writer = self.start("example_write_pipe", stdout=writing, stderr=subprocess.PIPE)
        received = hashlib.sha256()
        total = 0
        # Far less than the pipe holds at a time, so the writer waits for nearly every piece.
        while total < len(EXPECTED):
            piece = support.read_some(reading, 100)
            received.update(piece)
            total += len(piece)
        self.finish(writer)
        self.assertEqual(received.hexdigest(), hashlib.sha256(EXPECTED).hexdigest())
        # We share the pipe's open file with the program: it was left as it was found.
        self.assertFalse(fcntl.fcntl(writing, fcntl.F_GETFL) & os.O_NONBLOCK)
        writing.close()
        self.assertEqual(support.read_some(reading), b"")

    def test_a_reader_that_goes_away_is_told(self):
        reading, writing = self.pipe()
        writer = self.start("example_write_pipe", stdout=writing, stderr=subprocess.PIPE)
        writing.close()
        self.assertTrue(support.read_some(reading, 100))
        reading.close()
        self.assertEqual(self.finish(writer, status=1), "the reader went away: Broken pipe\n")

    def test_a_full_device_is_told(self):
        with open("/dev/full", "wb") as full:
            writer = self.start("example_write_pipe", stdout=full, stderr=subprocess.PIPE)
            self.assertIn("No space left on device", self.finish(writer, status=1))

    def test_a_regular_file_is_refused(self):
        with tempfile.TemporaryFile() as file:
            writer = self.start("example_write_pipe", stdout=file, stderr=subprocess.PIPE)
            error = self.finish(writer, status=1)
            self.assertIn("Pipe transport is only for pipes, sockets and character devices", error)
            self.assertIn("is a regular file", error)
            self.assertEqual(file.seek(0, os.SEEK_END), 0)


if __name__ == "__main__":
    support.main()
