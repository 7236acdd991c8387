"""Where the time of a server goes, function by function, beside that of the limit, by perf."""
import collections
import contextlib
import os
import statistics
import subprocess

from . import workloads
from .functions import in_table
from .measure import Measurement
from .processes import ENDS_WITHIN_S, RunFailed
from .render import sentence, table, title_of

KERNEL = "[kernel"
OTHERS = "all others"
RECORD = ("perf", "record", "--quiet", "--event", "cpu-clock", "--freq", "3999")
REPORT = ("perf", "report", "--stdio", "--quiet", "--no-children", "--call-graph", "none",
          "--sort", "dso,symbol", "--fields", "sample,dso,symbol", "--field-separator", "\t")
# Long enough for samples.
WINDOW = ("--warm-up-ms", "100", "--window-ms", "1500")
ROUNDS = 5
# What is measured in time can be shared out by samples.
WORKLOADS = tuple(one.name for one in workloads.ALL if one.main.unit == "ns")
ROWS = 16
# What costs less is not told by itself.
LEAST_SHARE = 0.002


def samples_of(text):
    """Samples by (object, function) from what perf reports."""
    found = collections.Counter()
    for line in text.splitlines():
        words = [word.strip() for word in line.split("\t")]
        if len(words) >= 3 and words[0].isdigit():
            function = words[2].removeprefix("[.] ").removeprefix("[k] ")
            found[words[1], function] += int(words[0])
    return found


def place_of(thing):
    """Which of the three parts of a server an object is."""
    if thing.startswith(KERNEL):
        return "kernel"
    return "its own code" if thing.startswith("bench_") else "libraries"


def costs_of(samples, cost):
    """The cost of a message, shared out over the functions by their samples."""
    total = sum(samples.values())
    if total == 0:
        raise RunFailed("perf took no sample of the server")
    return {key: cost * count / total for key, count in samples.items()}


def medians(rounds):
    """Of each function over the rounds; where it was not seen it cost nothing."""
    keys = {key for costs in rounds for key in costs}
    return {key: statistics.median(costs.get(key, 0) for costs in rounds) for key in keys}


def without_small(costs, total):
    """The same, with what is small added up for each object."""
    found = collections.Counter()
    for (thing, function), cost in costs.items():
        found[thing, function if cost >= LEAST_SHARE * total else OTHERS] += cost
    return dict(found)


def difference(key, costs):
    """How far the contenders are apart in one function; with one of them alone, what it costs."""
    values = [of_one.get(key, 0) for of_one in costs]
    return max(values) - (min(values) if len(values) > 1 else 0)


def parts_of(costs):
    found = collections.Counter()
    for (thing, _), cost in costs.items():
        found[place_of(thing)] += cost
    return found


def rows_of(case):
    """First the parts, then the functions in which contenders differ most; a column for each contender."""
    names = list(case["costs"])
    costs = {name: {tuple(key.split("\t")): cost for key, cost in case["costs"][name].items()} for name in names}
    parts = {name: parts_of(costs[name]) for name in names}
    for part in ("kernel", "libraries", "its own code"):
        yield [f"**{part}**", *[parts[name][part] for name in names]]
    keys = {key for name in names for key in costs[name]}
    most = sorted(keys, key=lambda key: (-difference(key, costs.values()), key))[:ROWS]
    for thing, function in most:
        where = "" if place_of(thing) == "kernel" else f" ({thing})"
        name = function if function == OTHERS else in_table(function)
        yield [f"{name}{where or ' (kernel)'}", *[costs[name].get((thing, function), 0) for name in names]]


def text_of(one):
    """The page of one workload's profiles."""
    result = one["results"][0]
    workload = workloads.BY_NAME[result["workload"]]
    lines = [f"# {workload.title}: where the time goes", "",
             f"Written by `bench/profile --workload {workload.name}`. {sentence(workload.main.title)} in "
             f"{workload.main.unit}, shared out over the functions by the samples of `perf record`: medians of "
             f"{result['rounds']} rounds, the functions in which contenders differ most first. "
             f"{sentence(result['pinning'])}. Sluice {one['sluice']}.", ""]
    for case in result["cases"]:
        names = list(case["costs"])
        rows = [["**all of it**", *[f"{case['cost'][name]:.4g}" for name in names]]]
        rows += [[name, *[f"{cost:.3g}" for cost in values]] for name, *values in rows_of(case)]
        lines += [f"## {case['case']}", "",
                  *table(["", *map(title_of, names)], rows), ""]
    return "\n".join(lines)


@contextlib.contextmanager
def recorded(pid, data):
    """Samples a process to its end, which has to come meanwhile, into a file."""
    with subprocess.Popen([*RECORD, "--output", data, "--pid", str(pid)], stderr=subprocess.DEVNULL) as recorder:
        try:
            yield
            with contextlib.suppress(subprocess.TimeoutExpired):
                recorder.wait(ENDS_WITHIN_S)
        finally:
            # After a load that failed the server is still there, and the recorder would not end by itself.
            recorder.kill()
    if recorder.returncode != 0:
        raise RunFailed("perf record failed; it may need kernel.perf_event_paranoid at 1 or less")


class Profile(Measurement):
    """A measurement whose servers are watched by perf."""
    in_turns = False

    def run(self):
        result = super().run()
        for case in result["cases"]:
            case["costs"], case["cost"] = {}, {}
            for name in self.names:
                runs = [one[name] for one in case["rounds"] if name in one]
                if not runs:
                    continue
                cost = statistics.median(self.workload.main.of(run) for run in runs)
                costs = medians([costs_of(run.pop("samples"), self.workload.main.of(run)) for run in runs])
                case["cost"][name] = cost
                case["costs"][name] = {"\t".join(key): of_key
                                       for key, of_key in without_small(costs, cost).items()}
            case["rounds"] = len(case.pop("rounds"))
        return {**result, "rounds": self.settings.repeat}

    @contextlib.contextmanager
    def watching(self, server, places):
        data, seen = os.path.join(places["dir"], "perf.data"), {}
        with recorded(server.process.pid, data):
            yield seen
        said = subprocess.run([*REPORT, "--input", data], capture_output=True, text=True, check=False)
        seen["samples"] = samples_of(said.stdout)
