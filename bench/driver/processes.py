"""Runs one server and the load against it, each on its own core. Nothing is left behind."""
import json
import os
import selectors
import subprocess
import tempfile
import time

LISTENS_WITHIN_S = 30
ENDS_WITHIN_S = 30
RESTS_WITHIN_S = 30
LOOKS_EVERY_S = 0.001
# The load gives up by itself when nothing moves; this is for a load that does not.
LOAD_ENDS_WITHIN_S = 600


class RunFailed(Exception):
    """A measurement that has no result. The text says what happened."""


class NotOffered(Exception):
    """The server does not have this workload."""


def siblings(core):
    """The logical cores that share the physical one."""
    try:
        with open(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list",
                  encoding="ascii") as file:
            text = file.read().strip()
    except OSError:
        return {core}
    found = set()
    for part in text.split(","):
        low, _, high = part.partition("-")
        found.update(range(int(low), int(high or low) + 1))
    return found


class Pinning:
    """Which cores the server and the load run on. With a single core they share it."""

    def __init__(self, cores=None):
        self.cores = sorted(os.sched_getaffinity(0) if cores is None else cores)
        # The first core has most of the interrupts, so it gets the load.
        self.load = {self.cores[0]}
        others = [core for core in self.cores if core not in siblings(self.cores[0])] or self.cores[1:]
        self.server = {others[0]} if others else self.load

    @property
    def shared(self):
        return self.server == self.load

    def describe(self):
        if self.shared:
            return f"server and load share core {self.cores[0]}"
        text = f"server on core {min(self.server)}, load on core {min(self.load)}"
        if self.server <= siblings(min(self.load)):
            text += ", two hardware threads of the same core"
        return text


def started(command, cores, **streams):
    """A process on these cores; throws RunFailed if it cannot be executed."""
    try:
        return subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, cores), **streams)
    except OSError as problem:
        raise RunFailed(f"{command[0]}: {problem.strerror}") from problem


class Child:
    """A process from its start to its end; `with` makes sure of the latter."""
    process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


class Server(Child):
    """A server process from its start to its end."""

    def __init__(self, command, cores, folder):
        self.command = command
        self.port = 0
        self.errors = tempfile.TemporaryFile(dir=folder)
        try:
            self.process = started(command, cores, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        except RunFailed:
            self.errors.close()
            raise

    def __exit__(self, *about):
        super().__exit__(*about)
        self.errors.close()

    def wait_until_it_listens(self):
        line = self.read_line(time.monotonic() + LISTENS_WITHIN_S)
        word, _, port = line.partition(" ")
        if word == "listening" and port.isdigit():
            self.port = int(port)
            return
        if line:
            raise RunFailed(f"the server said {line!r} instead of its port")
        status = self.end_of_process("the server neither listens nor ends")
        if status == 2:
            raise NotOffered(self.last_words() or "it does not have this workload")
        raise RunFailed(f"the server ended with status {status} before it listened: {self.last_words()}")

    def wait_until_it_rests(self):
        """Until it has done all that it was asked for and waits, which raises no event."""
        deadline = time.monotonic() + RESTS_WITHIN_S
        while not self.rests():
            if self.process.poll() is not None:
                raise RunFailed(f"the server ended with status {self.process.returncode}: {self.last_words()}")
            if time.monotonic() > deadline:
                raise RunFailed(f"the server did not come to rest within {RESTS_WITHIN_S} s")
            time.sleep(LOOKS_EVERY_S)

    def rests(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8", errors="replace") as file:
            # The name in parentheses, which may hold anything, stands before the state.
            return file.read().rpartition(")")[2].split()[0] == "S"

    def read_line(self, deadline):
        """What the server says until the end of a line or of its output."""
        data = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not data.endswith(b"\n"):
                if not selector.select(max(0, deadline - time.monotonic())):
                    raise RunFailed(f"the server did not listen within {LISTENS_WITHIN_S} s")
                piece = os.read(self.process.stdout.fileno(), 4096)
                if not piece:
                    break
                data += piece
        return data.decode(errors="replace").strip()

    def stop(self):
        """Lets the server end, which it does when its input does, and wants to see it succeed."""
        self.process.stdin.close()
        status = self.end_of_process("the server did not end with its input")
        if status != 0:
            raise RunFailed(f"the server ended with status {status}: {self.last_words()}")

    def end_of_process(self, what):
        try:
            return self.process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired as problem:
            raise RunFailed(f"{what}, {ENDS_WITHIN_S} s long") from problem

    def last_words(self):
        self.errors.seek(0)
        return " ".join(self.errors.read()[-400:].decode(errors="replace").split())


class Load(Child):
    """A load process from its start to its end; it has the given descriptors open."""

    def __init__(self, command, cores, descriptors=()):
        self.process = started(command, cores, pass_fds=descriptors, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)

    def poll(self):
        return self.process.poll()

    def report(self):
        """What it reports at its end; throws RunFailed with the words of a load that failed."""
        try:
            output, errors = self.process.communicate(timeout=LOAD_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired as problem:
            raise RunFailed(f"the load did not end within {LOAD_ENDS_WITHIN_S} s") from problem
        if self.process.returncode != 0:
            words = " ".join(errors.decode(errors="replace").split())
            raise RunFailed(f"the load ended with status {self.process.returncode}: {words}")
        return report_of(output)


def report_of(output):
    try:
        report = json.loads(output)
    except ValueError as problem:
        raise RunFailed(f"the load's report is no JSON: {problem}") from problem
    if not isinstance(report, dict):
        raise RunFailed("the load's report is no object")
    return report
