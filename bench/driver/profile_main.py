"""The command line of bench/profile."""
import argparse
import dataclasses
import pathlib
import shutil
import sys
import tempfile

from . import contenders, document, main, profile, workloads
from .processes import RunFailed

PROGRAM = "bench/profile"
RESULTS = main.RESULTS / "profiles"


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Says which functions take a server's time, beside those of the limit.",
        epilog="It needs perf, which is in Debian's package linux-perf.")
    parser.add_argument("--workload", metavar="NAME", choices=profile.WORKLOADS,
                        help="one of " + ", ".join(profile.WORKLOADS))
    parser.add_argument("--case", metavar="LABEL", action="append", default=[],
                        help="one of its cases, as the summary names it; may be repeated; default: all of them")
    parser.add_argument("--contenders", metavar="A,B", default=["epoll", "sluice"],
                        type=main.names_of(contenders.BY_NAME, "contender"), help="default: epoll,sluice")
    parser.add_argument("--repeat", metavar="N", type=main.positive, default=profile.ROUNDS,
                        help=f"rounds; default: {profile.ROUNDS}")
    parser.add_argument("--results", metavar="DIR", type=pathlib.Path,
                        help="write NAME.json and NAME.md there instead of printing the tables")
    main.add_bin(parser)
    parser.add_argument("--render", action="store_true",
                        help="measure nothing; make the pages again from the files of --results, which is"
                             " bench/results/profiles then if it is not given")
    parser.set_defaults(tiny=False)
    settings = parser.parse_args(arguments)
    if not settings.workload and not settings.render:
        parser.error("--workload or --render is needed")
    return settings


def selected(workload, labels):
    """The workload with the named cases alone and the window of a profile."""
    known = {case.label: case for case in workload.cases}
    for label in labels:
        if label not in known:
            raise RunFailed(f"{workload.name} has no case {label!r}; there are {', '.join(known)}")
    cases = tuple(known[label] for label in labels) or workload.cases
    return dataclasses.replace(workload, cases=cases, window=profile.WINDOW)


def render_folder(folder):
    for path in sorted(folder.glob("*.json")):
        path.with_suffix(".md").write_text(profile.text_of(document.read(path)), encoding="utf-8")


def measured(settings, progress):
    """Measures what the settings say, and keeps it or prints it; returns the exit status."""
    workload = selected(workloads.BY_NAME[settings.workload], settings.case)
    heading = document.dated(document.heading(settings.bin, main.ROOT, settings.contenders))
    with tempfile.TemporaryDirectory(prefix="sluice-profile-") as work:
        result = profile.Profile(workload, settings.contenders, settings.bin, work, settings, progress).run()
    progress.clear()
    main.say_failures(result)
    if not any(case["costs"] for case in result["cases"]):
        raise RunFailed(f"nothing was measured for {workload.name}")
    one = document.with_results(heading, [result])
    if settings.results:
        document.write(settings.results / f"{workload.name}.json", one)
        render_folder(settings.results)
    else:
        print(profile.text_of(one))
    return 1 if result["failures"] else 0


def run(arguments):
    settings = parse(arguments)
    if settings.render:
        render_folder(settings.results or RESULTS)
        return 0
    if shutil.which("perf") is None:
        print(f"{PROGRAM}: there is no perf; Debian has it in linux-perf", file=sys.stderr)
        return 1
    if not main.is_built(PROGRAM, settings.bin):
        return 1
    return main.carried_out(PROGRAM, lambda progress: measured(settings, progress))
