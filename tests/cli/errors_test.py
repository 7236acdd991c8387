"""What the system refuses: exit status 1 and one line that says what was attempted on what."""
import ctypes
import os
import resource
import signal
import socket
import subprocess
import unittest

from support import CliTestCase, payload

PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


def without_override():
    """In the child: the superuser is bound by file permissions like everybody else."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "prctl")


def at_most_files(count):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
    return limit


class OpeningTest(CliTestCase):
    def test_missing_file(self):
        path = self.tmp / "missing"
        for source in (path, f"file://{path}", f"pipe://{path}"):
            with self.subTest(source):
                self.assert_failed(self.copy(source, "-"), f"cannot read {source}: No such file")

    def test_directory(self):
        self.assert_failed(self.copy(self.tmp, "-"), f"cannot read {self.tmp}: it is a directory")
        self.assert_failed(self.copy("-", f"pipe://{self.tmp}"),
                           f"cannot write to pipe://{self.tmp}: it is a directory")
        folder = os.open(self.tmp, os.O_RDONLY)
        try:
            self.assert_failed(self.copy("-", "-", stdin=folder),
                               "cannot read standard input: it is a directory")
        finally:
            os.close(folder)

    def test_wrong_kinds_of_file(self):
        path = self.file(b"text")
        self.assert_failed(self.copy(f"pipe://{path}", "-"), "it is a file, not a FIFO")
        self.assert_failed(self.copy("-", f"pipe://{path}"), "it is a file, not a FIFO",
                           "give its path without pipe://")
        self.assertEqual(path.read_bytes(), b"text")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.tmp / "sock"))
            self.assert_failed(self.copy(self.tmp / "sock", "-"), "it is a socket", "unix://")
            self.assert_failed(self.copy("-", f"pipe://{self.tmp}/sock"), "it is a socket")
        (self.tmp / "sock").unlink()

    def test_missing_sink(self):
        self.assert_failed(self.copy("-", f"pipe://{self.tmp}/none"), "No such file or directory",
                           "nothing was copied")
        self.assert_failed(self.copy("-", f"unix://{self.tmp}/none"),
                           f"cannot connect to unix://{self.tmp}/none: .*No such file")

    def test_permission_denied(self):
        path = self.file(b"secret")
        path.chmod(0)
        self.assert_failed(self.copy(path, "-", preexec_fn=without_override),
                           f"cannot read {path}: Permission denied", "nothing was copied")
        fifo = self.fifo()
        fifo.chmod(0)
        self.assert_failed(self.copy("-", f"pipe://{fifo}", preexec_fn=without_override),
                           f"cannot write to pipe://{fifo}: Permission denied")
        folder = self.tmp / "folder"
        folder.mkdir(mode=0o500)
        self.assert_failed(self.copy(f"unix-listen://{folder}/sock", "-",
                                     preexec_fn=without_override),
                           f"cannot listen on unix-listen://{folder}/sock: .*Permission denied")

    def test_same_file(self):
        path = self.file(b"ouroboros")
        with open(path, "ab") as out:
            self.assert_failed(self.copy(path, "-", stdout=out), "it is the file that is read")
        self.assertEqual(path.read_bytes(), b"ouroboros")

    def test_socket_path_of_another_file(self):
        path = self.file(b"precious")
        self.assert_failed(self.copy(f"unix-listen://{path}", "-"), "cannot listen on")
        self.assertEqual(path.read_bytes(), b"precious")


class NetworkTest(CliTestCase):
    def free_port(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def test_refused(self):
        # Bound and not listening: nobody else can get the port, and nobody answers.
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            url = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
            line = self.assert_failed(self.copy("-", url), f"cannot connect to {url}: ",
                                      "Connection refused", "nothing was copied")
            self.assertIn(url[len("tcp://"):], line)
            self.assert_failed(self.copy(url, "-"), f"cannot connect to {url}: ", "refused")

    def test_refused_by_unix_socket(self):
        path = self.tmp / "dead"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        self.assert_failed(self.copy("-", f"unix://{path}"), "Connection refused", str(path))
        path.unlink()

    def test_one_sink_of_several_is_refused(self):
        _, good = self.tcp_listener()
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            bad = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
            listening = f"unix-listen://{self.tmp}/sock"
            self.assert_failed(self.copy("-", good, bad, listening), f"cannot connect to {bad}",
                               "nothing was copied")

    def test_name_that_does_not_resolve(self):
        url = "tcp://no..such..host:4000"
        self.assert_failed(self.copy("-", url), f"cannot connect to {url}: ",
                           "[Nn]ame|[Rr]esolution|[Aa]ddress")
        self.assert_failed(self.copy("tcp-listen://no..such..host:0", "-"), "cannot listen on")

    def test_address_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"tcp-listen://127.0.0.1:{server.getsockname()[1]}"
            self.assert_failed(self.copy(url, "-"), f"cannot listen on {url}: ",
                               "in use")
            child = self.sluice("serve", "echo", "--listen", url)
            self.assert_failed(child, f"cannot listen on {url}: ", "in use")


class NothingTwiceTest(CliTestCase):
    """What the name of the endpoint says is not said again behind it."""

    def lines(self, listening, connecting=None):
        """The lines of serve, of copy that listens, and of copy that connects if it is to."""
        behind = "; nothing was copied"
        served = self.assert_failed(self.sluice("serve", "echo", "--listen", listening))
        copied = self.assert_failed(self.copy(listening.replace("://", "-listen://"), "-"))
        self.assertEqual(copied, served.replace("://", "-listen://") + behind)
        if connecting is None:
            return served
        connected = self.assert_failed(self.copy("-", connecting))
        self.assertTrue(connected.endswith(behind), connected)
        return served, connected.removesuffix(behind)

    def test_an_address_of_tcp(self):
        for host, family in (("127.0.0.1", socket.AF_INET), ("[::1]", socket.AF_INET6)):
            with self.subTest(host), socket.socket(family) as silent:
                silent.bind((host.strip("[]"), 0))
                url = f"tcp://{host}:{silent.getsockname()[1]}"
                self.assertEqual(self.lines(url, url),
                                 (f"sluice: cannot listen on {url}: Address already in use",
                                  f"sluice: cannot connect to {url}: Connection refused"))

    def test_which_of_several_addresses_it_was_is_said(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            port = silent.getsockname()[1]
            every, local = f"tcp://:{port}", f"tcp://localhost:{port}"
            self.assertEqual(self.lines(every), f"sluice: cannot listen on {every}: 0.0.0.0:{port}: "
                             "Address already in use")
            line = self.assert_failed(self.copy("-", local), f"cannot connect to {local}: ",
                                      f" 127.0.0.1:{port}: Connection refused; nothing")
            self.assertNotIn("connect to", line.removeprefix("sluice: cannot connect to "))

    def test_an_address_that_is_not_ours(self):
        # RFC 5737: nobody has it.
        url = "tcp://192.0.2.1:4000"
        self.assertEqual(self.lines(url),
                         f"sluice: cannot listen on {url}: Cannot assign requested address")

    def test_a_path(self):
        url = f"unix://{self.tmp}/none/sock"
        self.assertEqual(self.lines(url, url),
                         (f"sluice: cannot listen on {url}: No such file or directory",
                          f"sluice: cannot connect to {url}: No such file or directory"))
        url = f"unix://{self.file(b'precious')}"
        self.assertEqual(self.lines(url), f"sluice: cannot listen on {url}: already in use by a file "
                         "that is not a socket")

    def test_an_abstract_name(self):
        name = f"sluice-test-{id(self)}"
        url = f"unix://@{name}"
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind("\0" + name)
            self.assertEqual(self.lines(url, url),
                             (f"sluice: cannot listen on {url}: Address already in use",
                              f"sluice: cannot connect to {url}: Connection refused"))

    def test_a_name_that_does_not_resolve(self):
        line = self.assert_failed(self.copy("-", "tcp://no..such..host:4000"))
        self.assertEqual(line.count("no..such..host"), 1, line)


class LiveSocketTest(CliTestCase):
    def test_a_live_server_is_not_pushed_away(self):
        path = self.tmp / "sock"
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with self.subTest(kind), socket.socket(socket.AF_UNIX, kind) as server:
                server.bind(str(path))
                if kind == socket.SOCK_STREAM:
                    server.listen()
                inode = path.stat().st_ino
                listening = f"unix-listen://{path}"
                self.assert_failed(self.copy(listening, "-"), f"cannot listen on {listening}: "
                                   "address in use: somebody listens on it", "nothing was copied")
                serving = f"unix://{path}"
                self.assert_failed(self.sluice("serve", "echo", "--listen", serving),
                                   f"cannot listen on {serving}: address in use: somebody listens")
                self.assertEqual(path.stat().st_ino, inode)
                path.unlink()

    def test_a_full_queue_is_a_live_server(self):
        path = self.tmp / "sock"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen(0)
            with socket.socket(socket.AF_UNIX) as waiting:
                waiting.connect(str(path))
                self.assert_failed(self.copy(f"unix-listen://{path}", "-"), "somebody listens")
        path.unlink()

    def test_a_stale_socket_is_replaced(self):
        path = self.tmp / "sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        child = self.sluice("serve", "echo", "--listen", f"unix://{path}", stdout=subprocess.PIPE)
        self.assertEqual(child.process.stdout.readline().decode(), f"listening on unix://{path}\n")
        child.signal(15)
        self.assertEqual(child.status(), 0, child.err())


class StandardStreamsTest(CliTestCase):
    def test_closed_output(self):
        path = self.file(b"text")
        child = self.copy(path, "-", preexec_fn=lambda: os.close(1))
        self.assert_failed(child, "cannot write to standard output: it is closed")

    def test_closed_input(self):
        child = self.copy("-", "-", preexec_fn=lambda: os.close(0))
        self.assert_failed(child, "cannot read standard input: it is closed")

    def test_closed_error_hurts_nobody(self):
        path = self.file(payload(100_000))
        out = self.tmp / "out"
        with open(out, "wb") as file:
            child = self.copy(path, "-", stdout=file, preexec_fn=lambda: os.close(2))
            self.assertEqual(child.status(), 0)
        self.assertEqual(out.read_bytes(), path.read_bytes())

    def test_all_closed(self):
        path = self.file(b"text")
        child = self.copy(path, "-", preexec_fn=lambda: os.closerange(0, 3))
        self.assertEqual(child.status(), 1)
        self.assertEqual(path.read_bytes(), b"text")

    def test_serve_cannot_say_where(self):
        child = self.sluice("serve", "echo", "--listen", "tcp://127.0.0.1:0",
                            preexec_fn=lambda: os.close(1))
        self.assert_failed(child, "cannot write to standard output: it is closed")
        with open("/dev/full", "wb") as full:
            child = self.sluice("serve", "echo", "--listen", f"unix://{self.tmp}/s", stdout=full)
            self.assert_failed(child, "cannot write to standard output: No space left")

    def test_a_report_that_was_asked_for_and_cannot_be_written(self):
        for options, status in ((["--report", "json"], 1), (["--report", "text"], 0), ([], 0)):
            with self.subTest(options), open("/dev/full", "wb") as full:
                child = self.copy(self.file(b"text"), "-", *options, stdout=subprocess.DEVNULL, stderr=full)
                self.assertEqual(child.status(), status)

    def test_a_report_that_cannot_be_written_is_told_of_where_that_can_be(self):
        # A socket of messages takes the short line of error, but not a report above its buffer.
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with ours, theirs:
            ours.setblocking(False)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            child = self.copy(self.file(b"text"), *["/dev/null"] * 100, "--report", "json",
                              stderr=theirs)
            self.assertEqual(child.status(), 1)
            self.assertEqual(ours.recv(65536).decode(), "sluice: cannot write the report to "
                             "standard error: Message too long\n")

    def test_a_report_that_cannot_be_written_leaves_the_status_of_a_signal(self):
        fifo = self.fifo()
        with open("/dev/full", "wb") as full:
            child = self.copy("-", fifo, "--report", "json", stdin=subprocess.PIPE, stderr=full)
            with open(fifo, "rb") as reader:
                child.process.stdin.write(b"x")
                child.process.stdin.flush()
                self.assertEqual(reader.read(1), b"x")
                child.signal(signal.SIGINT)
                self.assertEqual(child.status(), 130)

    def test_serve_tells_that_the_report_cannot_be_written(self):
        child = self.sluice("serve", "echo", "--listen", f"unix://{self.tmp}/s", "--report", "json",
                            stdout=subprocess.PIPE)
        child.process.stdout.readline()
        child.process.stdout.close()
        child.signal(signal.SIGTERM)
        self.assert_failed(child, "^sluice: cannot write the report to standard output: Broken pipe$")

    def test_wrong_direction(self):
        path = self.file(b"text")
        with open(path, "rb") as source:
            self.assert_failed(self.copy(path, "-", stdout=source), "not open for writing")
        with open(self.tmp / "other", "wb") as sink:
            self.assert_failed(self.copy("-", "-", stdin=sink), "not open for reading")


class TooManyFilesTest(CliTestCase):
    def test_copy_at_every_limit(self):
        """Below four there is not even a descriptor to load the program's libraries with."""
        path = self.file(payload(10_000))
        statuses = []
        for limit in range(4, 12):
            with self.subTest(limit=limit):
                # Its connection is accepted by the kernel; nobody has to take it.
                _, url = self.tcp_listener()
                with open(path, "rb") as source:
                    child = self.copy("-", url, "pipe:///dev/null", "--report", "none",
                                      stdin=source, preexec_fn=at_most_files(limit))
                    statuses.append(child.status())
                if child.status() != 0:
                    self.assert_failed(child, "Too many open files")
        self.assertIn(0, statuses)
        self.assertIn(1, statuses)

    def test_serve_goes_on(self):
        child = self.sluice("serve", "echo", "--listen", "tcp://127.0.0.1:0",
                            stdout=subprocess.PIPE, preexec_fn=at_most_files(16))
        url = child.process.stdout.readline().decode().split()[-1]
        clients = [self.client(url) for _ in range(24)]
        for client in clients:
            client.sendall(b"hello")
        # Those at the end of the queue are served when those before them have gone.
        for client in clients:
            self.assertEqual(client.recv(5), b"hello")
            client.close()
        child.signal(15)
        self.assertEqual(child.status(), 0, child.err())
        self.assertIn("clients wait: ", child.err())
        self.assertIn("Too many open files", child.err())
        self.assertNotIn("internal error", child.err())


if __name__ == "__main__":
    unittest.main()
