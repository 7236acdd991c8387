#!/usr/bin/env python3
"""Counts the user-space instructions of a message, by callgrind.

usage: count.py PROGRAM [--check | --update] [--functions N] [--only NAME]

PROGRAM is bench_instructions. Without options the counts are shown beside those of table.json.
--check fails when one has grown by more than 5 %, when a write() costs more than its bound, or when a deep queue
costs more than a shallow one; --update writes the table.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import callgrind

TABLE = pathlib.Path(__file__).with_name("table.json")
MAY_GROW = 0.05
# Whatever the compiler: what it compiles makes the same calls.
CALLS = ("allocations per message", "system calls per message")
# The goal for a write() that is not alone: to the instruction, not but for 5 %.
BOUND_OF_WRITE = 60
BOUNDED = ("replies, depth 16", "replies, depth 64", "replies, depth 256")
# A queue that is a hundred times as deep may take so much more for each message.
MAY_GROW_WITH_DEPTH = 0.10
DEEP = ("deep, 1,000 writes", "deep, 10,000 writes", "deep, 100,000 writes")


@dataclasses.dataclass(frozen=True)
class Workload:
    kind: str
    depth: int
    messages: int = 4096
    connections: int = 1

    def arguments(self):
        return (self.kind, "--depth", str(self.depth), "--connections", str(self.connections),
                "--messages", str(self.messages))


WORKLOADS = {
    "replies, depth 1": Workload("replies", 1),
    "replies, depth 16": Workload("replies", 16),
    "replies, depth 64": Workload("replies", 64),
    "replies, depth 256": Workload("replies", 256),
    "echo, 1 KiB": Workload("echo", 1),
    "echo, 1 KiB × 250": Workload("echo", 1, 4000, 250),
    "echo, 1 KiB × 250, coroutines": Workload("echo-coroutines", 1, 4000, 250),
    "deep, 1,000 writes": Workload("deep", 1000, 10_000),
    "deep, 10,000 writes": Workload("deep", 10_000, 20_000),
    "deep, 100,000 writes": Workload("deep", 100_000, 100_000),
}

# The C library has several ways to copy memory and picks one by the processor, and looks functions
# up when they are first called: both would make the counts those of one machine.
ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-SSSE3",
    "LD_BIND_NOW": "1",
    "VALGRIND_OPTS": "",
}

WRITE = r"::write_message\("
FLUSH = r"::WriteSide::(flush|flush_what_is_due)\("
ALLOCATION = r"^(malloc|calloc|realloc|aligned_alloc|posix_memalign)$"
SEND = r"^(send|sendmsg)$"
SYSTEM_CALL = r"^(recv|send|sendmsg|epoll_wait|epoll_ctl|read|write|writev)$"


def counted(program, workload, options=()):
    """What callgrind writes of one workload."""
    command = [str(program), *workload.arguments()]
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "counts")
        run = subprocess.run(
            ["valgrind", *callgrind.OPTIONS, *options, f"--callgrind-out-file={out}", *command],
            env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            sys.exit(f"count: {' '.join(command)}:\n{run.stderr}")
        # The program asks for a file when the counted messages are through, and names it.
        for part in pathlib.Path(folder).iterdir():
            text = part.read_text(encoding="utf-8")
            if re.search(r"^desc: Trigger: Client Request: counted$", text, re.MULTILINE):
                return text
        sys.exit(f"count: {' '.join(command)} had nothing counted")


def figures(name, counts):
    """The row of the table."""
    messages = WORKLOADS[name].messages
    writes = counts.calls(WRITE)
    if writes.count != messages:
        sys.exit(f"count: {name}: {writes.count} calls of write() for {messages} messages")
    # A flush that finds nothing to send is part of the price of those that do. Some compilers leave
    # no function of that name.
    flushes, sent = counts.calls(FLUSH), counts.calls(SEND)
    row = {
        "per message": counts.total() / messages,
        "per write()": writes.each(),
        "per flush": flushes.instructions / sent.count if flushes.count > 0 else None,
        "allocations per message": counts.calls(ALLOCATION).count / messages,
        "system calls per message": counts.calls(SYSTEM_CALL).count / messages,
    }
    return {column: value and round(value, 4) for column, value in row.items()}


def show(rows, known):
    width = max(len(name) for name in rows)
    widths = {column: max(26, len(column)) for column in next(iter(rows.values()))}
    print(" " * width, *(f"{column:>{widths[column]}}" for column in widths))
    for name, row in rows.items():
        cells = []
        for column, value in row.items():
            before = known.get(name, {}).get(column, value)
            cells.append(f"{value}" if value == before else f"{value} (was {before})")
        print(f"{name:{width}}", *(f"{cell:>{room}}" for cell, room in zip(cells, widths.values())))


def show_functions(name, counts, most):
    print(f"\n{name}: instructions per message in each function itself")
    for function, own in counts.own.most_common(most):
        print(f"{own / WORKLOADS[name].messages:10.2f}  {function}")


def of_calls(rows):
    """The rows without what depends on the compiler and on the C library."""
    return {name: {column: row[column] for column in CALLS if column in row} for name, row in rows.items()}


def above_bound(rows):
    """The writes that cost more than they may, in words."""
    for name in BOUNDED:
        value = rows.get(name, {}).get("per write()")
        if value is not None and value > BOUND_OF_WRITE:
            yield f"{name}, per write(): {value} is above the bound of {BOUND_OF_WRITE}"


def offences(rows, known, comparable):
    """All that the check finds fault with, in words: growth where the table is of this compiler, the bounds always."""
    return [*grown(rows if comparable else of_calls(rows), known), *above_bound(rows), *not_constant(rows)]


def not_constant(rows):
    """Whether a message costs more where the queue is deeper, in words."""
    costs = {name: rows[name]["per message"] for name in DEEP if name in rows}
    if costs and max(costs.values()) > min(costs.values()) * (1 + MAY_GROW_WITH_DEPTH):
        yield f"per message, not the same at every depth: {costs}"


def grown(rows, known):
    """What has become more than it may, in words."""
    for name, row in rows.items():
        for column, value in row.items():
            before = known.get(name, {}).get(column)
            if value is None:
                yield f"{name}, {column}: no such call; was a function renamed?"
            elif before is None:
                yield f"{name}, {column}: not in the table"
            elif value > before * (1 + MAY_GROW):
                yield f"{name}, {column}: {before} has become {value}"


def main():
    parser = argparse.ArgumentParser(description="counts the instructions of a message")
    parser.add_argument("program", type=pathlib.Path)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true",
                        help="fail when a count has grown by 5 %%, or a write() is above its bound")
    action.add_argument("--update", action="store_true", help="write the table")
    parser.add_argument("--only", choices=WORKLOADS, metavar="NAME", help="one workload of the table")
    parser.add_argument("--functions", type=int, metavar="N",
                        help="also show the N functions that take most")
    arguments = parser.parse_args()
    if arguments.update and arguments.only:
        parser.error("the table is written as a whole")

    program = arguments.program.resolve()
    about = json.loads(subprocess.check_output([program, "about"], text=True))
    counts = {name: callgrind.Counts(counted(program, workload)) for name, workload in WORKLOADS.items()
              if arguments.only in (None, name)}
    rows = {name: figures(name, each) for name, each in counts.items()}
    table = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    comparable = table.get("counted_with") == about
    known = table.get("counts", {})
    if not comparable:
        known = of_calls(known)
    show(rows, known)
    if arguments.functions:
        for name, each in counts.items():
            show_functions(name, each, arguments.functions)
    if arguments.update:
        new = {"counted_with": about, "counts": rows}
        TABLE.write_text(json.dumps(new, indent=2) + "\n", encoding="utf-8")
        return 0
    if not comparable:
        print(f"Of the table only allocations and system calls are compared: it was counted with"
              f" {table.get('counted_with')}, this is {about}.")
    if arguments.check:
        found = offences(rows, known, comparable)
        print(*found, sep="\n", end="\n" if found else "")
        return 1 if found else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
