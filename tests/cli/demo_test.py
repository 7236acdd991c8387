"""What `make run` shows: a file that passes through the buffer, held between its marks."""
import pathlib
import re
import subprocess
import unittest

import support

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "run-demo"


class DemoTest(unittest.TestCase):
    def test_the_buffer_is_seen_between_its_marks(self):
        done = subprocess.run([SCRIPT, support.program()], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertTrue(done.stdout.endswith("both ends are the same\n"), done.stdout)
        pauses, peak, low, high = map(int, re.search(
            r"(\d+) pauses, [\d.]+ s paused, peak buffer (\d+) \(low (\d+), high (\d+)\)",
            done.stdout).groups())
        self.assertGreater(pauses, 0)
        self.assertLess(low, high)
        self.assertGreater(peak, high)
        # The write that passes the mark is one block.
        self.assertLessEqual(peak, high + 64 * 1024)


if __name__ == "__main__":
    unittest.main()
