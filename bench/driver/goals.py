"""What Sluice wants to reach, as data, and whether the results say that it did."""
import dataclasses
import json
import pathlib

from .contenders import BENCH, OURS
from .figures import (BYTES_AFTER_ECHO, BYTES_PER_SLOW_READER, Figure, LATENCY_AGAINST_QUIET, MESSAGES,
                      RSS_AFTER_DRAIN, RSS_BEFORE, RSS_PEAK, RSS_QUEUED, contenders_of, number, ratios_of, spread,
                      values_of)
from .workloads import BY_NAME

SLUICE = "sluice"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """`met` is None where the results cannot tell, and `measured` says why."""
    goal: str
    wanted: str
    measured: str
    met: bool | None


def main_figure(result):
    return BY_NAME[result["workload"]].main


def ratio_text(value):
    return f"{value:.3f}"


def medians_by_case(result, of_case, labels=()):
    """The median of what `of_case` finds in each case, if it finds anything there."""
    found = {}
    for case in result["cases"]:
        if labels and case["case"] not in labels:
            continue
        values = spread(of_case(case))
        if values is not None:
            found[case["case"]] = values.median
    return found


def range_text(by_case, show):
    """All values if they are few; otherwise the least and the greatest, and where the latter is."""
    if len(by_case) <= 4:
        return ", ".join(f"{show(value)} ({label})" if len(by_case) > 1 else show(value)
                         for label, value in by_case.items())
    worst = max(by_case, key=by_case.get)
    return (f"{show(min(by_case.values()))} to {show(by_case[worst])} in {len(by_case)} cases, "
            f"the most at {worst}")


def bounded(goal, wanted, by_case, bound, show):
    """The verdict on figures that must not be above the bound in any case."""
    over = [label for label, value in by_case.items() if value > bound]
    text = range_text(by_case, show)
    if over and len(by_case) > 1:
        text += f"; above the bound: {', '.join(over)}"
    return Verdict(goal, wanted, text, not over)


@dataclasses.dataclass(frozen=True)
class Ratio:
    """The main figure is at most `bound` times that of another contender, in the median of the rounds."""
    goal: str
    workload: str
    bound: float
    cases: tuple = ()
    contender: str = SLUICE
    against: str = "epoll"

    def wanted(self):
        figure, where = BY_NAME[self.workload].main.title, ", ".join(self.cases) or "every case"
        return f"{self.workload}: {figure} of {self.contender} at most {self.bound:.2f} of {self.against}, {where}"

    def judge(self, results):
        result = results[self.workload]
        figure = main_figure(result)
        by_case = medians_by_case(
            result, lambda case: ratios_of(case, self.contender, figure, self.against), self.cases)
        if not by_case:
            return None
        return bounded(self.goal, self.wanted(), by_case, self.bound, ratio_text)


@dataclasses.dataclass(frozen=True)
class AheadOfPeers:
    """The main figure is below that of every other contender but the limit, in the median of the rounds."""
    goal: str
    workload: str

    def wanted(self):
        return f"{self.workload}: {BY_NAME[self.workload].main.title} below that of every peer, every case"

    def judge(self, results):
        result = results[self.workload]
        figure = main_figure(result)
        compared, behind = 0, []
        for case in result["cases"]:
            for peer in contenders_of(case):
                if peer in OURS:
                    continue
                ratios = spread(ratios_of(case, SLUICE, figure, peer))
                if ratios is None:
                    continue
                compared += 1
                if ratios.median >= 1:
                    behind.append(f"{ratio_text(ratios.median)} of {peer} at {case['case']}")
        if not compared:
            return None
        measured = "; ".join(behind) or f"ahead in all {compared} comparisons"
        return Verdict(self.goal, self.wanted(), measured, not behind)


@dataclasses.dataclass(frozen=True)
class Constant:
    """The main figure is about the same in all cases: the greatest at most `bound` times the least."""
    goal: str
    workload: str
    bound: float

    def wanted(self):
        return (f"{self.workload}: {BY_NAME[self.workload].main.title} constant over all cases, "
                f"the greatest at most {self.bound:.2f} of the least")

    def judge(self, results):
        result = results[self.workload]
        figure = main_figure(result)
        by_case = medians_by_case(result, lambda case: values_of(case, SLUICE, figure))
        if len(by_case) < 2:
            return None
        ratio = max(by_case.values()) / min(by_case.values())
        values = ", ".join(f"{number(value)} {figure.unit} ({label})" for label, value in by_case.items())
        return Verdict(self.goal, self.wanted(), f"{ratio_text(ratio)}: {values}", ratio <= self.bound)


@dataclasses.dataclass(frozen=True)
class AtMost:
    """A figure of ours is at most `bound` in every case."""
    goal: str
    workload: str
    figure: Figure
    bound: float
    because: str = ""

    def wanted(self):
        reason = f", {self.because}" if self.because else ""
        return (f"{self.workload}: {self.figure.title} at most {number(self.bound)}"
                f"{' ' + self.figure.unit if self.figure.unit else ''}{reason}")

    def judge(self, results):
        by_case = medians_by_case(results[self.workload],
                                  lambda case: values_of(case, SLUICE, self.figure))
        if not by_case:
            return None
        unit = " " + self.figure.unit if self.figure.unit else ""
        return bounded(self.goal, self.wanted(), by_case, self.bound, lambda value: number(value) + unit)


@dataclasses.dataclass(frozen=True)
class Returned:
    """Of the memory that was taken at most the part `left` is still there at the end."""
    goal: str
    workload: str
    taken: Figure
    after: Figure
    before: Figure
    left: float

    def wanted(self):
        return f"{self.workload}: {self.after.title}, of what was taken at most {self.left:.0%} is left"

    def part_left(self, run):
        taken, after, before = (figure.of(run) for figure in (self.taken, self.after, self.before))
        if None in (taken, after, before) or taken <= before:
            return None
        return max(0, after - before) / (taken - before)

    def judge(self, results):
        # What is kept for reuse does not grow with what was taken: the case that takes most tells.
        for case in reversed(results[self.workload]["cases"]):
            parts = [self.part_left(runs[SLUICE]) for runs in case["rounds"] if SLUICE in runs]
            parts = spread(part for part in parts if part is not None)
            if parts is not None:
                return Verdict(self.goal, self.wanted(), f"{parts.median:.1%} ({case['case']})",
                               parts.median <= self.left)
        return None


@dataclasses.dataclass(frozen=True)
class LeastOfAll:
    """No contender has a smaller main figure."""
    goal: str
    workload: str

    def wanted(self):
        return f"{self.workload}: least {BY_NAME[self.workload].main.title} of all contenders"

    def judge(self, results):
        result = results[self.workload]
        figure = main_figure(result)
        ahead, measured = [], []
        for case in result["cases"]:
            medians = {name: spread(values_of(case, name, figure)).median
                       for name in contenders_of(case) if values_of(case, name, figure)}
            if SLUICE not in medians or len(medians) < 2:
                continue
            least = min((value, name) for name, value in medians.items() if name != SLUICE)
            ahead.append(medians[SLUICE] <= least[0])
            measured.append(f"{number(medians[SLUICE])} {figure.unit}; the least of the others, {least[1]}: "
                            f"{number(least[0])} {figure.unit}")
        if not measured:
            return None
        return Verdict(self.goal, self.wanted(), "; ".join(measured), all(ahead))


@dataclasses.dataclass(frozen=True)
class Scaling:
    """With the threads of the last case the server does `bound` times the messages of the first case."""
    goal: str
    workload: str
    bound: float

    def wanted(self):
        first, last = (BY_NAME[self.workload].cases[index].label for index in (0, -1))
        return f"{self.workload}: {self.bound:.2f} times the messages with {last} as with {first}"

    def judge(self, results):
        result = results[self.workload]
        threads = [case["x"] for case in result["cases"]]
        rates = medians_by_case(result, lambda case: values_of(case, SLUICE, MESSAGES))
        costs = medians_by_case(result, lambda case: values_of(case, SLUICE, main_figure(result)))
        if len(rates) < 2 or len(costs) < 2:
            return None
        rate, cost = (list(found.values())[-1] / list(found.values())[0] for found in (rates, costs))
        measured = f"{ratio_text(rate)} times the messages, each at {ratio_text(cost)} of the CPU"
        needed = int(max(threads)) + 1
        if result["cores"] < needed:
            return Verdict(self.goal, self.wanted(), f"{measured}; this machine has {result['cores']} cores, "
                           f"and {needed} are needed for {int(max(threads))} threads and the load", None)
        return Verdict(self.goal, self.wanted(), measured, rate >= self.bound)


@dataclasses.dataclass(frozen=True)
class MemoryOfFanOut:
    """From the fewest connections to the most, peak memory grows by what connections take anyway, plus `bound`."""
    goal: str
    bound: float
    workload: str = "fanout"

    def wanted(self):
        return f"fanout: beside one message at most {number(self.bound)} B of memory for each connection"

    def judge(self, results):
        peaks = {int(case["case"].split()[0]): spread(values_of(case, SLUICE, RSS_PEAK))
                 for case in results["fanout"]["cases"]}
        idle = medians_by_case(results["idle"], lambda case: values_of(case, SLUICE, BYTES_AFTER_ECHO)) \
            if "idle" in results else {}
        if len(peaks) < 2 or None in peaks.values() or not idle:
            return None
        fewest, most = min(peaks), max(peaks)
        grown = (peaks[most].median - peaks[fewest].median) * 1024 * 1024 / (most - fewest)
        of_idle = max(idle.values())
        return Verdict(self.goal, self.wanted(), f"{number(grown - of_idle)} B: peak RSS grows by {number(grown)} B "
                       f"per connection from {fewest} to {most}, an idle one has {number(of_idle)} B",
                       grown - of_idle <= self.bound)


@dataclasses.dataclass(frozen=True)
class Instructions:
    """User-space instructions of a write(), from the committed table of counts."""
    goal: str
    bound: float
    cases: tuple
    table: pathlib.Path = BENCH / "instructions" / "table.json"
    workload: str = "replies"

    def wanted(self):
        return f"instructions of a write() in user space, at most {number(self.bound)}"

    def judge(self, _results):
        if not self.table.is_file():
            return None
        counts = json.loads(self.table.read_text(encoding="utf-8"))["counts"]
        by_case = {label: counts[label]["per write()"] for label in self.cases if label in counts}
        return bounded(self.goal, self.wanted(), by_case, self.bound, number) if by_case else None


ALL = (
    Ratio("B1", "replies", 1.05, ("depth 16", "depth 64", "depth 256")),
    Instructions("B1", 60, ("replies, depth 16", "replies, depth 64", "replies, depth 256")),
    Ratio("B2", "echo", 1.05),
    AheadOfPeers("B2", "echo"),
    Ratio("B3", "stream", 1.05),
    Ratio("B4", "fanout", 1.05),
    MemoryOfFanOut("B4", 64),
    Ratio("B5", "pieces", 1.05),
    Constant("B6", "deep", 1.10),
    Returned("B6", "deep", RSS_QUEUED, RSS_AFTER_DRAIN, RSS_BEFORE, 0.10),
    LeastOfAll("B7", "idle"),
    AtMost("B7", "idle", BYTES_AFTER_ECHO, 512),
    AtMost("B8", "slow", BYTES_PER_SLOW_READER, 64 + 16, "the high mark and one slab"),
    AtMost("B8", "slow", LATENCY_AGAINST_QUIET, 2),
    Ratio("B9", "tls_echo", 1.10),
    Ratio("B9", "tls_stream", 1.10),
    AheadOfPeers("B10", "micro"),
    Ratio("B11", "relay", 1.05),
    Ratio("B11", "sendfile", 1.05),
    Ratio("B12", "echo", 1.10, contender="sluice-coroutines", against="sluice"),
    Ratio("B12", "replies", 1.10, contender="sluice-coroutines", against="sluice"),
    Scaling("B1", "scaling_replies", 1.8),
    Scaling("B2", "scaling_echo", 1.8),
)


def judge_all(results, goals=ALL):
    """A verdict for each goal whose workload has results, and for each that has none a word of that."""
    verdicts = []
    for goal in goals:
        verdict = goal.judge(results) if goal.workload in results else None
        verdicts.append(verdict or Verdict(goal.goal, goal.wanted(), "not measured", None))
    return verdicts
