#!/usr/bin/env python3
"""Checks that the deliberate differences from asyncio are the same wherever they are written down.

usage: check_differences.py ROOT

docs/contract.md marks them, docs/asyncio-differences.md explains them, and each difference that the
oracle's table knows of every CPython is one of them. One line, file:line: what, per offence.
"""
import ast
import pathlib
import re
import sys

CONTRACT = "docs/contract.md"
LIST = "docs/asyncio-differences.md"
ORACLE = "tests/oracle/differences.py"

ENTRY = re.compile(r"- \*\*([WTQP]-\d+)\*\* ")
MARK = "*≠ asyncio: "


def entries(root, path, offences):
    """{clause: (line number, line)} of a page of rules."""
    found = {}
    for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), 1):
        entry = ENTRY.match(line)
        if entry is None:
            if MARK in line:
                offences.append(f"{path}:{number}: a difference that belongs to no clause")
        elif entry.group(1) in found:
            offences.append(f"{path}:{number}: {entry.group(1)} is there twice")
        else:
            found[entry.group(1)] = number, line
    return found


def oracle_clauses(root):
    """(clause, line number) of each difference that is not bound to some versions of CPython."""
    for node in ast.walk(ast.parse((root / ORACLE).read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "Difference":
            continue
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        if not any(name.startswith(("BEFORE_", "SINCE_")) for name in names):
            yield node.args[0].value, node.lineno


def check(root):
    offences = []
    contract = entries(root, CONTRACT, offences)
    listed = entries(root, LIST, offences)
    marked = {clause: place for clause, place in contract.items() if MARK in place[1]}
    for clause in marked.keys() - listed.keys():
        offences.append(f"{CONTRACT}:{marked[clause][0]}: {clause} is marked, but not in {LIST}")
    for clause in listed.keys() - marked.keys():
        why = "is not marked" if clause in contract else "does not exist"
        offences.append(f"{LIST}:{listed[clause][0]}: {clause} {why} in {CONTRACT}")
    if (root / ORACLE).exists():
        for clause, number in oracle_clauses(root):
            if clause not in marked:
                offences.append(f"{ORACLE}:{number}: {clause} is not marked in {CONTRACT}")
    if not marked:
        offences.append(f"{CONTRACT}:1: no difference is marked at all")
    return sorted(offences)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: check_differences.py ROOT")
    offences = check(pathlib.Path(sys.argv[1]))
    for offence in offences:
        print(offence)
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
