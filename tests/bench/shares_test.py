"""Shares of a core for the threads of a server."""
import os
import subprocess
import sys
import types
import unittest
from unittest import mock

from support import FolderTestCase
from driver import measure, shares, workloads
from driver.processes import Pinning, RunFailed

# Has two threads, and ends with its input.
TWO_THREADS = "import threading, sys; threading.Thread(target=sys.stdin.read).start(); sys.stdin.read()"


class GroupTest(FolderTestCase):
    """Where groups are made, by what the kernel tells of mounts and groups."""

    def own_group(self, mounts, groups):
        (self.folder / "mounts").write_text(mounts)
        (self.folder / "cgroup").write_text(groups)
        return str(shares.own_group(self.folder / "mounts", self.folder / "cgroup"))

    def test_it_is_that_of_this_process(self):
        mounts = "tmpfs /tmp tmpfs rw 0 0\ncgroup /cg/set cgroup rw,cpuset 0 0\ncgroup /cg/cpu cgroup rw,cpu,cpuacct 0 0\n"
        self.assertEqual(self.own_group(mounts, "3:cpuset:/other\n2:cpu,cpuacct:/\n"), "/cg/cpu")
        self.assertEqual(self.own_group(mounts, "2:cpu,cpuacct:/user/a:b\n"), "/cg/cpu/user/a:b")

    def test_without_the_controller_there_are_no_shares(self):
        with self.assertRaisesRegex(shares.Unavailable, "no cpu controller of control groups, version 1"):
            self.own_group("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "0::/\n")
        with self.assertRaisesRegex(shares.Unavailable, "in no group"):
            self.own_group("cgroup /cg cgroup rw,cpu 0 0\n", "0::/\n")

    def test_a_file_that_cannot_be_read_is_named(self):
        with self.assertRaisesRegex(shares.Unavailable, "nothing: No such file"):
            shares.own_group(self.folder / "nothing", self.folder / "nothing")


class GiveTest(FolderTestCase):
    """A process gets its groups in a folder that has no kernel behind it."""

    def setUp(self):
        super().setUp()
        self.process = subprocess.Popen([sys.executable, "-c", TWO_THREADS], stdin=subprocess.PIPE)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.stdin.close)

    def test_each_thread_has_a_group_of_its_own(self):
        groups = shares.Shares(self.folder)
        groups.give(self.process.pid, 2)
        found = {path.name: {file.name: file.read_text() for file in path.iterdir()} for path in self.folder.iterdir()}
        threads = os.listdir(f"/proc/{self.process.pid}/task")
        self.assertEqual(len(threads), 2)
        self.assertEqual(found, {f"bench-{os.getpid()}-{thread}": {
            "cpu.cfs_period_us": "10000", "cpu.cfs_quota_us": "2000", "tasks": thread} for thread in threads})

    def test_a_folder_that_is_none_fails_the_run(self):
        with self.assertRaisesRegex(RunFailed, "no share of a core for a thread: .*nowhere.*: No such file"):
            shares.Shares(self.folder / "nowhere").give(self.process.pid, 2)

    def test_a_thread_that_does_not_start_fails_the_run(self):
        with mock.patch.object(shares, "STARTS_WITHIN_S", -1), \
                self.assertRaisesRegex(RunFailed, "started [12] of 3 threads"):
            shares.Shares(self.folder).give(self.process.pid, 3)

    def test_groups_of_the_kernel_are_gone_when_their_threads_have_ended(self):
        try:
            parent = shares.provide()
        except shares.Unavailable as reason:
            # Then a measurement says so, and needs nothing to be tidied up.
            self.assertRegex(str(reason), "control groups|in no group|Permission denied|Read-only|/proc/self/")
            return
        with shares.Shares(parent) as groups:
            groups.give(self.process.pid, 2)
            made = [path for path in parent.iterdir() if path.name.startswith(f"bench-{os.getpid()}-")]
            self.assertEqual(sorted(int((path / "tasks").read_text()) for path in made),
                             shares.threads_of(self.process.pid, 2))
            self.assertEqual({(path / "cpu.cfs_quota_us").read_text() for path in made}, {"2000\n"})
            self.process.stdin.close()
            self.process.wait()
        self.assertFalse([path for path in made if path.exists()])


class MeasurementTest(FolderTestCase):
    def of(self, name, cores, provide):
        settings = types.SimpleNamespace(tiny=True)
        with mock.patch.object(measure, "Pinning", lambda: Pinning(range(cores))), \
                mock.patch.object(shares, "provide", provide):
            return measure.Measurement(workloads.BY_NAME[name], (), self.folder, self.folder, settings, None)

    def test_threads_have_shares_where_they_and_the_load_are_more_than_the_cores(self):
        for name, cores, given in (("scaling_echo", 2, True), ("scaling_echo", 3, False), ("echo", 2, False),
                                   ("micro", 1, False)):
            one = self.of(name, cores, lambda: self.folder)
            self.assertEqual(one.shares_in, self.folder if given else None, (name, cores))
            self.assertEqual("20 % of a core" in one.describe_cores(), given, (name, cores))

    def test_the_result_says_why_there_are_none(self):
        one = self.of("scaling_echo", 2, mock.Mock(side_effect=shares.Unavailable("not root")))
        self.assertIsNone(one.shares_in)
        self.assertEqual(one.describe_cores(), "not pinned; no shares of a core, since: not root")


if __name__ == "__main__":
    unittest.main()
