#!/usr/bin/env python3
"""A supervised command: its lines get prefixes, and it is started again as often as was asked for."""
import pathlib
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import support


class ProcessSupervisorTest(support.ExampleTest):
    def supervise(self, *arguments, status=0):
        """Standard output and standard error, sorted out, of a supervisor."""
        process = self.start("example_process_supervisor", *arguments, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=support.PATIENCE)
        self.assertEqual(process.returncode, status, err)
        return out.decode(), err.decode()

    def test_lines_of_both_outputs_get_the_name(self):
        out, err = self.supervise("job", "0", "sh", "-c", "echo one; printf 'tw'; echo o; echo bad >&2")
        self.assertEqual(sorted(out.splitlines()), ["job! bad", "job: one", "job: two"])
        self.assertEqual(err, "")

    def test_a_last_line_without_an_end_is_not_lost(self):
        self.assertEqual(self.supervise("job", "0", "printf", "half")[0], "job: half\n")

    def test_a_failing_command_is_started_again_as_often_as_said(self):
        out, err = self.supervise("job", "2", "sh", "-c", "echo try; exit 3", status=1)
        self.assertEqual(out, "job: try\n" * 3)
        self.assertEqual(err.count("failed with 3 and is started again"), 2)
        self.assertIn("is not started again", err)

    def test_a_command_that_recovers_ends_well(self):
        with tempfile.TemporaryDirectory() as folder:
            mark = pathlib.Path(folder, "mark")
            out, err = self.supervise("job", "5", "sh", "-c",
                                      f"test -e {mark} && echo well || {{ touch {mark}; kill -9 $$; }}")
        self.assertEqual(out, "job: well\n")
        self.assertIn("failed with -9 and is started again", err)

    def test_a_signal_ends_the_command_which_is_not_started_again(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.start("example_process_supervisor", "job", "5", "python3", "-c",
                                 "import signal; print('begun', flush=True); signal.pause()",
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(support.read_line(process.stdout), "job: begun")
            process.send_signal(number)
            self.assertIn("and is not started again", self.finish(process, 1))

    def test_a_command_that_is_not_there_is_told(self):
        err = self.supervise("job", "5", "no-such-command", status=1)[1]
        self.assertEqual(err, "process_supervisor: starting 'no-such-command': "
                              "No such file or directory\n")


if __name__ == "__main__":
    support.main()
