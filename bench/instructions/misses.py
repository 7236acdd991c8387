#!/usr/bin/env python3
"""Counts what a message misses in the caches and which of its branches are mispredicted, by callgrind's model.

usage: misses.py PROGRAM [--update] [--only NAME]

PROGRAM is bench_instructions. The caches are those of the model and not of a machine, so that the counts are the same
each time; --update writes misses.json. Nothing is compared: where memory lies decides on the misses as well.
"""
import argparse
import json
import pathlib
import sys

import callgrind
import count

TABLE = pathlib.Path(__file__).with_name("misses.json")
# Bytes, ways and bytes of a line.
CACHES = {"I1": "32768,8,64", "D1": "32768,8,64", "LL": "8388608,16,64"}
OPTIONS = ("--cache-sim=yes", "--branch-sim=yes", *(f"--{name}={shape}" for name, shape in CACHES.items()))
COLUMNS = {
    "instructions": ("Ir",),
    "data accesses": ("Dr", "Dw"),
    "data, first cache missed": ("D1mr", "D1mw"),
    "instructions, first cache missed": ("I1mr",),
    "last cache missed": ("DLmr", "DLmw", "ILmr"),
    "branches": ("Bc", "Bi"),
    "mispredicted": ("Bcm", "Bim"),
}


def row_of(totals, messages):
    return {column: round(sum(totals[event] for event in events) / messages, 3) for column, events in COLUMNS.items()}


def main():
    parser = argparse.ArgumentParser(description="counts the misses of a message")
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--update", action="store_true", help="write the table")
    parser.add_argument("--only", choices=count.WORKLOADS, metavar="NAME", help="one workload of the table")
    arguments = parser.parse_args()
    if arguments.update and arguments.only:
        parser.error("the table is written as a whole")
    rows = {}
    for name, workload in count.WORKLOADS.items():
        if arguments.only in (None, name):
            text = count.counted(arguments.program.resolve(), workload, OPTIONS)
            rows[name] = row_of(callgrind.totals(text), workload.messages)
    count.show(rows, {})
    if arguments.update:
        content = {"caches": CACHES, "per message": rows}
        TABLE.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
