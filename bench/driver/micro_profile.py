"""Where the time of a single function of the loop goes, beside that of its counterparts, by perf."""
import json
import os
import re
import statistics
import subprocess

from . import micro
from .processes import RunFailed
from .profile import RECORD, REPORT, costs_of, medians, samples_of, without_small

MIN_TIME = "0.5"


def benchmarks(folder):
    """(program, name of the benchmark) by case and contender."""
    found = {}
    for path in micro.programs(folder):
        said = subprocess.run([str(path), "--benchmark_list_tests"], capture_output=True, text=True, check=True)
        for name in said.stdout.splitlines():
            label, contender = micro.label_of(name)
            found.setdefault(label, {})[contender] = path, name
    return found


def run_once(path, name, folder):
    """What one callback costs, and the functions that took it."""
    data = os.path.join(folder, "perf.data")
    run = subprocess.run([*RECORD, "--output", data, "--", str(path), f"--benchmark_filter=^{re.escape(name)}$",
                          f"--benchmark_min_time={MIN_TIME}", "--benchmark_format=json"],
                         capture_output=True, text=True, check=False)
    try:
        cost = micro.cost_of(json.loads(run.stdout)["benchmarks"][0])
    except (ValueError, LookupError) as problem:
        raise RunFailed(f"{path.name}, {name}: {run.stderr.strip() or problem}") from problem
    said = subprocess.run([*REPORT, "--input", data], capture_output=True, text=True, check=False)
    return cost, costs_of(samples_of(said.stdout), cost)


def measure(workload, labels, folder, work, rounds, progress):
    """The result of a profile, with a case for each label."""
    known = benchmarks(folder)
    for label in labels:
        if label not in known:
            raise RunFailed(f"micro has no case {label!r}; there are {', '.join(known)}")
    cases = []
    for label in labels or known:
        runs = {name: [] for name in known[label]}
        for number in range(rounds):
            for name, (path, benchmark) in known[label].items():
                progress.show(f"micro, {label}: round {number + 1} of {rounds}, {name}")
                runs[name].append(run_once(path, benchmark, work))
        cost = {name: statistics.median(cost for cost, _ in found) for name, found in runs.items()}
        costs = {name: without_small(medians([costs for _, costs in found]), cost[name]) for name, found in runs.items()}
        cases.append({"case": label, "cost": cost, "rounds": rounds,
                      "costs": {name: {"\t".join(key): value for key, value in of_one.items()}
                                for name, of_one in costs.items()}})
    return {"workload": workload.name, "goal": workload.goal, "pinning": "not pinned",
            "failures": [], "rounds": rounds, "cases": cases}
