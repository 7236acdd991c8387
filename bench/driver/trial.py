"""Measures the library beside itself with one thing changed, in turns like contenders."""
import dataclasses
import filecmp
import hashlib
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import types

from . import contenders, workloads
from .figures import spread, with_spread
from .measure import Measurement
from .processes import Pinning, RunFailed
from .render import ratio, sentence, table

CONTENDER = "sluice"
PROGRAM = "bench_sluice"
AS_IT_IS = "as it is"
# The same program once more: how far from 1 its ratios are is what the machine does.
AGAIN = "as it is, again"
ROUNDS = 9
BUILT_FROM = ("CMakeLists.txt", "CMakePresets.json", "cmake", "include", "src", "bench/common", "bench/contenders")
NOT_COPIED = {"build", ".git", "results", "__pycache__"}


def same(first, second):
    return second.is_file() and filecmp.cmp(first, second, shallow=False)


def copy_of(root, tree):
    """Makes the tree what it takes to build. What is as before keeps its time, so that it need not be built again."""
    for copy in [path for path in tree.glob("*/**/*") if path.relative_to(tree).parts[0] not in NOT_COPIED]:
        if copy.is_file() and not (root / copy.relative_to(tree)).is_file():
            copy.unlink()
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in NOT_COPIED]
        place = tree / pathlib.Path(folder).relative_to(root)
        place.mkdir(parents=True, exist_ok=True)
        for name in files:
            source, copy = pathlib.Path(folder, name), place / name
            if not same(source, copy):
                shutil.copyfile(source, copy)
                shutil.copymode(source, copy)


def build(tree, log):
    with open(log, "w", encoding="utf-8") as file:
        run = subprocess.run(["scripts/build", "bench", PROGRAM], cwd=tree, stdout=file, stderr=file, check=False)
    if run.returncode != 0:
        raise RunFailed(f"the changed library does not build; {log} says why")


def digest_of(tree):
    """Of all that the program is built from."""
    found = hashlib.sha256()
    for name in BUILT_FROM:
        place = tree / name
        for path in sorted(path for path in (place, *place.rglob("*")) if path.is_file()):
            found.update(f"{path.relative_to(tree)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return found.hexdigest()


def programs_of(change, root, work, folder, programs, progress):
    """Makes the folder like `programs`, with the library in the program of ours changed, or as it is without a change."""
    tree, stamp = work / "tree", folder / "built_from"
    progress.show(f"building: {change.label if change else AS_IT_IS}")
    copy_of(root, tree)
    if change:
        (tree / change.file).write_text(change.applied(root), encoding="utf-8")
    digest = digest_of(tree)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return
    build(tree, work / "build.log")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for program in programs.glob("bench_*"):
        if program.name != PROGRAM:
            os.symlink(program, folder / program.name)
    shutil.copy2(tree / "build/bench/bin" / PROGRAM, folder)
    stamp.write_text(digest, encoding="utf-8")


class Comparison(Measurement):
    """A measurement whose contenders are folders with a program of ours, by what is changed in it."""

    def __init__(self, workload, case, folders, work, rounds, progress):
        settings = types.SimpleNamespace(repeat=rounds, tiny=False)
        super().__init__(workload, (), folders[AS_IT_IS], work, settings, progress)
        self.names, self.cases, self.folders = list(folders), (dataclasses.replace(case, contenders=()),), folders

    def command_of(self, name):
        return contenders.BY_NAME[CONTENDER].command(self.folders[name], self.workload.server_workload)


def case_of(name, label):
    workload = workloads.BY_NAME[name]
    return workload, next(case for case in workload.cases if case.label == label)


def measure(trial, folders, rounds, progress):
    """The result of a trial: for each case the costs of each round, by label of the change."""
    cases = []
    for name, label in trial.cases:
        workload, case = case_of(name, label)
        with tempfile.TemporaryDirectory(prefix="sluice-trial-") as work:
            result = Comparison(workload, case, folders, work, rounds, progress).run()
        if result["failures"]:
            raise RunFailed(f"{trial.name}, {name}, {label}: {result['failures']}")
        found = [{what: workload.main.of(report) for what, report in runs.items()}
                 for runs in result["cases"][0]["rounds"]]
        cases.append({"workload": name, "case": label, "rounds": found})
    return {"trial": trial.name, "pinning": Pinning().describe(), "rounds": rounds, "cases": cases}


def ratios(case, what):
    """Of a change to what is, in the same rounds."""
    return [costs[what] / costs[AS_IT_IS] for costs in case["rounds"]]


def row_of(case, labels):
    workload, _ = case_of(case["workload"], case["case"])
    cost = statistics.median(costs[AS_IT_IS] for costs in case["rounds"])
    return [f"{case['workload']}, {case['case']}", f"{cost:.3g} {workload.main.unit}",
            *[with_spread(spread(ratios(case, what)), ratio) for what in labels]]


def text_of(one, trial):
    """The page of one trial."""
    result = one["results"][0]
    labels = [AGAIN, *[change.label for change in trial.changes]]
    return "\n".join([
        f"# {trial.title}", "",
        f"Written by `bench/trial {trial.name}`. {trial.about} Server CPU as a ratio to that of the same round: median "
        f"(least..greatest) of {result['rounds']} rounds. {sentence(result['pinning'])}. Sluice {one['sluice']}.", "",
        *table(["", AS_IT_IS, *labels], [row_of(case, labels) for case in result["cases"]]), ""])
