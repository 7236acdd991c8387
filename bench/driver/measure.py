"""Measures a workload: contenders in turn, round by round, each run with a fresh server."""
import contextlib
import io
import os
import pathlib
import tempfile

from . import contenders as everyone
from . import figures, machine, needs
from .processes import NotOffered, Pinning, RunFailed, Server, run_load

# The report of every run has these, and none of them is zero.
POSITIVE = ("messages", "bytes", "window_ns", "server_cpu_ns", "cpu_ns_per_message", "cpu_ns_per_byte",
            "rss_peak_kib", "rss_kib")


def check_report(report, workload):
    """Throws RunFailed if the report lacks a figure that it must have."""
    for path in POSITIVE:
        value = figures.look_up(report, path)
        if value is None or not value > 0:
            raise RunFailed(f"the load reports no positive {path}, but {value}")
    for figure in workload.figures:
        value = figure.of(report)
        if value is None or not (value > 0 or figure.difference):
            raise RunFailed(f"the load reports no positive {figure.title}, but {value}")
    digest = report.get("sha256")
    if not isinstance(digest, str) or len(digest) != 64:
        raise RunFailed(f"the load reports no SHA-256, but {digest!r}")


def takes_part(number, of_all, of_contender):
    """Whether a contender with fewer rounds is in this one: its rounds are spread over all."""
    of_contender = min(of_contender, of_all)
    return (number + 1) * of_contender // of_all > number * of_contender // of_all


class Measurement:
    """One workload, measured into a dictionary that is its result."""

    def __init__(self, workload, selection, folder, work, settings, progress):
        self.workload = workload
        self.folder = folder
        self.work = pathlib.Path(work)
        self.settings = settings
        self.progress = progress
        self.pinning = Pinning()
        self.failures = []
        self.absent = {}
        self.names = [name for name in workload.contenders if name in selection]
        self.cases = workload.tiny if settings.tiny else workload.cases

    def run(self):
        needs.provide(self.workload.needs, self.work, self.settings.tiny)
        average = machine.load_average()
        self.find_contenders()
        cases = [self.measure_case(case) for case in self.cases]
        return {
            "workload": self.workload.name,
            "goal": self.workload.goal,
            "tiny": self.settings.tiny,
            "pinning": self.pinning.describe() if self.workload.pinned else "not pinned",
            "cores": len(self.pinning.cores),
            "load_average_before": average,
            "absent": self.absent,
            "failures": self.failures,
            "cases": cases,
        }

    def find_contenders(self):
        for name in list(self.names):
            try:
                everyone.BY_NAME[name].command(self.folder, self.workload.server_workload)
            except everyone.Absent as reason:
                self.leave_out(name, str(reason))

    def leave_out(self, name, reason):
        self.absent[name] = reason
        self.names.remove(name)

    def rounds_of(self, name, case):
        if self.settings.repeat:
            return self.settings.repeat
        return 1 if self.settings.tiny else self.workload.rounds_of(name, case)

    def measure_case(self, case):
        """The rounds of one case. Whoever fails, or delivers other bytes, is out for the rest of it."""
        names = [name for name in self.names if not case.contenders or name in case.contenders]
        rounds = {name: self.rounds_of(name, case) for name in names}
        count = max(rounds.values(), default=0)
        result = {"case": case.label, "x": case.x, "load": list(case.load), "server": list(case.server),
                  "sha256": None, "rounds": []}
        for number in range(count):
            runs = {}
            for name in [name for name in names if takes_part(number, count, rounds[name])]:
                self.progress.show(f"{self.workload.name}, {case.label}: round {number + 1} of {count}, {name}")
                try:
                    report = self.run_once(case, name)
                    self.compare_bytes(result, name, report)
                    runs[name] = report
                except NotOffered as reason:
                    names.remove(name)
                    self.leave_out(name, str(reason))
                except RunFailed as reason:
                    names.remove(name)
                    self.failures.append({"contender": name, "case": case.label, "round": number + 1,
                                          "what": str(reason)})
            result["rounds"].append(runs)
        result["summary"] = figures.summary_of(result, self.workload.figures)
        return result

    def compare_bytes(self, result, name, report):
        """Whoever comes first in a case, which is the limit if it takes part, says what is right."""
        if result["sha256"] is None:
            result["sha256"], result["sha256_of"] = report["sha256"], name
        elif report["sha256"] != result["sha256"]:
            raise RunFailed(f"delivered other bytes than {result['sha256_of']}: SHA-256 "
                            f"{report['sha256']}, not {result['sha256']}")

    def run_once(self, case, name):
        """One server, one load, one report."""
        with tempfile.TemporaryDirectory(dir=self.work) as own:
            places = {"dir": own, "shared": str(self.work), "free_port": needs.free_port()}
            command = everyone.BY_NAME[name].command(self.folder, self.workload.server_workload)
            command += [word.format(**places) for word in case.server + self.workload.server_options]
            with first_reader(own, case.fifo) as reader:
                report = self.serve_and_load(case, command, places, reader)
        self.check(report)
        return report

    def check(self, report):
        """Throws RunFailed if the report lacks a figure."""
        check_report(report, self.workload)

    def serve_and_load(self, case, command, places, reader):
        everywhere = set(self.pinning.cores)
        pinned = self.workload.pinned
        with Server(command, self.pinning.server if pinned else everywhere, places["dir"]) as server:
            server.wait_until_it_listens()
            with self.watching(server, places) as seen:
                report = run_load(self.load_command(case, server, places),
                                  self.pinning.load if pinned else everywhere)
                # A server that writes to a FIFO must be able to see that nobody reads any more.
                reader.close()
                server.stop()
        return {**report, **seen}

    def watching(self, _server, _places):
        """Looks at a server from its first connection to its end. What it gives is added to the report then."""
        return contextlib.nullcontext({})

    def load_command(self, case, server, places):
        window = self.workload.tiny_window if self.settings.tiny else self.workload.window
        words = case.load + window
        return [str(self.folder / "bench_load"), self.workload.load_workload, "--port", str(server.port),
                "--server-pid", str(server.process.pid), *[word.format(**places) for word in words]]


def first_reader(folder, fifo):
    """A FIFO cannot be opened for writing before somebody reads from it: this one does, and reads nothing."""
    if not fifo:
        return io.BytesIO()
    path = os.path.join(folder, fifo)
    os.mkfifo(path)
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
