"""Files as sinks: the temporary name, --in-place, --fsync, and what is left when it goes wrong."""
import os
import resource
import signal
import socket
import stat
import subprocess
import unittest

from errors_test import without_override
from support import MIB, CliTestCase, eventually, payload

KIB = 1024


def may_not_grow():
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


class ReplaceTest(CliTestCase):
    def names(self):
        """What is in the directory, without what the test itself keeps there."""
        return sorted(name for name in os.listdir(self.tmp / "to"))

    def setUp(self):
        super().setUp()
        (self.tmp / "to").mkdir()
        self.target = self.tmp / "to" / "file"

    def test_new_and_old_file(self):
        for data in (payload(3 * MIB), b"short", b""):
            with self.subTest(len(data)):
                child = self.copy(self.file(data), self.target)
                self.assert_done(child)
                self.assertEqual(self.target.read_bytes(), data)
                self.assertEqual(self.names(), ["file"])

    def test_url_and_relative_path(self):
        self.assert_done(self.copy(self.file(b"one"), f"file://{self.target}"))
        self.assertEqual(self.target.read_bytes(), b"one")
        self.assert_done(self.copy(self.file(b"two"), "file", cwd=self.tmp / "to"))
        self.assertEqual(self.target.read_bytes(), b"two")

    def test_a_file_is_a_sink_only_once_by_whatever_name(self):
        self.target.write_bytes(b"old")
        (self.tmp / "to" / "link").symlink_to(self.target)
        for again in (self.target, f"file://{self.target}", f"{self.tmp}/to/../to/file", f"{self.tmp}/to/link"):
            with self.subTest(again):
                child = self.copy(self.file(b"new"), self.target, again)
                self.assertEqual(child.status(), 2)
                self.assertIn(f"'{again}': the same file can be a sink only once", child.err())
        self.assertEqual(self.target.read_bytes(), b"old")
        child = self.copy(self.file(b"new"), f"{self.tmp}/to/none", f"{self.tmp}/to/./none")
        self.assertEqual(child.status(), 2)
        self.assert_done(self.copy(self.file(b"new"), "/dev/null", "/dev/null"))

    def test_standard_output_in_a_file_that_is_a_sink_too(self):
        self.target.write_bytes(b"old")
        os.link(self.target, self.tmp / "to" / "other")
        source = self.file(b"new")
        for sinks in ((self.target, "-"), ("-", self.target), ("-", self.tmp / "to" / "other"),
                      ("-", "/dev/stdout"), ("-", "/dev/null", self.target, "--in-place")):
            with self.subTest(sinks), open(self.target, "ab") as out:
                child = self.copy(source, *sinks, stdout=out)
                self.assertEqual(child.status(), 2, child.err())
                self.assertIn(": the same file can be a sink only once\n", child.err())
        self.assertEqual(self.target.read_bytes(), b"old")
        with open(self.tmp / "to" / "out", "wb") as out:
            self.assert_done(self.copy(source, self.target, "-", stdout=out))
        self.assertEqual((self.tmp / "to" / "out").read_bytes(), b"new")

    def test_an_unwritable_file_is_named_once(self):
        child = self.copy(self.file(b"new"), "/none/file")
        self.assert_failed(child, "cannot write to /none/file: No such file or directory; nothing was copied")

    def test_the_old_file_stays_until_the_end(self):
        self.target.write_bytes(b"old")
        self.target.chmod(0o640)
        child = self.copy("-", self.target, stdin=subprocess.PIPE)
        child.process.stdin.write(b"new")
        child.process.stdin.flush()
        eventually(lambda: len(self.names()) == 2, "a temporary file is there")
        self.assertEqual(self.target.read_bytes(), b"old")
        child.process.stdin.close()
        self.assert_done(child)
        self.assertEqual(self.target.read_bytes(), b"new")
        self.assertEqual(stat.S_IMODE(self.target.stat().st_mode), 0o640)
        self.assertEqual(self.names(), ["file"])

    def test_signal(self):
        self.target.write_bytes(b"old")
        child = self.copy("-", self.target, stdin=subprocess.PIPE)
        child.process.stdin.write(b"new")
        child.process.stdin.flush()
        eventually(lambda: len(self.names()) == 2, "a temporary file is there")
        self.interrupt(child, signal.SIGTERM)
        self.assertEqual(self.target.read_bytes(), b"old")
        self.assertEqual(self.names(), ["file"])

    def test_full_disk(self):
        self.target.write_bytes(b"old")
        child = self.copy(self.file(payload(MIB)), self.target, "--report", "json",
                          preexec_fn=may_not_grow)
        self.assert_failed(child, f"cannot write to {self.target}: File too large",
                           "0 bytes delivered")
        self.assertEqual(child.report()["sinks"][0]["bytes_delivered"], 0)
        self.assertEqual(self.target.read_bytes(), b"old")
        self.assertEqual(self.names(), ["file"])

    def test_failing_source(self):
        """What was not read to its end takes nobody's place."""
        self.target.write_bytes(b"old")
        listener, url = self.tcp_listener()
        child = self.copy(url, self.target)
        connection, _ = listener.accept()
        connection.sendall(b"new")
        eventually(lambda: len(self.names()) == 2, "a temporary file is there")
        # A reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
        self.assert_failed(child, "cannot read")
        self.assertEqual(self.target.read_bytes(), b"old")
        self.assertEqual(self.names(), ["file"])

    def test_directory_that_may_not_be_written_to(self):
        folder = self.tmp / "locked"
        folder.mkdir(mode=0o500)
        self.assert_failed(self.copy(self.file(b"x"), folder / "file", preexec_fn=without_override),
                           f"cannot write to {folder}/file: creating a temporary file in {folder}",
                           "Permission denied", "nothing was copied")

    def test_what_cannot_be_written(self):
        path = self.file(b"x")
        for sink, why in ((self.tmp, "Is a directory"), (self.tmp / "no" / "file", "No such file"),
                          (path / "below", "Not a directory")):
            with self.subTest(sink):
                self.assert_failed(self.copy("-", sink), f"cannot write to {sink}: .*{why}",
                                   "nothing was copied")
        self.assertEqual(path.read_bytes(), b"x")

    def test_device_and_fifo(self):
        self.assert_failed(self.copy(self.file(payload(MIB)), "/dev/full"),
                           "cannot write to /dev/full: No space left on device")
        self.assert_done(self.copy(self.file(b"x"), "/dev/null"))
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))
        fifo = self.fifo()
        child = self.copy(self.file(b"through"), fifo)
        with open(fifo, "rb") as reader:
            self.assertEqual(reader.read(), b"through")
        self.assert_done(child)

    def test_same_file(self):
        path = self.file(payload(MIB))
        self.assert_done(self.copy(path, path))
        self.assertEqual(path.read_bytes(), payload(MIB))

    def test_several_sinks_and_fsync(self):
        data = payload(MIB)
        child = self.copy(self.file(data), self.target, self.tmp / "to" / "other", "-", "--fsync",
                          stdout=subprocess.PIPE)
        self.assertEqual(child.process.stdout.read(), data)
        self.assert_done(child)
        self.assertEqual(self.target.read_bytes(), data)
        self.assertEqual(self.names(), ["file", "other"])


class InPlaceTest(CliTestCase):
    def test_two_names_of_one_file_are_two_sinks_only_where_it_is_replaced(self):
        target, other = self.file(b"old", "target"), self.tmp / "other"
        os.link(target, other)
        child = self.copy(self.file(b"new"), target, other, "--in-place")
        self.assertEqual(child.status(), 2)
        self.assertIn(f"'{other}': the same file can be a sink only once", child.err())
        self.assertEqual(target.read_bytes(), b"old")
        self.assert_done(self.copy(self.file(b"new"), target, other))
        self.assertEqual((target.read_bytes(), other.read_bytes()), (b"new", b"new"))

    def test_the_file_itself_is_written(self):
        target = self.file(b"something old", "target")
        inode = target.stat().st_ino
        child = self.copy(self.file(b"new"), target, "--in-place", "--fsync", "--report", "json")
        self.assert_done(child)
        self.assertEqual(target.read_bytes(), b"new")
        self.assertEqual(target.stat().st_ino, inode)
        sink = child.report()["sinks"][0]
        self.assertEqual((sink["low"], sink["high"]), (16 * KIB, 64 * KIB))
        self.assertEqual(sink["bytes_delivered"], 3)

    def test_full_disk(self):
        target = self.tmp / "target"
        child = self.copy(self.file(payload(MIB)), target, "--in-place", preexec_fn=may_not_grow)
        self.assert_failed(child, f"cannot write to {target}: File too large",
                           "100000 bytes delivered")
        self.assertEqual(target.read_bytes(), payload(MIB)[:100_000])

    def test_same_file(self):
        path = self.file(b"ouroboros")
        self.assert_failed(self.copy(path, path, "--in-place"), "it is the file that is read")
        self.assertEqual(path.read_bytes(), b"ouroboros")


if __name__ == "__main__":
    unittest.main()
