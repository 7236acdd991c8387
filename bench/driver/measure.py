"""Measures a workload: contenders in turn, round by round, each run with a fresh server."""
import contextlib
import dataclasses
import functools
import os
import pathlib
import tempfile

from . import contenders as everyone
from . import figures, machine, needs, shares
from .processes import Load, NotOffered, Pinning, RunFailed, Server
from .turns import Baton, take_turns
from .workloads import options

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


@dataclasses.dataclass(frozen=True)
class Run:
    """A server with what belongs to it, and the command of its load."""
    server: Server
    places: dict
    readers: contextlib.ExitStack
    command: list
    cores: set
    descriptors: tuple

    def loaded(self, options=()):
        return Load([*self.command, *options], self.cores, self.descriptors)


def throw(reason):
    raise reason


class Measurement:
    """One workload, measured into a dictionary that is its result."""
    # Whether contenders of a workload that allows it are measured together.
    in_turns = True

    def __init__(self, workload, selection, folder, work, settings, progress):
        self.workload = workload
        self.folder = folder
        self.work = pathlib.Path(work)
        self.settings = settings
        self.progress = progress
        self.pinning = Pinning()
        self.shares_in, self.no_shares = self.find_shares()
        self.failures = []
        self.absent = {}
        self.not_offered = {}
        self.names = [name for name in workload.contenders if name in selection]
        self.cases = workload.tiny if settings.tiny else workload.cases

    def run(self):
        needs.provide(self.workload.needs, self.work, self.settings.tiny)
        average = machine.load_average()
        self.find_contenders()
        cases = [self.measure_case(case) for case in self.cases]
        self.leave_out_who_offered_nothing(cases)
        return {
            "workload": self.workload.name,
            "goal": self.workload.goal,
            "tiny": self.settings.tiny,
            "pinning": self.describe_cores(),
            "percent_of_core": shares.SHARE_PERCENT if self.shares_in else None,
            "cores": len(self.pinning.cores),
            "load_average_before": average,
            "repeat": self.settings.repeat,
            "absent": self.absent,
            "failures": self.failures,
            "cases": cases,
        }

    def find_shares(self):
        """Where groups for the server's threads are made, if they need shares of a core, and a text why they have none."""
        if self.workload.pinned or max(case.x for case in self.workload.cases) < len(self.pinning.cores):
            return None, None
        try:
            return shares.provide(), None
        except shares.Unavailable as reason:
            return None, str(reason)

    def describe_cores(self):
        if self.workload.pinned:
            return self.pinning.describe()
        if self.shares_in:
            return f"not pinned, and each thread of the server has {shares.SHARE_PERCENT} % of a core"
        return "not pinned" + (f"; no shares of a core, since: {self.no_shares}" if self.no_shares else "")

    def find_contenders(self):
        for name in list(self.names):
            try:
                self.command_of(name)
            except everyone.Absent as reason:
                self.leave_out(name, str(reason))

    def leave_out_who_offered_nothing(self, cases):
        """Who lacks some cases takes part in the others."""
        failed = {failure["contender"] for failure in self.failures}
        found = {name for case in cases for runs in case["rounds"] for name in runs}
        for name in self.not_offered.keys() - found - failed:
            self.leave_out(name, self.not_offered[name])

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
            what = f"{self.workload.name}, {case.label}: round {number + 1} of {count}"
            present = [name for name in names if takes_part(number, count, rounds[name])]
            for name, run in self.run_round(case, present, what):
                try:
                    report = run()
                    self.compare_bytes(result, name, report)
                    runs[name] = report
                except NotOffered as reason:
                    names.remove(name)
                    self.not_offered[name] = str(reason)
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

    def run_round(self, case, names, what):
        """Pairs of a name and a function that returns its report, or throws what has gone wrong."""
        if self.in_turns and self.workload.in_turns and not case.alone and len(names) > 1:
            self.progress.show(f"{what}, {', '.join(names)}")
            yield from self.run_together(case, names)
            return
        for name in names:
            self.progress.show(f"{what}, {name}")
            yield name, functools.partial(self.run_once, case, name)

    def run_together(self, case, names):
        """All servers at once, and their loads in turn."""
        with contextlib.ExitStack() as stack:
            baton = stack.enter_context(Baton(stack.enter_context(
                tempfile.NamedTemporaryFile(dir=self.work, prefix="turns-")).name, len(names)))
            runs, loads = {}, {}
            for number, name in enumerate(names, 1):
                try:
                    run = stack.enter_context(self.served(case, name))
                    loads[number] = stack.enter_context(run.loaded(baton.options(number)))
                    runs[name] = functools.partial(self.end, run, loads[number])
                except (NotOffered, RunFailed) as reason:
                    runs[name] = functools.partial(throw, reason)
            take_turns(baton, loads)
            yield from runs.items()

    def run_once(self, case, name):
        """One server, one load, one report."""
        with self.served(case, name) as run, self.watching(run.server, run.places) as seen:
            with run.loaded() as load:
                report = self.end(run, load)
        return {**report, **seen}

    def end(self, run, load):
        """The report of a load that has ended or ends by itself; its server ends as well."""
        report = load.report()
        # A server that writes to a FIFO must be able to see that nobody reads any more.
        run.readers.close()
        run.server.stop()
        self.check(report)
        return report

    def check(self, report):
        """Throws RunFailed if the report lacks a figure."""
        check_report(report, self.workload)

    def command_of(self, name):
        """How a contender is started; throws Absent."""
        return everyone.BY_NAME[name].command(self.folder, self.workload.server_workload)

    @contextlib.contextmanager
    def prepared(self, case, name):
        """The command of a server and the places that it may use."""
        with tempfile.TemporaryDirectory(dir=self.work) as own, needs.target() as target:
            places = {"dir": own, "shared": str(self.work), "target": target.fileno(),
                      "target_port": target.getsockname()[1]}
            words = case.server + self.workload.server_options
            yield [*self.command_of(name), *[word.format(**places) for word in words]], places

    @contextlib.contextmanager
    def served(self, case, name):
        """A server that listens, and what its load needs."""
        everywhere = set(self.pinning.cores)
        pinned = self.workload.pinned
        with self.prepared(case, name) as (command, places), first_readers(places["dir"], case.pipes) as readers, \
                shares.Shares(self.shares_in) as of_threads, \
                Server(command, self.pinning.server if pinned else everywhere, places["dir"]) as server:
            server.wait_until_it_listens()
            if self.shares_in:
                of_threads.give(server.process.pid, case.x)
            yield Run(server, places, readers, self.load_command(case, server, places),
                      self.pinning.load if pinned else everywhere,
                      (places["target"],) if "{target}" in case.load else ())

    def watching(self, _server, _places):
        """Looks at a server from its first connection to its end. What it gives is added to the report then."""
        return contextlib.nullcontext({})

    def load_threads(self, case):
        """Where the server has a core for each of its threads, the load has one for each of the others."""
        spare = 0 if self.workload.pinned else len(self.pinning.cores) - case.x
        return options(load_threads=spare) if spare > 1 else ()

    def load_command(self, case, server, places):
        window = self.workload.tiny_window if self.settings.tiny else self.workload.window
        words = case.load + window + self.load_threads(case)
        return [str(self.folder / "bench_load"), self.workload.load_workload, "--port", str(server.port),
                "--server-pid", str(server.process.pid), *[word.format(**places) for word in words]]


@contextlib.contextmanager
def first_readers(folder, pipes):
    """FIFOs that have readers, without which they could not be opened for writing, who read nothing; gives what ends
    these."""
    with contextlib.ExitStack() as readers:
        for number in range(pipes):
            path = os.path.join(folder, f"pipe.{number}")
            os.mkfifo(path)
            readers.callback(os.close, os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        yield readers
