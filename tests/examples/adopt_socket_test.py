#!/usr/bin/env python3
"""One end of a socketpair as a transport."""
import subprocess
import sys

sys.dont_write_bytecode = True
import support


class AdoptSocketTest(support.ExampleTest):
    def test_what_the_other_end_sends_is_received(self):
        program = self.start("example_adopt_socket", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, error = program.communicate(timeout=support.PATIENCE)
        self.assertEqual((program.returncode, output, error), (0, b"Received: abc\n", b""))


if __name__ == "__main__":
    support.main()
