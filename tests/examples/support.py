"""What the tests of the examples share: programs that cannot outlive their test, and waits with a deadline."""
import fcntl
import os
import pathlib
import select
import socket
import subprocess
import sys
import tempfile
import time
import unittest

# Far beyond what anything here takes; a test that needs it has failed.
PATIENCE = 60.0

PROGRAMS = pathlib.Path(sys.argv.pop(1)) if len(sys.argv) > 1 else None


def main():
    """Runs the tests of the calling script, whose first argument is the folder of the programs."""
    if PROGRAMS is None or not PROGRAMS.is_dir():
        sys.exit(f"usage: {sys.argv[0]} FOLDER-OF-PROGRAMS [UNITTEST-ARGUMENT...]")
    unittest.main()


def wait_until(condition, what):
    """The first true value of `condition()`."""
    deadline = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {PATIENCE} s")
        time.sleep(0.01)


def read_some(file, count=65536, what="something to read"):
    """Up to `count` bytes from an unbuffered file; nothing at the end of the stream."""
    if not select.select([file], [], [], PATIENCE)[0]:
        raise AssertionError(f"{what}: not within {PATIENCE} s")
    return os.read(file.fileno(), count)


def read_line(file, what="a line"):
    line = b""
    while not line.endswith(b"\n"):
        byte = read_some(file, 1, what)
        if not byte:
            raise AssertionError(f"the output ended after {line!r}")
        line += byte
    return line.decode().rstrip("\n")


def said(file):
    """What waits in a pipe to be read, for messages: it is read only once."""
    pieces = []
    while select.select([file], [], [], 0)[0] and (piece := os.read(file.fileno(), 65536)):
        pieces.append(piece)
    return b"".join(pieces).decode(errors="replace")


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connection.settimeout(PATIENCE)
    return connection


def receive_all(connection):
    """Everything up to the end of the stream."""
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def make_certificate(folder):
    """A certificate for localhost and 127.0.0.1 in `folder`, and its key; it is its own issuer."""
    certificate, key = f"{folder}/certificate.pem", f"{folder}/key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"], check=True, capture_output=True)
    return certificate, key


class ExampleTest(unittest.TestCase):
    def temporary_folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return pathlib.Path(folder.name)

    def start(self, name, *arguments, **options):
        """Starts a program of the build; it is killed when the test ends first."""
        process = subprocess.Popen([PROGRAMS / name, *arguments], **options)

        def end():
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()

        self.addCleanup(end)
        return process

    def start_server(self, name, *arguments, **options):
        """Starts a server, by default on any free port, and gives it and the port that it has chosen."""
        server = self.start(name, *(arguments or ["0"]), stdout=subprocess.PIPE, **options)
        line = read_line(server.stdout)
        self.assertRegex(line, r"^serving on 127\.0\.0\.1:\d+$")
        return server, int(line.rpartition(":")[2])

    def pipe(self):
        """The two ends of a pipe, unbuffered, as small as it can be, so that the writer soon has to wait."""
        reading, writing = (open(fd, mode, buffering=0) for fd, mode in zip(os.pipe(), ("rb", "wb")))
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        self.addCleanup(reading.close)
        self.addCleanup(writing.close)
        return reading, writing

    def finish(self, process, status=0):
        """Waits for the end of the program, checks its status, returns its standard error as text."""
        error = process.communicate(timeout=PATIENCE)[1]
        text = error.decode() if error else ""
        self.assertEqual(process.returncode, status, text)
        return text
