"""The command line of bench/profile."""
import argparse
import dataclasses
import pathlib
import shutil
import sys
import tempfile
import types

from . import contenders, document, main, memory_profile, micro_profile, profile, workloads
from .processes import RunFailed

PROGRAM = "bench/profile"
RESULTS = main.RESULTS / "profiles"


@dataclasses.dataclass(frozen=True)
class Kind:
    """What is profiled: the module that does it, by a program of a Debian package, and the names of its files."""
    module: types.ModuleType
    measurement: type
    program: str
    package: str
    rounds: int
    suffix: str


KINDS = {"time": Kind(profile, profile.Profile, "perf", "linux-perf", profile.ROUNDS, ""),
         # It counts, so once is enough.
         "memory": Kind(memory_profile, memory_profile.MemoryProfile, "valgrind", "valgrind", 1, "_memory")}


def parser_of_arguments():
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Says which functions take a server's time, or the memory of its connections, beside those of"
                    " the limit.",
        epilog="It needs perf, which is in Debian's package linux-perf, or valgrind.")
    parser.add_argument("--workload", metavar="NAME",
                        help=f"one of {', '.join(profile.WORKLOADS)}; with --memory one of "
                             f"{', '.join(memory_profile.WORKLOADS)}")
    parser.add_argument("--memory", dest="kind", action="store_const", const="memory", default="time",
                        help="memory of a connection instead of time")
    parser.add_argument("--case", metavar="LABEL", action="append", default=[],
                        help="one of its cases, as the summary names it; may be repeated; default: all of them")
    parser.add_argument("--contenders", metavar="A,B", default=["epoll", "sluice"],
                        type=main.names_of(contenders.BY_NAME, "contender"), help="default: epoll,sluice")
    parser.add_argument("--repeat", metavar="N", type=main.positive,
                        help=f"rounds; default: {profile.ROUNDS}; memory is counted once")
    parser.add_argument("--results", metavar="DIR", type=pathlib.Path,
                        help="write NAME.json and NAME.md there instead of printing the tables, or NAME_memory of both")
    main.add_bin(parser)
    parser.add_argument("--render", action="store_true",
                        help="measure nothing; make the pages again from the files of --results, which is"
                             " bench/results/profiles then if it is not given")
    parser.set_defaults(tiny=False)
    return parser


def parse(arguments):
    parser = parser_of_arguments()
    settings = parser.parse_args(arguments)
    kind = KINDS[settings.kind]
    if settings.render:
        return settings
    if not settings.workload:
        parser.error("--workload or --render is needed")
    if settings.workload not in kind.module.WORKLOADS:
        parser.error(f"no profile of {settings.kind} for {settings.workload!r}; there are "
                     f"{', '.join(kind.module.WORKLOADS)}")
    if settings.kind == "memory":
        refuse_what_has_no_memory_profile(parser, settings)
    settings.repeat = settings.repeat or kind.rounds
    return settings


def refuse_what_has_no_memory_profile(parser, settings):
    if settings.repeat:
        parser.error("--repeat is for time; memory is counted once")
    for name in settings.contenders:
        if not contenders.BY_NAME[name].program:
            parser.error(f"{name} is run by an interpreter, which has a heap of its own")


def selected(workload, labels):
    """The workload with the named cases alone and the window of a profile."""
    known = {case.label: case for case in workload.cases}
    for label in labels:
        if label not in known:
            raise RunFailed(f"{workload.name} has no case {label!r}; there are {', '.join(known)}")
    cases = tuple(known[label] for label in labels) or workload.cases
    return dataclasses.replace(workload, cases=cases, window=profile.WINDOW)


def text_of(one):
    """The page of a document, of whichever kind it is."""
    return KINDS[one["results"][0].get("profile", "time")].module.text_of(one)


def render_folder(folder):
    for path in sorted(folder.glob("*.json")):
        path.with_suffix(".md").write_text(text_of(document.read(path)), encoding="utf-8")


def measured(settings, progress):
    """Measures what the settings say, and keeps it or prints it; returns the exit status."""
    kind = KINDS[settings.kind]
    workload = workloads.BY_NAME[settings.workload]
    if not workload.micro:
        workload = selected(workload, settings.case)
    heading = document.dated(document.heading(settings.bin, settings.contenders))
    with tempfile.TemporaryDirectory(prefix="sluice-profile-") as work:
        result = micro_profile.measure(workload, settings.case, settings.bin, work, settings.repeat, progress) \
            if workload.micro else kind.measurement(workload, settings.contenders, settings.bin, work, settings, progress).run()
    progress.clear()
    main.say_failures(result)
    if not any(case.get("costs") or case.get("memory") for case in result["cases"]):
        raise RunFailed(f"nothing was measured for {workload.name}")
    one = document.with_results(heading, [result])
    if settings.results:
        document.write(settings.results / f"{workload.name}{kind.suffix}.json", one)
        render_folder(settings.results)
    else:
        print(text_of(one))
    return 1 if result["failures"] else 0


def run(arguments):
    settings = parse(arguments)
    if settings.render:
        return main.carried_out(PROGRAM, lambda _: main.rendered(render_folder, settings.results or RESULTS))
    kind = KINDS[settings.kind]
    if shutil.which(kind.program) is None:
        print(f"{PROGRAM}: there is no {kind.program}; Debian has it in {kind.package}", file=sys.stderr)
        return 1
    if not main.is_built(PROGRAM, settings.bin):
        return 1
    return main.carried_out(PROGRAM, lambda progress: measured(settings, progress))
