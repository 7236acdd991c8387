"""Single functions of the loop, measured by programs on Google Benchmark, into results like all others."""
import json
import os
import subprocess

from . import figures, machine
from .contenders import BENCH
from .processes import RunFailed

PREFIX = "bench_micro_"
PROGRAM_ENDS_WITHIN_S = 900


def programs(folder):
    return sorted(path for path in folder.glob(PREFIX + "*") if path.is_file())


def absent(found):
    """Who is not built, with the reason: all programs, or those that the sources would make and that are not there."""
    if not found:
        return {"sluice": "no micro benchmark is built (it needs libbenchmark-dev)"}
    topics = {path.stem for path in BENCH.glob("micro_*.cpp") if not path.stem.endswith("_libuv")}
    missing = {f"bench_{topic}" for topic in topics} - {path.name for path in found}
    return {name: "it is not built: scripts/build bench does it" for name in sorted(missing)}


def run_program(path, repetitions, tiny):
    """The single runs of all benchmarks of a program, in no fixed order, so that all meet the same noise."""
    command = [str(path), "--benchmark_format=json", f"--benchmark_repetitions={repetitions}"]
    command += ["--benchmark_min_time=0.001"] if tiny else \
        ["--benchmark_min_time=0.1",
                                                                "--benchmark_enable_random_interleaving=true"]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=PROGRAM_ENDS_WITHIN_S)
        runs = json.loads(done.stdout)["benchmarks"]
    except (OSError, subprocess.SubprocessError, ValueError) as problem:
        raise RunFailed(f"{path.name}: {problem}") from problem
    return [run for run in runs if run.get("run_type") == "iteration"]


def cost_of(run):
    """Nanoseconds for each item; where a second thread takes part, of real time and not of one thread's."""
    if run.get("error_occurred"):
        raise RunFailed(f"{run['name']}: {run.get('error_message')}")
    of_threads = "real_time" in run["run_name"].split("/")
    return run["real_time" if of_threads else "cpu_time"] * {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[run["time_unit"]]


def label_of(name):
    """The case and the contender of a name, which is topic/contender/arguments."""
    topic, contender, *arguments = name.split("/")
    return "/".join([topic, *[word for word in arguments if word not in ("real_time", "process_time")]]), contender


def cases_of(runs):
    """A case for each topic and its arguments; each repetition is a round."""
    cases = {}
    for run in runs:
        label, contender = label_of(run["run_name"])
        rounds = cases.setdefault(label, {})
        report = {"cpu_ns_per_message": cost_of(run), "iterations": run["iterations"]}
        rounds.setdefault(run["repetition_index"], {})[contender] = report
    return [{"case": label, "x": 0, "load": [], "server": [],
             "rounds": [rounds[index] for index in sorted(rounds)]} for label, rounds in cases.items()]


def measure(workload, folder, settings, progress):
    """The result of all programs that are built."""
    average, cases, failures, found = machine.load_average(), [], [], programs(folder)
    for path in found:
        progress.show(f"{workload.name}: {path.name}")
        try:
            runs = run_program(path, settings.repeat or (1 if settings.tiny else workload.rounds), settings.tiny)
            cases += cases_of(runs)
        except RunFailed as problem:
            failures.append({"contender": "sluice", "case": path.name, "round": 1, "what": str(problem)})
    for case in cases:
        case["summary"] = figures.summary_of(case, workload.figures)
    return {"workload": workload.name, "goal": workload.goal, "tiny": settings.tiny, "pinning": "not pinned",
            "cores": len(os.sched_getaffinity(0)), "load_average_before": average, "absent": absent(found),
            "failures": failures, "cases": cases}
