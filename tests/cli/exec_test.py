"""exec:COMMAND as a source and as a sink, with cat, gzip, tar and the shell."""
import gzip
import os
import pathlib
import re
import signal
import subprocess
import tarfile

from support import CliTestCase, MIB, eventually, payload, sha256


class ExecSourceTest(CliTestCase):
    def output_of(self, command):
        child = self.copy(command, "-", stdout=subprocess.PIPE)
        data = child.out()
        self.assert_done(child)
        return data

    def test_what_a_command_writes(self):
        data = payload(5 * MIB)
        self.assertEqual(self.output_of(f"exec:cat {self.file(data)}"), data)

    def test_words_are_split_as_a_shell_does_and_not_expanded(self):
        self.assertEqual(
            self.output_of(r"""exec:printf '%s|' 'a b' "c \"d\\ \e" f\ g  '' $HOME *	end"""),
            b"a b|c \"d\\ \\e|f g||$HOME|*|end|")

    def test_a_shell_is_used_when_it_is_asked_for(self):
        self.assertEqual(self.output_of("exec:sh -c 'echo 42 | tr 4 5'"), b"52\n")

    def test_tar_as_the_source(self):
        self.file(payload(MIB), "one")
        archive = self.output_of(f"exec:tar -C {self.tmp} -cf - one")
        (self.tmp / "archive").write_bytes(archive)
        with tarfile.open(self.tmp / "archive") as tar:
            self.assertEqual(tar.extractfile("one").read(), payload(MIB))

    def test_it_has_no_input_and_our_standard_error(self):
        child = self.copy("exec:sh -c 'cat; echo said >&2'", "-", stdout=subprocess.PIPE,
                          stdin=subprocess.PIPE)
        self.assertEqual(child.out(), b"")
        self.assertIn("said\n", child.err())

    def test_a_failing_command_fails_the_copy_and_its_output_is_delivered(self):
        child = self.copy("exec:sh -c 'echo some; exit 3'", "-", stdout=subprocess.PIPE)
        self.assertEqual(child.out(), b"some\n")
        line = self.assert_failed(child, r"exec:sh -c 'echo some; exit 3': exited with status 3; "
                                         r"5 bytes delivered")
        self.assertNotIn("cannot", line)

    def test_a_killed_command_is_named_with_its_signal(self):
        child = self.copy("exec:sh -c 'kill -TERM $$'", "-")
        self.assert_failed(child, r": killed by SIGTERM")

    def test_what_cannot_be_started(self):
        self.assert_failed(self.copy("exec:no-such-command x", "-"),
                           "cannot start exec:no-such-command x: No such file or directory; "
                           "nothing was copied")
        path = self.file(b"#!/bin/sh\n", "plain")
        self.assert_failed(self.copy(f"exec:{path}", "-"), "Permission denied")

    def test_a_failing_sink_ends_the_command(self):
        self.assert_failed(self.copy("exec:yes", "pipe:///dev/full"), "No space left on device")


class ExecSinkTest(CliTestCase):
    def test_gzip_as_the_sink_and_as_the_source(self):
        data = payload(3 * MIB) + bytes(MIB)
        source = self.file(data)
        with open(self.tmp / "packed.gz", "wb") as out:
            self.assert_done(self.copy(source, "exec:gzip -c", stdout=out))
        self.assertEqual(gzip.decompress((self.tmp / "packed.gz").read_bytes()), data)
        child = self.copy(f"exec:gzip -dc {self.tmp}/packed.gz", "-", stdout=subprocess.PIPE)
        self.assertEqual(sha256(child.out()), sha256(data))
        self.assert_done(child)

    def test_from_one_command_to_another(self):
        data = payload(2 * MIB)
        child = self.copy(f"exec:cat {self.file(data)}", "exec:cat", stdout=subprocess.PIPE)
        self.assertEqual(sha256(child.out()), sha256(data))
        self.assert_done(child)

    def test_a_slow_command_pauses_the_source(self):
        data = payload(4 * MIB)
        out = self.tmp / "out"
        child = self.copy(self.file(data), f"exec:sh -c 'dd bs=64k of={out} status=none'", "--report",
                          "json")
        self.assert_done(child)
        self.assertEqual(sha256(out.read_bytes()), sha256(data))
        self.assertGreater(child.report()["sinks"][0]["pauses"], 0)

    def test_the_copy_ends_when_the_command_has_ended(self):
        out = self.tmp / "out"
        fifo = self.fifo()
        child = self.copy(self.file(b"x"),
                          f"exec:sh -c 'cat >{out}; read go <{fifo}; echo end >>{out}'")
        eventually(lambda: out.exists() and out.read_bytes() == b"x", "the byte to arrive")
        self.assertIsNone(child.process.poll())
        fifo.write_text("go\n")
        self.assert_done(child)
        self.assertEqual(out.read_bytes(), b"xend\n")

    def test_a_failing_command_fails_the_copy(self):
        child = self.copy(self.file(b"data"), "exec:sh -c 'cat >/dev/null; exit 1'")
        self.assert_failed(child, r"exec:sh -c 'cat >/dev/null; exit 1': exited with status 1; "
                                  r"4 bytes delivered")

    def test_the_status_is_told_rather_than_the_broken_pipe(self):
        child = self.copy("pipe:///dev/zero", "exec:sh -c 'exit 7'")
        line = self.assert_failed(child, "exited with status 7")
        self.assertNotIn("Broken", line)

    def test_a_killed_command_is_named_with_its_signal(self):
        child = self.copy("pipe:///dev/zero", "exec:sh -c 'head -c 100000 >&-; kill -KILL $$'")
        self.assert_failed(child, "killed by SIGKILL")

    def test_a_command_that_does_not_read_everything(self):
        child = self.copy("pipe:///dev/zero", "exec:head -c 10", stdout=subprocess.PIPE)
        self.assertEqual(child.out(), bytes(10))
        self.assert_failed(child, "cannot write to exec:head -c 10: Broken pipe")

    def test_a_command_that_cannot_be_started(self):
        self.assert_failed(self.copy(self.file(b"data"), "exec:no-such-command"),
                           "cannot start exec:no-such-command: No such file or directory; "
                           "nothing was copied")

    def test_it_works_where_children_are_ignored(self):
        def ignore():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        child = self.copy(self.file(b"data"), "exec:sh -c 'cat >/dev/null; exit 5'",
                          preexec_fn=ignore)
        self.assert_failed(child, "exited with status 5")


class ExecEndTest(CliTestCase):
    def command_pids(self, child):
        """The processes that a program has started."""
        path = pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def interrupted(self, *arguments, number=signal.SIGINT):
        child = self.copy(*arguments)
        pids = eventually(lambda: self.command_pids(child), "the command to run")
        self.interrupt(child, number)
        for pid in pids:
            self.assertFalse(os.path.exists(f"/proc/{pid}"), "the command is still there")
        line, = child.error_lines()
        self.assertRegex(line, "interrupted by " + signal.Signals(number).name)

    def test_an_interrupted_copy_leaves_no_command_behind(self):
        self.interrupted("exec:sleep 1000", "-")
        self.interrupted("pipe:///dev/zero", "exec:sleep 1000")
        self.interrupted("exec:yes", "exec:sleep 1000", number=signal.SIGTERM)

    def test_ctrl_c_reaches_both_and_is_told_as_an_interrupt(self):
        # Whichever of the three hears of it first.
        for _ in range(8):
            child = self.copy("exec:yes", "exec:sleep 1000", "--report", "json",
                              start_new_session=True)
            eventually(lambda: len(self.command_pids(child)) == 2, "the commands to run")
            os.killpg(child.pid, signal.SIGINT)
            self.assertEqual(child.status(), 130, child.err())
            self.assertEqual(child.report()["status"], "interrupted", child.err())


class ExecArgumentsTest(CliTestCase):
    def assert_refused(self, *arguments):
        child = self.copy(*arguments)
        self.assertEqual(child.status(), 2, child.err())
        return child.err()

    def test_what_is_no_command(self):
        self.assertRegex(self.assert_refused("exec:", "-"), "expected a command after exec:")
        self.assertRegex(self.assert_refused("exec:  ", "-"), "expected a command after exec:")
        self.assertRegex(self.assert_refused("exec:'' x", "-"), "expected a command after exec:")
        self.assertRegex(self.assert_refused("-", "exec:cat 'x"), "a ' is not closed")
        self.assertRegex(self.assert_refused("-", 'exec:cat "x'), 'a " is not closed')
        self.assertRegex(self.assert_refused("-", "exec:cat \\"), r"behind the last \\")

    def test_a_refused_command_is_quoted_as_it_was_given(self):
        for command in ("exec:", "exec:cat 'x", "exec:cat \\"):
            self.assertIn(f"'{command}': ", self.assert_refused("-", command))

    def test_a_command_is_not_listened_on(self):
        child = self.sluice("serve", "echo", "--listen", "exec:cat")
        self.assertEqual(child.status(), 2)
        self.assertTrue(re.search("cannot be listened on", child.err()))
