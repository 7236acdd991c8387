"""Every kind of source to every kind of sink, both ends compared."""
import fcntl
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import unittest

from support import CliTestCase, MIB, eventually, open_files, payload, program, read_all, sha256


class FilesAndPipesTest(CliTestCase):
    def test_file_to_file(self):
        data = payload(3 * MIB + 17)
        source = self.file(data)
        for name in (str(source), f"file://{source}"):
            with self.subTest(name), open(self.tmp / "out", "wb") as out:
                self.assert_done(self.copy(name, "-", stdout=out))
            self.assertEqual((self.tmp / "out").read_bytes(), data)

    def test_redirected_input_and_appended_output(self):
        data = payload(300_000)
        (self.tmp / "out").write_bytes(b"before")
        with open(self.file(data), "rb") as source, open(self.tmp / "out", "ab") as out:
            self.assert_done(self.copy("-", "-", stdin=source, stdout=out))
        self.assertEqual((self.tmp / "out").read_bytes(), b"before" + data)

    def test_input_begins_where_it_stands(self):
        with open(self.file(b"0123456789"), "rb", buffering=0) as source:
            source.read(4)
            child = self.copy("-", "-", "--report", "json", stdin=source, stdout=subprocess.PIPE)
            self.assertEqual(child.out(), b"456789")
        self.assert_done(child)
        self.assertEqual(child.report()["source_size"], 6)

    def test_pipe_to_pipe(self):
        data = payload(2 * MIB)
        child = self.copy("-", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        out, _ = child.process.communicate(data, timeout=40)
        self.assertEqual(sha256(out), sha256(data))
        self.assert_done(child)

    def test_nothing_at_all(self):
        self.assert_done(self.copy("-", "-"))
        child = self.copy(self.file(b""), "-", "--report", "json", stdout=subprocess.PIPE)
        self.assertEqual(child.out(), b"")
        self.assert_done(child)
        self.assertEqual(child.report()["bytes"], 0)

    def test_one_byte(self):
        child = self.copy(self.file(b"x"), "-", stdout=subprocess.PIPE)
        self.assertEqual(child.out(), b"x")
        self.assert_done(child)

    def test_file_of_proc_has_no_known_size(self):
        child = self.copy("/proc/self/status", "-", "--report", "json", stdout=subprocess.PIPE)
        self.assertIn(b"Name:\tsluice", child.out())
        self.assert_done(child)
        self.assertIsNone(child.report()["source_size"])

    def test_odd_file_names(self):
        for name in ("with space", "per%20cent", "a:b", "ümlaut", "-dash"):
            with self.subTest(name):
                self.file(b"data of " + name.encode(), name)
                child = self.copy(f"./{name}", "-", "--report", "json", cwd=self.tmp,
                                  stdout=subprocess.PIPE)
                self.assertEqual(child.out(), b"data of " + name.encode())
                self.assert_done(child)
                self.assertEqual(child.report()["source"], f"./{name}")
        self.file(b"bytes", os.fsdecode(b"\xff\xfe"))
        child = self.copy(b"./\xff\xfe".decode("utf-8", "surrogateescape"), "-", "--report", "json",
                          cwd=self.tmp, stdout=subprocess.PIPE)
        self.assertEqual(child.out(), b"bytes")
        self.assertEqual(child.report()["source"], "./\ufffd\ufffd")

    def test_null_device(self):
        child = self.copy("pipe:///dev/null", "pipe:///dev/null")
        self.assert_done(child)
        self.assert_done(self.copy(self.file(payload(MIB)), "pipe:///dev/null"))

    def test_terminal_as_output(self):
        master, slave = os.openpty()
        try:
            child = self.copy(self.file(b"to the screen\n"), "-", stdout=slave)
            self.assert_done(child)
            self.assertEqual(os.read(master, 100), b"to the screen\r\n")
            self.assertFalse(fcntl.fcntl(slave, fcntl.F_GETFL) & os.O_NONBLOCK)
        finally:
            os.close(master)
            os.close(slave)

    def test_control_characters_in_names_are_harmless(self):
        # A control character of UTF-8, and the same as a byte that is none.
        name = "line\nfeed \x1b[31mred \u009b " + os.fsdecode(b"\x9b")
        shown = r"line\nfeed \x1b[31mred \xc2\x9b \x9b"
        self.file(b"x", name)
        child = self.copy(f"./{name}", "./out" + name, cwd=self.tmp)
        self.assert_done(child)
        self.assertIn(f"source  ./{shown}: ", child.err())
        self.assertIn(f"sink    ./out{shown}: ", child.err())
        line = self.assert_failed(self.copy(f"./no{name}", "-", cwd=self.tmp), "No such file")
        self.assertIn(f"cannot read ./no{shown}: ", line)
        waiting = self.copy(f"unix-listen://{self.tmp}/sock{name}", "-")
        waiting.wait_for_text(re.escape(f"listening on unix://{self.tmp}/sock{shown}\n"))
        self.interrupt(waiting)

    def test_inherited_socket_as_input_and_output(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            child = self.copy("-", "-", stdin=theirs, stdout=subprocess.PIPE)
            theirs.close()
            ours.sendall(b"by socket")
            ours.close()
            self.assertEqual(child.out(), b"by socket")
        self.assert_done(child)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            child = self.copy(self.file(b"to socket"), "-", stdout=theirs)
            theirs.close()
            self.assertEqual(read_all(ours), b"to socket")
            self.assert_done(child)


class SharedDescriptionTest(CliTestCase):
    """The other programs of a pipeline, or of a terminal, meet no EAGAIN because of us: not while we
    run, nor when we are killed."""

    def assert_stays_blocking(self, child, shared):
        for _ in range(2):
            self.assertFalse(fcntl.fcntl(shared, fcntl.F_GETFL) & os.O_NONBLOCK)
            child.signal(signal.SIGKILL)
            child.process.wait()

    def check_input(self, shared, other_end):
        child = self.copy("-", "-", stdin=shared, stdout=subprocess.PIPE)
        os.write(other_end, b"a line\n")
        self.assertEqual(os.read(child.process.stdout.fileno(), 100), b"a line\n")
        self.assert_stays_blocking(child, shared)

    def check_output(self, shared, other_end):
        child = self.copy("-", "-", stdin=subprocess.PIPE, stdout=shared)
        child.process.stdin.write(b"a line\n")
        child.process.stdin.flush()
        self.assertEqual(os.read(other_end, 100).rstrip(), b"a line")
        self.assert_stays_blocking(child, shared)

    def opened(self, *descriptors):
        for descriptor in descriptors:
            self.addCleanup(os.close, descriptor)
        return descriptors

    def test_of_a_terminal(self):
        for check in (self.check_input, self.check_output):
            master, slave = self.opened(*os.openpty())
            check(slave, master)

    def test_of_a_pipe(self):
        read_end, write_end = self.opened(*os.pipe())
        self.check_input(read_end, write_end)
        self.check_output(write_end, read_end)

    def test_of_a_socket(self):
        for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
            with self.subTest(kind):
                ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
                with ours, theirs:
                    self.check_input(theirs.fileno(), ours.fileno())
                    self.check_output(theirs.fileno(), ours.fileno())

    def test_one_socket_as_input_and_output_takes_more_than_the_kernel_holds(self):
        data = payload(4 * MIB)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            child = self.copy("-", "-", stdin=theirs, stdout=theirs)
            theirs.close()
            sender = threading.Thread(
                target=lambda: (ours.sendall(data), ours.shutdown(socket.SHUT_WR)))
            sender.start()
            self.assertEqual(sha256(read_all(ours)), sha256(data))
            sender.join()
            self.assert_done(child)

    def test_a_fifo_whose_writers_have_gone_ends(self):
        for data in (b"all there was", b""):
            with self.subTest(data):
                fifo = self.fifo(f"fifo{len(data)}")
                reader, = self.opened(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))
                os.set_blocking(reader, True)
                fifo.write_bytes(data)
                child = self.copy("-", "-", stdin=reader, stdout=subprocess.PIPE)
                self.assertEqual(child.out(), data)
                self.assert_done(child)


class FifoTest(CliTestCase):
    def test_reader_and_writer_come_late(self):
        data = payload(MIB)
        first, second = self.fifo("first"), self.fifo("second")
        child = self.copy(f"pipe://{first}", f"pipe://{second}")
        # The program waits for both; its reading end of the first FIFO can be seen.
        eventually(lambda: str(first) in open_files(child.pid), "the FIFO to be opened")
        self.assertIsNone(child.process.poll())
        with open(self.tmp / "out", "wb") as out:
            reader = self.start("cat", second, stdout=out)
        self.assertIsNone(child.process.poll())
        with open(first, "wb") as writer:
            self.assertIsNone(child.process.poll())
            writer.write(data)
        self.assertEqual(reader.status(), 0)
        self.assertEqual(sha256((self.tmp / "out").read_bytes()), sha256(data))
        self.assert_done(child)

    def test_no_writer_yet_is_not_the_end(self):
        fifo = self.fifo()
        child = self.copy(f"pipe://{fifo}", "-", stdout=subprocess.PIPE)
        # A writer that waits for the reader, then says nothing for a while, then something.
        writer = os.open(fifo, os.O_WRONLY)
        os.write(writer, b"one ")
        self.assertEqual(os.read(child.process.stdout.fileno(), 100), b"one ")
        os.write(writer, b"two")
        os.close(writer)
        self.assertEqual(child.out(), b"two")
        self.assert_done(child)

    def test_writer_that_says_nothing(self):
        fifo = self.fifo()
        child = self.copy(f"pipe://{fifo}", "-")
        os.close(os.open(fifo, os.O_WRONLY))
        self.assert_done(child)

    def test_fifo_by_plain_path(self):
        fifo = self.fifo()
        child = self.copy(fifo, "-", stdout=subprocess.PIPE)
        with open(fifo, "wb") as writer:
            writer.write(b"plain")
        self.assertEqual(child.out(), b"plain")
        self.assert_done(child)

    def test_waiting_for_a_reader_can_be_interrupted(self):
        for number, status in ((2, 130), (15, 143)):
            with self.subTest(number):
                fifo = self.fifo(f"fifo{number}")
                listening = f"unix-listen://{self.tmp}/sock{number}"
                child = self.copy("-", f"pipe://{fifo}", listening)
                child.listening_url()
                child.signal(number)
                self.assert_failed(child, f"interrupted by SIG[A-Z]+ while waiting for a reader of pipe://{fifo}",
                                   "nothing was copied", status=status)


class SocketsTest(CliTestCase):
    def through(self, listen, **options):
        """Sends a file through two programs, one of which listens; both directions of listening."""
        data = payload(2 * MIB + 5)
        source = self.file(data)
        for listener_is_sink in (False, True):
            with self.subTest(listen=listen, listener_is_sink=listener_is_sink):
                if listener_is_sink:
                    sender = self.copy(source, listen, **options)
                    receiver = self.copy(sender.listening_url(), "-", stdout=subprocess.PIPE)
                else:
                    receiver = self.copy(listen, "-", stdout=subprocess.PIPE, **options)
                    sender = self.copy(source, receiver.listening_url())
                self.assertEqual(sha256(receiver.out()), sha256(data))
                self.assert_done(sender)
                self.assert_done(receiver)

    def test_tcp(self):
        self.through("tcp-listen://127.0.0.1:0")

    def test_tcp_by_name(self):
        self.through("tcp-listen://localhost:0")

    def test_ipv6(self):
        with socket.socket(socket.AF_INET6) as probe:
            try:
                probe.bind(("::1", 0))
            except OSError:
                return  # This machine has no IPv6.
        self.through("tcp-listen://[::1]:0")

    def test_unix(self):
        self.through(f"unix-listen://{self.tmp}/sock")

    def test_unix_relative_path(self):
        data = payload(1000)
        receiver = self.copy("unix-listen://sock", "-", stdout=subprocess.PIPE, cwd=self.tmp)
        receiver.listening_url()
        self.assert_done(self.copy(self.file(data), "unix://sock", cwd=self.tmp))
        self.assertEqual(receiver.out(), data)
        self.assert_done(receiver)

    def test_unix_longest_path(self):
        path = str(self.tmp) + "/" + "x" * (107 - len(str(self.tmp)) - 1)
        self.assertEqual(len(path), 107)
        self.through(f"unix-listen://{path}")

    def test_abstract(self):
        self.through(f"unix-listen://@sluice-test-{os.getpid()}")

    def test_only_the_first_connection_is_taken(self):
        path = self.tmp / "sock"
        child = self.copy(f"unix-listen://{path}", "-", stdout=subprocess.PIPE)
        first = self.client(child.listening_url())
        eventually(lambda: not path.exists(), "the listening socket to be closed")
        with self.assertRaises(OSError):
            self.client(f"unix://{path}")
        first.sendall(b"first")
        first.close()
        self.assertEqual(child.out(), b"first")
        self.assert_done(child)

    def test_stale_socket_file_is_replaced(self):
        path = self.tmp / "sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        child = self.copy(f"unix-listen://{path}", "-", stdout=subprocess.PIPE)
        client = self.client(child.listening_url())
        client.sendall(b"new")
        client.close()
        self.assertEqual(child.out(), b"new")
        self.assert_done(child)

    def test_all_interfaces(self):
        receiver = self.copy("tcp-listen://:0", "-", stdout=subprocess.PIPE)
        port = receiver.listening_url().rsplit(":", 1)[1]
        with socket.create_connection(("127.0.0.1", int(port)), 40) as client:
            client.sendall(b"any")
        self.assertEqual(receiver.out(), b"any")
        self.assert_done(receiver)

    def test_listening_at_both_ends(self):
        child = self.copy("tcp-listen://127.0.0.1:0", f"unix-listen://{self.tmp}/sock")
        child.wait_for_text(r"listening on unix:.*\n")
        child.wait_for_text(r"listening on tcp:.*\n")
        source = self.client(child.wait_for_text(r"listening on (tcp:\S+)\n").group(1))
        source.sendall(b"early ")
        sink = self.client(f"unix://{self.tmp}/sock")
        source.sendall(b"late")
        source.close()
        self.assertEqual(read_all(sink), b"early late")
        sink.close()
        self.assert_done(child)


class TeeTest(CliTestCase):
    def test_five_kinds_of_sink_at_once(self):
        data = payload(2 * MIB + 1)
        fifo = self.fifo()
        outs = [open(self.tmp / f"out{i}", "wb") for i in range(4)]
        for out in outs:
            self.addCleanup(out.close)
        listeners = [self.copy(url, "-", stdout=out) for url, out in zip(
            ("tcp-listen://127.0.0.1:0", f"unix-listen://{self.tmp}/sock"), outs)]
        urls = [listener.listening_url() for listener in listeners]
        reader = self.start("cat", fifo, stdout=outs[2])
        child = self.copy(self.file(data), *urls, f"pipe://{fifo}", "-", "pipe:///dev/null",
                          "--report", "json", stdout=outs[3])
        self.assert_done(child)
        for listener in listeners:
            self.assert_done(listener)
        self.assertEqual(reader.status(), 0)
        for i in range(4):
            self.assertEqual(sha256((self.tmp / f"out{i}").read_bytes()), sha256(data))
        report = child.report()
        self.assertEqual([sink["bytes_delivered"] for sink in report["sinks"]], [len(data)] * 5)
        self.assertEqual([sink["status"] for sink in report["sinks"]], ["closed"] * 5)


class ShellTest(CliTestCase):
    """As people use it: in a shell, between other programs."""

    def test_pipeline(self):
        source = self.file(payload(MIB))
        shell = shutil.which("sh")
        out = subprocess.run(
            [shell, "-c", f"cat '{source}' | '{program()}' copy - - --report none | cksum"],
            capture_output=True, timeout=40, check=True)
        expected = subprocess.run([shell, "-c", f"cat '{source}' | cksum"], capture_output=True,
                                  timeout=40, check=True)
        self.assertEqual(out.stdout, expected.stdout)
        self.assertEqual(out.stderr, b"")

    def test_shared_descriptions_are_blocking_again(self):
        read_end, write_end = os.pipe()
        in_read, in_write = os.pipe()
        os.write(in_write, b"data")
        os.close(in_write)
        try:
            self.assert_done(self.copy("-", "-", stdin=in_read, stdout=write_end))
            for fd in (write_end, in_read):
                self.assertFalse(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK)
                self.assertTrue(stat.S_ISFIFO(os.fstat(fd).st_mode))
        finally:
            for fd in (read_end, write_end, in_read):
                os.close(fd)


if __name__ == "__main__":
    unittest.main()
