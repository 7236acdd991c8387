"""What the tests of the command line program share. Standard library only.

SLUICE_PROGRAM names the program. Every wait is for something that can be observed, with a deadline
after which the test fails and says what it waited for. What another process writes to a file or does
to a socket of its own raises no event here, so eventually() looks again and again; no other
function sleeps (tests/house/check_house.py).
"""
import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
import unittest

DEADLINE_S = 40
MIB = 1024 * 1024


def program():
    return os.environ["SLUICE_PROGRAM"]


def payload(size, seed=1):
    return random.Random(seed).randbytes(size)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def eventually(condition, what):
    """The first true value of condition(); fails when it does not come in time."""
    end = time.monotonic() + DEADLINE_S
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {DEADLINE_S} s in vain for {what}")
        time.sleep(0.005)


def open_files(pid):
    """What the descriptors of a process are, but for those that it closes meanwhile."""
    found = set()
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(link))
    return found


class Child:
    """A process whose standard error goes to a file that can be looked at while it runs."""

    def __init__(self, arguments, err_path, **options):
        self.arguments = [str(argument) for argument in arguments]
        self.err_path = err_path
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.DEVNULL)
        if "stderr" in options:
            self.process = subprocess.Popen(self.arguments, **options)
        else:
            with open(err_path, "wb") as err:
                self.process = subprocess.Popen(self.arguments, stderr=err, **options)

    @property
    def pid(self):
        return self.process.pid

    def err(self):
        return self.err_path.read_bytes().decode(errors="replace")

    def out(self):
        """All of its standard output, which is a pipe; waits for its end."""
        data, _ = self.process.communicate(timeout=DEADLINE_S)
        return data

    def status(self):
        """The exit status; waits for the end."""
        try:
            return self.process.wait(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired as late:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.arguments} did not end; it said: {self.err()}") from late

    def signal(self, number):
        self.process.send_signal(number)

    def wait_for_text(self, pattern):
        """The first match of the pattern in its standard error."""
        def look():
            match = re.search(pattern, self.err())
            if not match and self.process.poll() is not None:
                raise AssertionError(f"{self.arguments} ended without {pattern!r}: {self.err()}")
            return match
        return eventually(look, f"{pattern!r} from {self.arguments}; it said: {self.err()}")

    def sleeps(self):
        """Whether its main thread waits for something."""
        stat_line = pathlib.Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii")
        return stat_line.rpartition(")")[2].split()[0] == "S"

    def listening_url(self):
        return self.wait_for_text(r"listening on (\S+)\n").group(1)

    def wait_until_paused(self):
        """Until its progress line (--progress always) tells of a pause."""
        self.wait_for_text(r"pauses [1-9]")

    def report(self):
        """The object that --report json has written to standard error."""
        lines = [line for line in self.err().splitlines() if line.startswith("{")]
        if len(lines) != 1:
            raise AssertionError(f"expected one JSON report: {self.err()}")
        return json.loads(lines[0])

    def error_lines(self):
        return [line for line in self.err().splitlines() if line.startswith("sluice: ")]


class PeerServer:
    """A listening socket of this process, and a thread that handles its first connection."""

    def __init__(self, listener, handle):
        self.listener = listener
        self.connection = None
        self.result = None
        self.failure = None
        self.thread = threading.Thread(target=self.run, args=(handle,), daemon=True)
        self.thread.start()

    def run(self, handle):
        try:
            self.connection, _ = self.listener.accept()
            self.result = handle(self.connection)
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def join(self):
        self.thread.join(DEADLINE_S)
        if self.thread.is_alive():
            raise AssertionError("the peer of the test did not end")
        if self.failure:
            raise self.failure
        return self.result

    def close(self):
        self.listener.close()
        if self.connection:
            self.connection.close()


def read_all(connection):
    chunks = []
    while chunk := connection.recv(1 << 18):
        chunks.append(chunk)
    return b"".join(chunks)


class CliTestCase(unittest.TestCase):
    """A temporary folder, and the certainty that nothing is left behind."""

    maxDiff = None

    def setUp(self):
        # Short, because a Unix socket's path must fit into 107 bytes.
        folder = tempfile.TemporaryDirectory(prefix="sl-", dir="/tmp")
        self.addCleanup(folder.cleanup)
        self.tmp = pathlib.Path(folder.name)
        self.children = []
        self.addCleanup(self.check_nothing_is_left)

    def check_nothing_is_left(self):
        alive = [child for child in self.children if child.process.poll() is None]
        for child in alive:
            child.process.kill()
        for child in self.children:
            child.process.wait()
            for stream in (child.process.stdin, child.process.stdout, child.process.stderr):
                if stream:
                    with contextlib.suppress(OSError):
                        stream.close()
        self.assertEqual([child.arguments for child in alive], [], "still running at the end")
        sockets = [path for path in self.tmp.iterdir() if stat.S_ISSOCK(path.lstat().st_mode)]
        self.assertEqual(sockets, [], "socket files left behind")

    def start(self, *arguments, **options):
        """Starts any program."""
        err_path = self.tmp / f"{len(self.children)}.err"
        child = Child(arguments, err_path, **options)
        self.children.append(child)
        return child

    def sluice(self, *arguments, **options):
        return self.start(program(), *arguments, **options)

    def copy(self, *arguments, **options):
        return self.sluice("copy", *arguments, **options)

    def file(self, data, name="source"):
        path = self.tmp / name
        path.write_bytes(data)
        return path

    def fifo(self, name="fifo"):
        path = self.tmp / name
        os.mkfifo(path)
        return path

    def tcp_listener(self, receive_buffer=None):
        listener = socket.socket()
        self.addCleanup(listener.close)
        if receive_buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        return listener, f"tcp://127.0.0.1:{listener.getsockname()[1]}"

    def peer(self, handle, **options):
        """A TCP server of this process; returns it and its URL."""
        listener, url = self.tcp_listener(**options)
        server = PeerServer(listener, handle)
        self.addCleanup(server.close)
        return server, url

    def client(self, url):
        """A socket connected to tcp://HOST:PORT or unix://PATH."""
        if url.startswith("tcp://"):
            host, port = url[len("tcp://"):].rsplit(":", 1)
            connection = socket.create_connection((host.strip("[]"), int(port)), DEADLINE_S)
        else:
            path = url[len("unix://"):]
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(DEADLINE_S)
            connection.connect("\0" + path[1:] if path.startswith("@") else path)
        self.addCleanup(connection.close)
        return connection

    def assert_done(self, child):
        self.assertEqual(child.status(), 0, child.err())
        self.assertEqual(child.error_lines(), [])

    def assert_failed(self, child, *texts, status=1):
        """It ends with this status and one line of error, in which all texts stand."""
        self.assertEqual(child.status(), status, child.err())
        lines = child.error_lines()
        self.assertEqual(len(lines), 1, child.err())
        for text in texts:
            self.assertRegex(lines[0], text)
        self.assertNotRegex(lines[0], r"errno|\bE[A-Z]{3,}\b|[Ee]rror \d|std::|terminate")
        return lines[0]

    def interrupt(self, child, number=signal.SIGINT):
        child.signal(number)
        self.assertEqual(child.status(), 128 + number, child.err())
