"""The command line of bench/trial."""
import argparse
import pathlib

from . import contenders, document, main, trial, trials

PROGRAM = "bench/trial"
RESULTS = main.RESULTS / "trials"
WORK = main.ROOT / "build/trial"


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Measures the library beside itself with one thing changed: " +
                    "; ".join(f"{one.name}, {one.title[0].lower()}{one.title[1:]}" for one in trials.ALL) + ".",
        epilog="Each change is built in build/trial, from this checkout as it stands.")
    parser.add_argument("trials", metavar="NAME", nargs="*", help="default: all of them")
    parser.add_argument("--repeat", metavar="N", type=main.positive, default=trial.ROUNDS,
                        help=f"rounds; default: {trial.ROUNDS}")
    parser.add_argument("--results", metavar="DIR", type=pathlib.Path,
                        help="write NAME.json and NAME.md there instead of printing the tables")
    main.add_bin(parser)
    parser.add_argument("--build-only", action="store_true", help="build what is to be measured, and no more")
    parser.add_argument("--render", action="store_true",
                        help="measure nothing; make the pages again from the files of --results, which is"
                             " bench/results/trials then if it is not given")
    settings = parser.parse_args(arguments)
    for name in settings.trials:
        if name not in trials.BY_NAME:
            parser.error(f"there is no trial {name!r}; there are {', '.join(trials.BY_NAME)}")
    return settings


def render_folder(folder):
    for path in sorted(folder.glob("*.json")):
        one = document.read(path)
        text = trial.text_of(one, trials.BY_NAME[one["results"][0]["trial"]])
        path.with_suffix(".md").write_text(text, encoding="utf-8")


def folders_of(one, settings, progress):
    """The programs of each change, after those that are compared with."""
    unchanged = WORK / "bin/unchanged"
    folders = {trial.AS_IT_IS: unchanged, trial.AGAIN: unchanged}
    folders |= {change.label: WORK / "bin" / one.name / change.label for change in one.changes}
    for change in (None, *one.changes):
        folder = folders[change.label if change else trial.AS_IT_IS]
        trial.programs_of(change, main.ROOT, WORK, folder, settings.bin, progress)
    return folders


def measured(settings, progress):
    for name in settings.trials or list(trials.BY_NAME):
        one = trials.BY_NAME[name]
        folders = folders_of(one, settings, progress)
        if settings.build_only:
            continue
        heading = document.dated(document.heading(settings.bin, [trial.CONTENDER]))
        found = document.with_results(heading, [trial.measure(one, folders, settings.repeat, progress)])
        progress.clear()
        if settings.results:
            document.write(settings.results / f"{name}.json", found)
            render_folder(settings.results)
        else:
            print(trial.text_of(found, one))
    progress.clear()
    return 0


def run(arguments):
    settings = parse(arguments)
    if settings.render:
        return main.carried_out(PROGRAM, lambda _: main.rendered(render_folder, settings.results or RESULTS))
    if not main.is_built(PROGRAM, settings.bin):
        return 1
    return main.carried_out(PROGRAM, lambda progress: measured(settings, progress))
