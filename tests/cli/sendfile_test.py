"""Regular files that go to one plain sink: by sendfile(2), with everything else as ever."""
import os
import re
import signal
import subprocess
import unittest

from support import CliTestCase, MIB, eventually, payload, read_all, sha256


class SendfileTest(CliTestCase):
    def test_how_it_was_sent_is_told(self):
        data = payload(3 * MIB + 7)
        source = self.file(data)
        for options, how in (([], "sendfile"), (["--rate", "1G"], "write"),
                             (["--high", "64K"], "write"), (["--low", "1K"], "write")):
            with self.subTest(options):
                peer, url = self.peer(read_all)
                child = self.copy(source, url, "--report", "json", *options)
                self.assert_done(child)
                self.assertEqual(sha256(peer.join()), sha256(data))
                report = child.report()
                self.assertEqual(report["sent_by"], how)
                self.assertEqual((report["bytes"], report["source_size"]), (len(data), len(data)))
                self.assertEqual(report["sinks"][0]["bytes_delivered"], len(data))
                self.assertEqual(report["reads"] == 0, how == "sendfile")

    def test_read_where_it_has_to_pass_through_a_buffer(self):
        data = payload(3 * MIB + 7)
        source = self.file(data)
        for sinks in (["exec:cat"], [self.tmp / "file"], ["-", self.tmp / "file"]):
            with self.subTest(sinks), open(self.tmp / "out", "wb") as out:
                child = self.copy(source, *sinks, "--report", "json", stdout=out)
                self.assert_done(child)
                self.assertEqual(child.report()["sent_by"], "write")
                self.assertEqual(child.report()["bytes"], len(data))
        for name in ("out", "file"):
            self.assertEqual(sha256((self.tmp / name).read_bytes()), sha256(data))

    def test_in_words(self):
        peer, url = self.peer(read_all)
        child = self.copy(self.file(b"few"), url)
        self.assert_done(child)
        peer.join()
        self.assertRegex(child.err(), "source  .*: sent by sendfile,")

    def test_unix_sockets_and_pipes(self):
        data = payload(3 * MIB + 7)
        source = self.file(data)
        received = self.tmp / "received"
        with open(received, "wb") as out:
            receiver = self.copy(f"unix-listen://{self.tmp}/sock", "-", stdout=out)
        receiver.listening_url()
        sender = self.copy(source, f"unix://{self.tmp}/sock", "--report", "json")
        self.assert_done(sender)
        self.assert_done(receiver)
        self.assertEqual(sha256(received.read_bytes()), sha256(data))
        self.assertEqual(sender.report()["sent_by"], "sendfile")
        child = self.copy(source, "-", "--report", "json", stdout=subprocess.PIPE)
        self.assertEqual(sha256(child.out()), sha256(data))
        self.assert_done(child)
        self.assertEqual(child.report()["sent_by"], "sendfile")

    def test_two_sinks_share_what_is_read(self):
        peer, url = self.peer(read_all)
        child = self.copy(self.file(b"data"), url, "pipe:///dev/null", "--report", "json")
        self.assert_done(child)
        self.assertEqual(peer.join(), b"data")
        self.assertEqual(child.report()["sent_by"], "write")

    def test_a_device_gets_what_passes_through_memory_and_the_report_says_so(self):
        child = self.copy(self.file(payload(MIB)), "/dev/null", "--report", "json")
        self.assert_done(child)
        self.assertEqual(child.report()["sent_by"], "write")

    def test_file_whose_size_is_not_known(self):
        peer, url = self.peer(read_all)
        child = self.copy("/proc/self/status", url, "--report", "json")
        self.assert_done(child)
        self.assertTrue(peer.join().startswith(b"Name:"))
        self.assertEqual(child.report()["sent_by"], "write")

    def test_standard_input_begins_where_it_stands_and_is_left_at_the_end(self):
        path = self.file(b"skipped, copied")
        with open(path, "rb") as source:
            os.lseek(source.fileno(), 9, os.SEEK_SET)
            child = self.copy("-", "-", "--report", "json", stdin=source, stdout=subprocess.PIPE)
            self.assertEqual(child.out(), b"copied")
            self.assertEqual(os.lseek(source.fileno(), 0, os.SEEK_CUR), 15)
        self.assertEqual(child.report()["sent_by"], "sendfile")

    def test_progress_lives(self):
        fifo = self.fifo()
        child = self.copy(self.file(payload(3 * MIB)), f"pipe://{fifo}", "--progress", "always")
        with open(fifo, "rb") as reader:
            self.assertEqual(len(reader.read(MIB)), MIB)
            child.wait_for_text(r"\b1\.[01] MiB  3[3-9]%")
            reader.read()
        self.assert_done(child)
        self.assertRegex(child.err(), r"3\.0 MiB 100%")

    def test_signal_in_the_middle(self):
        fifo = self.fifo()
        child = self.copy(self.file(payload(3 * MIB)), f"pipe://{fifo}")
        with open(fifo, "rb") as reader:
            reader.read(1)
            self.interrupt(child, signal.SIGTERM)

    def test_reader_that_goes_away(self):
        fifo = self.fifo()
        child = self.copy(self.file(payload(3 * MIB)), f"pipe://{fifo}", "--report", "json")
        with open(fifo, "rb") as reader:
            reader.read(100_000)
        line = self.assert_failed(child, f"cannot write to pipe://{fifo}: ", "not delivered")
        delivered = int(re.search(r"(\d+) bytes delivered", line).group(1))
        self.assertGreaterEqual(delivered, 100_000)
        self.assertEqual(child.report()["sinks"][0]["bytes_delivered"], delivered)

    def test_file_that_grows(self):
        path = self.file(payload(MIB))
        fifo = self.fifo()
        child = self.copy(path, f"pipe://{fifo}")
        with open(fifo, "rb") as reader:
            received = reader.read(10)
            with open(path, "ab") as more:
                more.write(b"the end")
            received += reader.read()
        self.assert_done(child)
        self.assertEqual(sha256(received), sha256(path.read_bytes()))


if __name__ == "__main__":
    unittest.main()
