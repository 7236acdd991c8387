#!/usr/bin/env python3
"""Writes docs/conformance.md: which tests prove which clause of docs/contract.md, on which transport.

usage: make_conformance.py --root ROOT --results FOLDER [--run PROGRAM]... --output FILE [--check FILE]

The results are what test programs wrote with --gtest_output=json. A PROGRAM is asked for its tests, and
those that name a clause are run. A test names its clauses at the front of its name (W67_, T1_, Q5_) or,
as W-67, in the comment directly before it. The exit status is 1, and each reason is said on a line, when
a clause has no test, when a test of a clause failed, when a test names a clause that does not exist, or
when the file to check differs from what was written.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

# The kinds of transport, in the order of their columns; the names of tests end in _KIND_START_POLICY.
KINDS = ("tcp", "unix", "socketpair", "socket_pipe", "pipe", "fifo", "pty", "child_stdin", "file", "tls12", "tls13",
         "scripted_socket", "scripted_pipe", "datagram_udp", "datagram_unix", "datagram_scripted")
VARIANT = re.compile(r"/(%s)_(open|clogged)_(coalesce|immediate)$" % "|".join(KINDS))
CLAUSE_LINE = re.compile(r"- \*\*([WTQP])-(\d+)\*\*")
HEADING = re.compile(r"(#{2,3}) (.+)")
NAMED_IN_TEST = re.compile(r"([WTQP])(\d+)_")
NAMED_IN_COMMENT = re.compile(r"\b([WTQP])-(\d+)\b")
COMMENT = re.compile(r"\s*//")
# No program of ours takes nearly as long.
MOST_SECONDS = 100

HEAD = """# Conformance

Which tests prove which clause of [contract.md](contract.md), and how many of their cases passed on which
transport. This file is written by the test run (`make conformance`); the run fails when a clause has no
test, when a test fails, or when this file is not what the run would write.

Every transport is tested with an empty kernel buffer and *clogged*, with a full one that the peer does not
empty for the moment, and with both write policies, as far as the clause does not depend on them: so a test
has up to four cases on each transport. A dot stands where the clause is about other transports; *other*
counts the tests that are about no single one. `socket_pipe` is a write pipe on a socket; the scripted
transports run on a kernel in memory whose every answer the test decides.
"""


def clauses_of(text):
    """The headings and clauses of the contract, in order: ("heading", text) or ("clause", "W-6")."""
    items = []
    for line in text.splitlines():
        heading = HEADING.match(line)
        clause = CLAUSE_LINE.match(line)
        if heading:
            items.append(("heading", line))
        elif clause:
            items.append(("clause", f"{clause.group(1)}-{clause.group(2)}"))
    return items


class Sources:
    """The comments before tests, read from their source files."""

    def __init__(self):
        self.lines = {}

    def comment_before(self, path, line):
        if path not in self.lines:
            try:
                text = pathlib.Path(path).read_text(encoding="utf-8")
            except OSError:
                text = ""
            self.lines[path] = text.splitlines()
        lines = self.lines[path]
        comment = []
        index = line - 2
        while 0 <= index < len(lines) and COMMENT.match(lines[index]):
            comment.append(lines[index])
            index -= 1
        return "\n".join(comment)


def named_clauses(sources, test):
    """The clauses that a test of a JSON report names."""
    found = []
    rest = test["name"]
    while match := NAMED_IN_TEST.match(rest):
        found.append(f"{match.group(1)}-{match.group(2)}")
        rest = rest[match.end():]
    comment = sources.comment_before(test.get("file", ""), test.get("line", 0))
    found += [f"{kind}-{number}" for kind, number in NAMED_IN_COMMENT.findall(comment)]
    return list(dict.fromkeys(found))


def tests_of(report):
    for suite in report["testsuites"]:
        for test in suite["testsuite"]:
            test["suite"] = suite["name"].split("/")[-1]
            yield test


def full_filter(report, sources):
    """The gtest filter for the tests of a listing that name a clause."""
    names = []
    for suite in report["testsuites"]:
        for test in suite["testsuite"]:
            if named_clauses(sources, test):
                names.append(f"{suite['name']}.{test['name']}")
    return ":".join(names)


def run(program, sources):
    """Runs the tests of a program that name a clause; returns its report, None if there are none."""
    with tempfile.TemporaryDirectory() as folder:
        listing = os.path.join(folder, "list.json")
        subprocess.run([program, "--gtest_list_tests", f"--gtest_output=json:{listing}"],
                       check=True, stdout=subprocess.DEVNULL)
        with open(listing, encoding="utf-8") as file:
            chosen = full_filter(json.load(file), sources)
        if not chosen:
            return None
        # The filter may be longer than an argument can be.
        result = os.path.join(folder, "result.json")
        environment = dict(os.environ, GTEST_FILTER=chosen, GTEST_OUTPUT=f"json:{result}",
                           GTEST_BRIEF="1")
        ended = subprocess.run([program], check=False, env=environment, timeout=MOST_SECONDS)
        if not os.path.exists(result):
            raise RuntimeError(f"{program} ended with {ended.returncode} before it could report")
        with open(result, encoding="utf-8") as file:
            return json.load(file)


class Row:
    """What is known about one clause."""

    def __init__(self):
        self.tests = set()
        self.passed = collections.Counter()
        self.failed = collections.Counter()

    def add(self, test):
        variant = VARIANT.search(test["name"])
        column = variant.group(1) if variant else "other"
        self.tests.add(f"{test['suite']}.{test['name'].split('/')[0]}")
        passed = test.get("result") == "COMPLETED" and not test.get("failures")
        (self.passed if passed else self.failed)[column] += 1

    def cell(self, column):
        if self.failed[column]:
            return f"**{self.failed[column]} failed**"
        return str(self.passed[column]) if self.passed[column] else "·"


def page_of(items, rows):
    columns = KINDS + ("other",)
    head = "| clause | tests | " + " | ".join(columns) + " |"
    rule = "|---" * (len(columns) + 2) + "|"
    lines = [HEAD]
    pending = []
    in_table = False
    for kind, text in items:
        if kind == "heading":
            # Headings without clauses of their own are kept only above ones that have some.
            level = text.index(" ")
            pending = [line for line in pending if line.index(" ") < level] + [text]
            in_table = False
            continue
        if not in_table:
            for heading in pending:
                lines += ["", heading]
            pending = []
            lines += ["", head, rule]
            in_table = True
        row = rows[text]
        cells = [text, "<br>".join(sorted(row.tests))] + [row.cell(column) for column in columns]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def offences_of(items, rows, unknown):
    for clause in [text for kind, text in items if kind == "clause"]:
        row = rows[clause]
        if not row.tests:
            yield f"{clause} has no test"
        elif sum(row.failed.values()):
            yield f"{clause}: {sum(row.failed.values())} cases failed"
    for clause, tests in sorted(unknown.items()):
        yield f"{clause} is no clause of the contract, but {sorted(tests)[0]} names it"


def main():
    parser = argparse.ArgumentParser(description="writes docs/conformance.md")
    parser.add_argument("--root", required=True, help="the checkout")
    parser.add_argument("--results", required=True, help="a folder with gtest's JSON reports")
    parser.add_argument("--run", action="append", default=[], help="a test program to run")
    parser.add_argument("--output", required=True, help="the file to write")
    parser.add_argument("--check", help="the file that must be the same")
    arguments = parser.parse_args()

    contract = pathlib.Path(arguments.root, "docs", "contract.md").read_text(encoding="utf-8")
    items = clauses_of(contract)
    rows = {text: Row() for kind, text in items if kind == "clause"}
    unknown = collections.defaultdict(set)
    sources = Sources()
    reports = [json.loads(path.read_text(encoding="utf-8"))
               for path in sorted(pathlib.Path(arguments.results).glob("*.json"))]
    reports += [report for program in arguments.run if (report := run(program, sources))]
    for report in reports:
        for test in tests_of(report):
            for clause in named_clauses(sources, test):
                if clause in rows:
                    rows[clause].add(test)
                else:
                    unknown[clause].add(f"{test['suite']}.{test['name']}")

    page = page_of(items, rows)
    pathlib.Path(arguments.output).write_text(page, encoding="utf-8")
    offences = list(offences_of(items, rows, unknown))
    if arguments.check:
        committed = pathlib.Path(arguments.check)
        if not committed.exists() or committed.read_text(encoding="utf-8") != page:
            offences.append(f"{committed} is not what this run writes: make conformance updates it")
    for offence in offences:
        print(offence)
    return 1 if offences else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, RuntimeError, subprocess.SubprocessError, json.JSONDecodeError) as error:
        sys.exit(f"make_conformance.py: {error}")
