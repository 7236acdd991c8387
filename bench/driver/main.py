"""The command lines of bench/run and bench/growth."""
import argparse
import dataclasses
import os
import pathlib
import signal
import sys
import tempfile
import time

from . import contenders, document, micro, render, workloads
from .measure import Measurement
from .processes import RunFailed
from .progress import Progress

ROOT = contenders.BENCH.parent
RESULTS = contenders.BENCH / "results"


@dataclasses.dataclass(frozen=True)
class Preset:
    """What one of the two commands measures if it is not told."""
    program: str
    description: str
    workloads: tuple
    contenders: tuple


RUN = Preset("bench/run", "Measures Sluice, a server by hand on epoll, which is the limit, and its peers.",
             tuple(one.name for one in workloads.ALL if one.by_default),
             tuple(one.name for one in contenders.ALL))
GROWTH = Preset("bench/growth", "Measures how the cost of a message grows with connections, sizes and depth.",
                tuple(one.name for one in workloads.ALL if not one.by_default), ("epoll", "sluice"))


def names_of(known, what):
    """A parser of 'a,b' that knows the names."""
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"there is no {what} {name!r}; there are {', '.join(known)}")
        return names
    return parse


def positive(text):
    """A whole number from the command line; throws what argparse tells in its own words."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def add_bin(parser):
    parser.add_argument("--bin", metavar="DIR", type=pathlib.Path, default=ROOT / "build/bench/bin",
                        help="where the built programs are; default: build/bench/bin")


def parse(arguments, preset):
    parser = argparse.ArgumentParser(
        prog=preset.program, description=preset.description,
        epilog="The exit status is 1 if a contender failed or delivered other bytes than the others, if a workload "
               "has no figure at all, or if one that was required is absent.")
    parser.add_argument("--workload", metavar="NAME[,NAME]", default=list(preset.workloads),
                        type=names_of(workloads.BY_NAME, "workload"), help="default: all of them")
    parser.add_argument("--contenders", metavar="A,B", default=list(preset.contenders),
                        type=names_of(contenders.BY_NAME, "contender"),
                        help=f"default: {', '.join(preset.contenders)}")
    parser.add_argument("--require", metavar="A,B", default=[],
                        type=names_of(contenders.BY_NAME, "contender"),
                        help="fail if one of these is absent where it should take part")
    parser.add_argument("--repeat", metavar="N", type=positive,
                        help="this many rounds for every contender")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="all results, in one file; its folder is made")
    parser.add_argument("--results", metavar="DIR", type=pathlib.Path,
                        help="a file for each workload, with its chart, and summary.md for all files there")
    parser.add_argument("--tiny", action="store_true",
                        help="only see that everything works: the figures say nothing")
    add_bin(parser)
    parser.add_argument("--render", action="store_true",
                        help="measure nothing; make summary.md and the charts again from the files of --results,"
                             " which is bench/results then if it is not given")
    parser.add_argument("--list", action="store_true", help="say which workloads and contenders there are")
    return parser.parse_args(arguments)


def measure_one(workload, settings, progress):
    if workload.micro:
        return micro.measure(workload, settings.bin, settings, progress)
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as work:
        return Measurement(workload, settings.contenders, settings.bin, work, settings, progress).run()


def measure_all(settings, progress):
    """Measures one workload after the other and keeps each as soon as it is there."""
    documents = []
    common = document.heading(settings.bin, settings.contenders)
    for name in settings.workload:
        started = time.monotonic()
        heading = document.dated(common)
        result = measure_one(workloads.BY_NAME[name], settings, progress)
        result["seconds"] = round(time.monotonic() - started, 1)
        progress.clear()
        documents.append(document.with_results(heading, [result]))
        if settings.results:
            document.write(settings.results / f"{name}.json", documents[-1])
        else:
            print(render.workload_text(documents[-1], result))
        say_failures(result)
    return documents


def say_failures(result):
    for failure in result["failures"]:
        print(f"FAILED {result['workload']}, {failure['case']}, round {failure['round']}, {failure['contender']}: "
              f"{failure['what']}", file=sys.stderr)


def nothing_was_measured(documents):
    """Workloads without a single figure: nobody who could deliver one is there."""
    return [result["workload"] for one in documents for result in one["results"]
            if not any(runs for case in result["cases"] for runs in case["rounds"])]


def missing(documents, required):
    """Required contenders that are absent, each with its workload and the reason."""
    return [f"{result['workload']}: {name} is absent: {result['absent'][name]}"
            for one in documents for result in one["results"] for name in required if name in result["absent"]]


def list_all(preset):
    for workload in workloads.ALL:
        if workload.name in preset.workloads:
            print(f"{workload.name:20} {workload.goal:6} {len(workload.cases) or 'its own':>7} cases  {workload.title}")
    for contender in contenders.ALL:
        print(f"{contender.name:20} {contender.title}")
    return 0


def is_built(program, folder):
    """Whether the programs are there; says how to make them if they are not."""
    if (folder / "bench_load").is_file():
        return True
    print(f"{program}: no bench_load in {folder}; scripts/build bench makes it", file=sys.stderr)
    return False


def carried_out(program, work):
    """The exit status that `work` returns, given a line for its progress; 1 if it fails or nobody reads what it says, 130
    if it is interrupted."""
    progress = Progress()
    # As an exception, which ends all that was started.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        status = work(progress)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Whoever read the output has seen enough; what is left of it must not fail at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except RunFailed as problem:
        progress.clear()
        print(f"{program}: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        progress.clear()
        return 130


def measured(settings, preset, progress):
    """Measures what the settings say and keeps it; returns the exit status."""
    documents = measure_all(settings, progress)
    if settings.json:
        document.write(settings.json, document.joined(documents))
    if settings.results:
        render.render_folder(settings.results)
    complaints = [f"nothing was measured for {name}" for name in nothing_was_measured(documents)]
    complaints += missing(documents, settings.require)
    for complaint in complaints:
        print(f"{preset.program}: {complaint}", file=sys.stderr)
    failed = any(result["failures"] for one in documents for result in one["results"])
    return 1 if failed or complaints else 0


def rendered(render_folder, folder):
    """Makes the pages of a folder again; throws RunFailed where there is nothing to make them from."""
    if not any(folder.glob("*.json")):
        raise RunFailed(f"no results in {folder}")
    render_folder(folder)
    return 0


def run(arguments, preset):
    settings = parse(arguments, preset)
    if settings.list:
        return carried_out(preset.program, lambda _: list_all(preset))
    if settings.render:
        return carried_out(preset.program, lambda _: rendered(render.render_folder, settings.results or RESULTS))
    if not is_built(preset.program, settings.bin):
        return 1
    return carried_out(preset.program, lambda progress: measured(settings, preset, progress))
