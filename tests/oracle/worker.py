"""Runs scenarios for the oracle: reads batches from standard input, writes traces to standard output.

A request is one line, 'CLAUSES<tab>SCENARIO'; an empty line ends a batch. A reply is the trace, a line
each, and a line '.CLAUSE CLAUSE...' with the amendments that changed something.
"""
import gc
import sys
import warnings

import differences
from cpython_side import run_scenario


def read_batch(lines):
    batch = []
    for line in lines:
        if line == "\n":
            return batch
        batch.append(line.rstrip("\n").split("\t"))
    return None


def run_batch(batch, write):
    for clauses, scenario in batch:
        differences.fired.clear()
        trace = run_scenario(scenario, differences.transport_classes(clauses))
        write("\n".join(trace))
        write("\n." + " ".join(differences.fired_in_order()) + "\n")


def main():
    warnings.simplefilter("ignore")
    gc.disable()
    write = sys.stdout.write
    write(f"{sys.version.split()[0]}\n")
    for entry in differences.applicable():
        write(f"{entry.clause}\t{entry.sentence}\n")
    write(".\n")
    sys.stdout.flush()
    while (batch := read_batch(sys.stdin)) is not None:
        run_batch(batch, write)
        sys.stdout.flush()
        gc.collect()


if __name__ == "__main__":
    main()
