"""What Sluice wants to reach, as data, and whether the results say that it did."""
import dataclasses
import json
import pathlib

from .contenders import BENCH, OURS, PEERS
from .figures import (BYTES_AFTER_ECHO, BYTES_PER_SLOW_READER, FILLING_P50_AGAINST_QUIET, FILLING_P99_AGAINST_QUIET,
                      Figure, LATENCY_AGAINST_QUIET, MESSAGES, P99_AGAINST_QUIET, RSS_AFTER_DRAIN, RSS_AFTER_WINDOW,
                      RSS_BEFORE, RSS_BEFORE_MESSAGE, RSS_PEAK, RSS_QUEUED, contenders_of, number, range_of_median,
                      ratios_of, spread, values_of)
from .workloads import BY_NAME, Case, FANOUT_MESSAGE_BYTES

SLUICE = "sluice"
# The kernel counts VmHWM in steps of its own: 32 pages for each of two cores.
PEAK_ERROR_KIB = 256
# A message and what connections add may each begin and end in a page of their own.
PAGES_BYTES = 4 * 4096
# So many cases are named one by one.
FEW = 4


@dataclasses.dataclass(frozen=True)
class Verdict:
    """`met` is None where the results cannot tell, and `measured` says why."""
    goal: str
    wanted: str
    measured: str
    met: bool | None


@dataclasses.dataclass(frozen=True)
class Gaps:
    """What a verdict would need and the results do not have, in words: who failed, and what is not there."""
    failed: tuple = ()
    missing: tuple = ()

    def __add__(self, other):
        return Gaps(tuple(dict.fromkeys(self.failed + other.failed)),
                    tuple(dict.fromkeys(self.missing + other.missing)))


def labels_of(result, names):
    """The cases in which all of these are to take part; what `micro` measures is known from its result alone."""
    planned = BY_NAME[result["workload"]].cases
    if not planned:
        return tuple(case["case"] for case in result["cases"] if set(names) <= set(contenders_of(case)))
    return tuple(case.label for case in planned if not case.contenders or set(names) <= set(case.contenders))


def gaps_of(result, labels, names, of_case):
    """What is missing of what `of_case` is to find in each round of these cases; it needs all of `names`."""
    workload = BY_NAME[result["workload"]]
    planned = {case.label: case for case in workload.cases}
    failures = [failure for failure in result["failures"] if failure["contender"] in names and
                (failure["case"] in labels or failure["case"] not in planned)]
    failed = tuple(f"{failure['contender']} failed at {failure['case']}, round {failure['round']}"
                   for failure in failures)
    absent = tuple(f"{name} is absent ({result['absent'][name]})" for name in names if name in result["absent"])
    if absent:
        return Gaps(failed, absent)
    cases = {case["case"]: case for case in result["cases"]}
    unmeasured, incomplete = [], []
    for label in labels:
        if any(failure["case"] == label for failure in failures):
            continue
        found = len(of_case(cases[label])) if label in cases else 0
        rounds = [workload.rounds_of(name, planned.get(label, Case(label))) for name in names]
        wanted = min(len(cases[label]["rounds"]), *rounds) if found else 0
        if not found:
            unmeasured.append(label)
        elif found < wanted:
            incomplete.append(f"{found} of {wanted} rounds at {label}")
    who = " and ".join(names)
    missing = (f"{who} not measured at {', '.join(unmeasured)}",) if unmeasured else ()
    if incomplete:
        missing += (f"{who} with only {', '.join(incomplete)}",)
    if not labels:
        missing += (f"no case of {who}",)
    repeat, planned_rounds = result.get("repeat"), max(workload.rounds_of(name, Case("")) for name in names)
    if repeat and repeat < planned_rounds:
        missing += (f"{repeat} rounds instead of {planned_rounds}",)
    return Gaps(failed, missing)


def settled(verdict, gaps):
    """The verdict with its gaps: a failure is no success, and what is missing leaves a success open."""
    measured = "; ".join(part for part in (verdict.measured, *gaps.failed, *gaps.missing) if part)
    met = verdict.met
    if gaps.failed:
        met = False
    elif gaps.missing and met:
        met = None
    return dataclasses.replace(verdict, measured=measured, met=met)


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


def ranges_by_case(result, of_case, labels=()):
    """Where the median of what `of_case` finds in each case lies, as far as the rounds tell."""
    found = {case["case"]: of_case(case) for case in result["cases"] if not labels or case["case"] in labels}
    return {label: range_of_median(values) for label, values in found.items() if values}


def in_brackets(limits, show):
    """The range as it stands behind its median; nothing where it is one value, or not told."""
    if limits is None or limits[0] == limits[1]:
        return ""
    return f" [{show(limits[0])}..{show(limits[1])}]"


def range_text(by_case, show, ranges):
    """All values if they are few; otherwise the least and the greatest, and where the latter is."""
    def shown(label):
        return show(by_case[label]) + in_brackets(ranges.get(label), show)

    if len(by_case) <= FEW:
        return ", ".join(f"{shown(label)} ({label})" for label in by_case)
    best, worst = (of(by_case, key=by_case.get) for of in (min, max))
    return f"{shown(best)} to {shown(worst)} in {len(by_case)} cases, the most at {worst}"


def bounded(goal, wanted, by_case, bound, show, ranges=None):
    """The verdict on figures that must not be above the bound in any case; open if there are none.

    It is by the medians. With their ranges it also names the cases of which the rounds do not tell the side.
    """
    ranges = ranges or {}
    over = [label for label, value in by_case.items() if value > bound]
    close = [label for label, (low, high) in ranges.items() if low <= bound < high]
    text = range_text(by_case, show, ranges) if by_case else ""
    if over and len(by_case) > 1:
        text += f"; above the bound: {', '.join(over)}"
    if close:
        text += f"; too close to the bound to be sure: {', '.join(close)}"
    return Verdict(goal, wanted, text, not over if by_case else None)


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
        names = (self.contender, self.against)

        def of_case(case):
            return ratios_of(case, self.contender, main_figure(result), self.against)

        labels = self.cases or labels_of(result, names)
        verdict = bounded(self.goal, self.wanted(), medians_by_case(result, of_case, labels), self.bound, ratio_text,
                          ranges_by_case(result, of_case, labels))
        return settled(verdict, gaps_of(result, labels, names, of_case))


def absent_text(result, names):
    """Those of `names` that the result says are absent, as a part of what was measured."""
    absent = [f"{name} ({result['absent'][name]})" for name in names if name in result["absent"]]
    return f"; absent: {', '.join(absent)}" if absent else ""


@dataclasses.dataclass(frozen=True)
class AheadOfPeers:
    """The main figure is below that of every peer that is there, in the median of the rounds."""
    goal: str
    workload: str

    def wanted(self):
        workload = BY_NAME[self.workload]
        shared = [case.label for case in workload.cases if set(case.contenders or workload.contenders) & set(PEERS)]
        where = "every case"
        if not workload.cases:
            where = "every case that has a counterpart"
        elif len(shared) < len(workload.cases):
            where = f"where peers take part: {', '.join(shared)}"
        return f"{self.workload}: {workload.main.title} below that of every peer that is there, {where}"

    def peers_of(self, result):
        workload = BY_NAME[self.workload]
        if workload.cases:
            return [name for name in workload.contenders if name in PEERS]
        found = [name for case in result["cases"] for name in contenders_of(case)]
        return [name for name in dict.fromkeys(found) if name not in OURS]

    def judge(self, results):
        result = results[self.workload]
        compared, behind, close, gaps = {}, [], [], Gaps()
        peers = self.peers_of(result)
        for peer in peers:
            if peer in result["absent"]:
                continue

            def of_case(case, peer=peer):
                return ratios_of(case, SLUICE, main_figure(result), peer)

            labels = labels_of(result, (SLUICE, peer))
            gaps += gaps_of(result, labels, (SLUICE, peer), of_case)
            by_case = medians_by_case(result, of_case, labels)
            if by_case:
                compared.setdefault(tuple(by_case), []).append(peer)
            ranges = ranges_by_case(result, of_case, labels)
            behind += [f"{ratio_text(value)}{in_brackets(ranges[label], ratio_text)} of {peer} at {label}"
                       for label, value in by_case.items() if value >= 1]
            unsure = [label for label, (low, high) in ranges.items() if low < 1 <= high]
            if unsure:
                where = ", ".join(unsure) if len(unsure) <= FEW else f"{len(unsure)} of {len(ranges)} cases"
                close.append(f"{peer} at {where}")
        if not compared:
            gaps += Gaps((), ("no peer to compare with",)) + gaps_of(
                result, labels_of(result, (SLUICE,)), (SLUICE,),
                lambda case: values_of(case, SLUICE, main_figure(result)))
        groups = "; ".join(f"{', '.join(names)} at {', '.join(labels)}" for labels, names in compared.items())
        measured = f"{'; '.join(behind)}; compared: {groups}" if behind else f"ahead of {groups}" if groups else ""
        if close:
            measured += f"; too close to be sure: {'; '.join(close)}"
        verdict = Verdict(self.goal, self.wanted(), measured + absent_text(result, peers),
                          not behind if compared else None)
        return settled(verdict, gaps)


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

        def of_case(case):
            return values_of(case, SLUICE, figure)

        by_case = medians_by_case(result, of_case)
        measured, met = ", ".join(f"{number(value)} {figure.unit} ({label})" for label, value in by_case.items()), None
        if len(by_case) > 1:
            ratio = max(by_case.values()) / min(by_case.values())
            measured, met = f"{ratio_text(ratio)}: {measured}", ratio <= self.bound
        return settled(Verdict(self.goal, self.wanted(), measured, met),
                       gaps_of(result, labels_of(result, (SLUICE,)), (SLUICE,), of_case))


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
        result = results[self.workload]

        def of_case(case):
            return values_of(case, SLUICE, self.figure)

        unit = " " + self.figure.unit if self.figure.unit else ""
        verdict = bounded(self.goal, self.wanted(), medians_by_case(result, of_case), self.bound,
                          lambda value: number(value) + unit)
        return settled(verdict, gaps_of(result, labels_of(result, (SLUICE,)), (SLUICE,), of_case))


@dataclasses.dataclass(frozen=True)
class Returned:
    """Of the memory that was taken at most the part `left` is still there at the end, and never more than `above`."""
    goal: str
    workload: str
    taken: Figure
    after: Figure
    before: Figure
    left: float
    above: float

    def wanted(self):
        return (f"{self.workload}: {self.after.title}, of what was taken at most {self.left:.0%} is left, and in every "
                f"case at most {number(self.above)} {self.after.unit} more than before")

    def part_left(self, run):
        taken, after, before = (figure.of(run) for figure in (self.taken, self.after, self.before))
        if None in (taken, after, before) or taken <= before:
            return None
        return max(0, after - before) / (taken - before)

    def more_than_before(self, case):
        pairs = [(self.after.of(runs[SLUICE]), self.before.of(runs[SLUICE]))
                 for runs in case["rounds"] if SLUICE in runs]
        return [after - before for after, before in pairs if None not in (after, before)]

    def judge(self, results):
        result = results[self.workload]
        verdict = bounded(self.goal, self.wanted(), medians_by_case(result, self.more_than_before), self.above,
                          lambda value: f"{number(value)} {self.after.unit}")
        gaps = gaps_of(result, labels_of(result, (SLUICE,)), (SLUICE,), self.more_than_before)
        # What is kept for reuse does not grow with what was taken: the case that takes most tells.
        for case in reversed(result["cases"]):
            parts = [self.part_left(runs[SLUICE]) for runs in case["rounds"] if SLUICE in runs]
            parts = spread(part for part in parts if part is not None)
            if parts is not None:
                measured = f"{parts.median:.1%} ({case['case']}); more than before: {verdict.measured}"
                verdict = dataclasses.replace(verdict, measured=measured,
                                              met=verdict.met and parts.median <= self.left)
                break
        else:
            gaps += Gaps((), ("no case in which memory was taken",))
        return settled(verdict, gaps)


@dataclasses.dataclass(frozen=True)
class LeastOfAll:
    """No contender that is there has a smaller main figure."""
    goal: str
    workload: str

    def wanted(self):
        return f"{self.workload}: least {BY_NAME[self.workload].main.title} of all contenders that are there"

    def judge(self, results):
        result = results[self.workload]
        figure = main_figure(result)
        names = BY_NAME[self.workload].contenders
        gaps = Gaps()
        for name in names:
            # A peer may be absent; the limit may not.
            if name in OURS or name not in result["absent"]:
                gaps += gaps_of(result, labels_of(result, (name,)), (name,),
                                lambda case, name=name: values_of(case, name, figure))
        ahead, measured = [], []
        for case in result["cases"]:
            medians = {name: spread(values_of(case, name, figure)).median
                       for name in contenders_of(case) if values_of(case, name, figure)}
            if SLUICE not in medians or len(medians) < 2:
                continue
            least = min((value, name) for name, value in medians.items() if name != SLUICE)
            ahead.append(medians[SLUICE] <= least[0])
            others = ", ".join(name for name in medians if name != SLUICE)
            measured.append(f"{number(medians[SLUICE])} {figure.unit} ({case['case']}); the least of the others "
                            f"({others}), {least[1]}: {number(least[0])} {figure.unit}")
        verdict = Verdict(self.goal, self.wanted(), "; ".join(measured) + absent_text(
            result, [name for name in names if name in PEERS]), all(ahead) if ahead else None)
        return settled(verdict, gaps)


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
        labels = labels_of(result, (SLUICE,))

        def rates_of(case):
            return values_of(case, SLUICE, MESSAGES)

        rates = medians_by_case(result, rates_of, labels)
        costs = medians_by_case(result, lambda case: values_of(case, SLUICE, main_figure(result)), labels)
        gaps = gaps_of(result, labels, (SLUICE,), rates_of)
        if any(label not in found for label in labels for found in (rates, costs)):
            return settled(Verdict(self.goal, self.wanted(), "", None), gaps)
        rate, cost = (found[labels[-1]] / found[labels[0]] for found in (rates, costs))
        measured = f"{ratio_text(rate)} times the messages, each at {ratio_text(cost)} of the CPU"
        threads = int(max(case["x"] for case in result["cases"]))
        met = rate >= self.bound
        if share := result.get("percent_of_core"):
            measured += f", with {share} % of a core for each thread of the server"
        elif result["cores"] < threads + 1:
            measured += (f"; this machine has {result['cores']} cores, and {threads + 1} are needed for {threads} "
                         "threads and the load")
            met = None
        return settled(Verdict(self.goal, self.wanted(), measured, met), gaps)


@dataclasses.dataclass(frozen=True)
class MemoryOfFanOut:
    """Messages take memory besides what connections take anyway: `bound` for each of them, and one message.

    With the fewest connections that is one message, and from these to the most it is what each of them adds. What is
    there before the first message and after the window is counted page by page. The peak is not, and can only tell of
    more than its error.
    """
    goal: str
    bound: float
    workload: str = "fanout"

    def wanted(self):
        return (f"fanout: for messages at most {number(self.bound)} B of memory for each connection, beside one message; "
                "exactly after the window, and at the peak as far as that can be told")

    def judge(self, results):
        result = results["fanout"]
        labels = labels_of(result, (SLUICE,))

        def found(figure):
            return medians_by_case(result, lambda case: values_of(case, SLUICE, figure), labels)

        before, kept, peaks = map(found, (RSS_BEFORE_MESSAGE, RSS_AFTER_WINDOW, RSS_PEAK))
        gaps = sum((gaps_of(result, labels, (SLUICE,), lambda case, figure=figure: values_of(case, SLUICE, figure))
                    for figure in (RSS_BEFORE_MESSAGE, RSS_AFTER_WINDOW, RSS_PEAK)), Gaps())
        if any(label not in figures for label in labels for figures in (before, kept, peaks)):
            return settled(Verdict(self.goal, self.wanted(), "", None), gaps)
        fewest, most = (int(labels[index].split()[0]) for index in (0, -1))

        def growth(label, after):
            return (after[label] - before[label]) * 1024 * 1024

        once = growth(labels[0], kept)
        kept, peak = ((growth(labels[-1], after) - growth(labels[0], after)) / (most - fewest)
                      for after in (kept, peaks))
        error = PEAK_ERROR_KIB * 1024 / (most - fewest)
        measured = (f"{number(kept)} B after the window, {number(peak)} B at the peak "
                    f"(give or take {number(error)} B), from {fewest} to {most} connections; with {fewest} of them "
                    f"{number(once / 1024)} KiB in all")
        met = (kept <= self.bound and peak - error <= self.bound and
               once <= FANOUT_MESSAGE_BYTES + self.bound * fewest + PAGES_BYTES)
        return settled(Verdict(self.goal, self.wanted(), measured, met), gaps)


@dataclasses.dataclass(frozen=True)
class Instructions:
    """User-space instructions of a write(), from the committed table of counts."""
    goal: str
    bound: float
    cases: tuple
    table: pathlib.Path = BENCH / "instructions" / "table.json"
    workload: str = "replies"

    def wanted(self):
        depths = ", ".join(label.rpartition(" ")[2] for label in self.cases)
        return (f"instructions of a write() in user space at most {number(self.bound)}, replies at depth {depths}: "
                "counts of the committed table, which the test bench.instructions checks")

    def judge(self, _results):
        counts = {}
        if self.table.is_file():
            counts = json.loads(self.table.read_text(encoding="utf-8"))["counts"]
        by_case = {label: counts[label]["per write()"] for label in self.cases if label in counts}
        missing = [label for label in self.cases if label not in counts]
        return settled(bounded(self.goal, self.wanted(), by_case, self.bound, number),
                       Gaps((), (f"not in the table: {'; '.join(missing)}",) if missing else ()))


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
    Returned("B6", "deep", RSS_QUEUED, RSS_AFTER_DRAIN, RSS_BEFORE, 0.10, 2),
    LeastOfAll("B7", "idle"),
    AtMost("B7", "idle", BYTES_AFTER_ECHO, 512),
    AtMost("B8", "slow", BYTES_PER_SLOW_READER, 64 + 32, "the high mark and one slab"),
    AtMost("B8", "slow", LATENCY_AGAINST_QUIET, 2),
    AtMost("B8", "slow", P99_AGAINST_QUIET, 2),
    AtMost("B8", "slow", FILLING_P50_AGAINST_QUIET, 2),
    AtMost("B8", "slow", FILLING_P99_AGAINST_QUIET, 2),
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
    return [verdict_on(goal, results) for goal in goals]


def verdict_on(goal, results):
    if goal.workload not in results:
        return Verdict(goal.goal, goal.wanted(), "not measured", None)
    if results[goal.workload]["tiny"]:
        return Verdict(goal.goal, goal.wanted(), "measured with tiny parameters, which say nothing", None)
    return goal.judge(results)
