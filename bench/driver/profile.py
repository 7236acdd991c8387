"""Where the time of a server goes, function by function, beside that of the limit: bench/profile."""
import argparse
import collections
import dataclasses
import datetime
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from . import contenders, document, main, workloads
from .measure import Measurement
from .processes import RunFailed, Server, run_load
from .progress import Progress
from .render import sentence

ROOT = contenders.BENCH.parent
KERNEL = "[kernel"
OTHERS = "all others"
RECORD = ("perf", "record", "--quiet", "--event", "cpu-clock", "--freq", "3999")
REPORT = ("perf", "report", "--stdio", "--quiet", "--no-children", "--call-graph", "none",
          "--sort", "dso,symbol", "--fields", "sample,dso,symbol", "--field-separator", "\t")
WINDOW = ("--warm-up-ms", "100", "--window-ms", "1500")
ROUNDS = 5
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


def short(function):
    """A function's name without what it is given and where it lies."""
    name = function.split("(")[0] if not function.startswith("(") else function
    return name.replace("|", "\\|")


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
    most = sorted(keys, key=lambda key: difference(key, costs.values()), reverse=True)[:ROWS]
    for thing, function in most:
        where = "" if place_of(thing) == "kernel" else f" ({thing})"
        name = function if function == OTHERS else f"`{short(function)}`"
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
        lines += [f"## {case['case']}", "",
                  "| | " + " | ".join(contenders.BY_NAME[name].title for name in names) + " |",
                  "|---" * (len(names) + 1) + "|",
                  "| **all of it** | " + " | ".join(f"{case['cost'][name]:.4g}" for name in names) + " |"]
        lines += ["| " + " | ".join([row[0], *[f"{cost:.3g}" for cost in row[1:]]]) + " |" for row in rows_of(case)]
        lines += [""]
    return "\n".join(lines)


class Profile(Measurement):
    """A measurement whose servers are watched by perf."""

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

    def serve_and_load(self, case, command, places, reader):
        data = os.path.join(places["dir"], "perf.data")
        with Server(command, self.pinning.server, places["dir"]) as server:
            server.wait_until_it_listens()
            with subprocess.Popen([*RECORD, "--output", data, "--pid", str(server.process.pid)],
                                  stderr=subprocess.DEVNULL) as recorder:
                report = run_load(self.load_command(case, server, places), self.pinning.load)
                reader.close()
                server.stop()
            if recorder.returncode != 0:
                raise RunFailed("perf record failed; it may need kernel.perf_event_paranoid at 1 or less")
        said = subprocess.run([*REPORT, "--input", data], capture_output=True, text=True, check=False)
        report["samples"] = samples_of(said.stdout)
        return report


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="bench/profile", description="Says which functions take a server's time, beside those of the limit.",
        epilog="It needs perf, which is in Debian's package linux-perf.")
    parser.add_argument("--workload", metavar="NAME", required=True,
                        choices=[one.name for one in workloads.ALL if not one.micro], help="see bench/run --list")
    parser.add_argument("--case", metavar="LABEL", action="append", default=[],
                        help="one of its cases, as the summary names it; may be repeated; default: all of them")
    parser.add_argument("--contenders", metavar="A,B", default=["epoll", "sluice"],
                        type=main.names_of(contenders.BY_NAME, "contender"), help="default: epoll,sluice")
    parser.add_argument("--repeat", metavar="N", type=main.positive, default=ROUNDS, help=f"rounds; default: {ROUNDS}")
    parser.add_argument("--results", metavar="DIR", type=pathlib.Path,
                        help="write NAME.json and NAME.md there instead of printing the tables")
    parser.add_argument("--bin", metavar="DIR", type=pathlib.Path, default=ROOT / "build/bench/bin",
                        help="where the built programs are; default: build/bench/bin")
    return parser.parse_args(arguments)


def selected(workload, labels):
    """The workload with the named cases alone and a window that is long enough for samples."""
    known = {case.label: case for case in workload.cases}
    for label in labels:
        if label not in known:
            raise RunFailed(f"{workload.name} has no case {label!r}; there are {', '.join(known)}")
    cases = tuple(known[label] for label in labels) or workload.cases
    return dataclasses.replace(workload, cases=cases, window=WINDOW)


def run(arguments):
    settings = parse(arguments)
    settings.tiny = False
    if shutil.which("perf") is None:
        print("bench/profile: there is no perf; Debian has it in linux-perf", file=sys.stderr)
        return 1
    progress = Progress()
    try:
        workload = selected(workloads.BY_NAME[settings.workload], settings.case)
        heading = document.heading(settings.bin, ROOT, settings.contenders)
        heading["measured"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        with tempfile.TemporaryDirectory(prefix="sluice-profile-") as work:
            result = Profile(workload, settings.contenders, settings.bin, work, settings, progress).run()
    except RunFailed as problem:
        print(f"bench/profile: {problem}", file=sys.stderr)
        return 1
    finally:
        progress.clear()
    one = document.with_results(heading, [result])
    if settings.results:
        document.write(settings.results / f"{workload.name}.json", one)
        (settings.results / f"{workload.name}.md").write_text(text_of(one), encoding="utf-8")
    else:
        print(text_of(one))
    for failure in result["failures"]:
        print(f"FAILED {failure['case']}, {failure['contender']}: {failure['what']}", file=sys.stderr)
    return 1 if result["failures"] else 0
