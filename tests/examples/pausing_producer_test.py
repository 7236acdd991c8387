#!/usr/bin/env python3
"""A producer that pauses: its memory is bounded by the high mark, however slow the reader is."""
import hashlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import support

MEBIBYTES = 4
HIGH_MARK = 64 * 1024
BLOCK = 16 * 1024


class PausingProducerTest(support.ExampleTest):
    def start_producer(self):
        reading, writing = self.pipe()
        producer = self.start("example_pausing_producer", str(MEBIBYTES), stdout=writing,
                              stderr=subprocess.PIPE)
        writing.close()
        return reading, producer

    def figures(self, producer, status):
        """{bytes sent, pauses, peak} as the program tells them."""
        told = self.finish(producer, status)
        match = re.fullmatch(
            r"(\d+) bytes sent, (\d+) pauses, never more than (\d+) bytes buffered\n", told)
        self.assertTrue(match, told)
        return tuple(int(group) for group in match.groups())

    def check_peak(self, peak):
        # It looks before each block, so the block that passes the mark is the last one.
        self.assertGreater(peak, HIGH_MARK)
        self.assertLessEqual(peak, HIGH_MARK + BLOCK)

    def test_a_slow_reader_bounds_the_buffer(self):
        reading, producer = self.start_producer()
        received = hashlib.sha256()
        while piece := support.read_some(reading, 1000):
            received.update(piece)
        sent, pauses, peak = self.figures(producer, status=0)
        self.assertEqual(received.hexdigest(), hashlib.sha256(b"x" * (MEBIBYTES << 20)).hexdigest())
        self.assertEqual(sent, MEBIBYTES << 20)
        # Between two pauses goes what is between the marks, and little more.
        self.assertGreater(pauses, (MEBIBYTES << 20) // (2 * HIGH_MARK))
        self.check_peak(peak)

    def test_a_reader_that_goes_away_ends_it(self):
        reading, producer = self.start_producer()
        taken = 0
        while taken < 100000:
            taken += len(support.read_some(reading, 1000))
        reading.close()
        sent, pauses, peak = self.figures(producer, status=1)
        self.assertGreaterEqual(sent, taken)
        self.assertLess(sent, MEBIBYTES << 20)
        self.assertGreaterEqual(pauses, 1)
        self.check_peak(peak)


if __name__ == "__main__":
    support.main()
