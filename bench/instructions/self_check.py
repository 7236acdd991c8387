#!/usr/bin/env python3
"""Checks that the counts are read as callgrind means them, and that growth is noticed."""
import json
import unittest

import callgrind
import count
import misses

# main spends 3 + 4, and calls f twice; f calls itself, and the library's malloc.
COUNTED = """\
# callgrind format
events: Ir
summary: 67

ob=/program
fl=program.cpp
fn=main
10 3
cfi=f.cpp
cfn=f()
calls=2 20
11 60
12 4

fn=f()
20 30
cfn=f()'2
calls=1 20
21 10

fn=f()'2
20 5
cob=/libc
cfn=malloc@@GLIBC_2.2.5
calls=1 0
22 5

fn=malloc@@GLIBC_2.2.5
0 25

totals: 67
"""


class ReadingTest(unittest.TestCase):
    def setUp(self):
        self.counts = callgrind.Counts(COUNTED)

    def test_what_a_function_spends_itself_is_told_from_what_its_calls_spend(self):
        self.assertEqual(self.counts.own, {"main": 7, "f()": 35, "malloc": 25})
        self.assertEqual(self.counts.total(), 67)

    def test_a_call_costs_all_until_it_returns(self):
        self.assertEqual(self.counts.calls(r"^f\("), callgrind.Calls(2, 60))
        self.assertEqual(self.counts.calls(r"^f\(").each(), 30)

    def test_the_version_of_a_function_is_no_part_of_its_name(self):
        self.assertEqual(self.counts.calls("^malloc$"), callgrind.Calls(1, 5))

    def test_a_call_that_has_not_returned_is_no_cost_of_its_caller(self):
        counts = callgrind.Counts("fn=main\n1 2\ncfn=f()\ncalls=0 5\n1 100\n2 3\n")
        self.assertEqual(counts.total(), 5)


class MissesTest(unittest.TestCase):
    def test_events_are_added_up_and_shared_by_the_messages(self):
        text = ("events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw Bc Bcm Bi Bim\n"
                "totals: 1000 300 200 20 10 6 3 2 1 80 4 8\n")
        self.assertEqual(misses.row_of(callgrind.totals(text), 10), {
            "instructions": 100, "data accesses": 50, "data, first cache missed": 1.6,
            "instructions, first cache missed": 2, "last cache missed": 0.6, "branches": 8.8, "mispredicted": 0.4})

    def test_the_table_has_every_workload(self):
        table = json.loads(misses.TABLE.read_text(encoding="utf-8"))
        self.assertEqual(table["per message"].keys(), count.WORKLOADS.keys())

    def test_both_tables_count_the_same_instructions(self):
        counted = json.loads(count.TABLE.read_text(encoding="utf-8"))["counts"]
        missed = json.loads(misses.TABLE.read_text(encoding="utf-8"))["per message"]
        for name, row in counted.items():
            self.assertAlmostEqual(missed[name]["instructions"] / row["per message"], 1, delta=0.01, msg=name)


class GrowthTest(unittest.TestCase):
    def offences(self, before, now):
        return list(count.grown({"echo": {"per message": now}}, {"echo": {"per message": before}}))

    def test_less_is_welcome_and_a_little_more_is_let_pass(self):
        self.assertEqual(self.offences(100, 60), [])
        self.assertEqual(self.offences(100, 105), [])

    def test_more_is_an_offence(self):
        self.assertEqual(self.offences(100, 105.01), ["echo, per message: 100 has become 105.01"])
        self.assertEqual(self.offences(0, 0.01), ["echo, per message: 0 has become 0.01"])

    def test_what_is_no_longer_there_is_an_offence(self):
        self.assertEqual(self.offences(100, None),
                         ["echo, per message: no such call; was a function renamed?"])

    def test_what_the_table_does_not_know_is_an_offence(self):
        self.assertEqual(list(count.grown({"echo": {"per message": 1}}, {})),
                         ["echo, per message: not in the table"])


class CheckTest(unittest.TestCase):
    def rows(self, write=60, allocations=0.0, system_calls=0.5):
        return {"replies, depth 16": {"per write()": write, "allocations per message": allocations,
                                      "system calls per message": system_calls}}

    def test_a_write_has_a_bound_to_the_instruction(self):
        self.assertEqual(count.offences(self.rows(60), self.rows(60), True), [])
        self.assertEqual(count.offences(self.rows(60.01), self.rows(60), True),
                         ["replies, depth 16, per write(): 60.01 is above the bound of 60"])

    def test_a_lone_write_has_no_bound(self):
        rows = {"replies, depth 1": {"per write()": 243}}
        self.assertEqual(count.offences(rows, rows, True), [])

    def test_calls_are_compared_whatever_the_compiler(self):
        self.assertEqual(count.offences(self.rows(60), self.rows(30), False), [])
        self.assertEqual(count.offences(self.rows(60, allocations=1.0), self.rows(60), False),
                         ["replies, depth 16, allocations per message: 0.0 has become 1.0"])
        self.assertEqual(count.offences(self.rows(60, system_calls=0.6), self.rows(60), False),
                         ["replies, depth 16, system calls per message: 0.5 has become 0.6"])

    def test_the_bound_needs_no_table_of_the_compiler(self):
        self.assertEqual(count.offences(self.rows(61), self.rows(60), False),
                         ["replies, depth 16, per write(): 61 is above the bound of 60"])

    def test_a_message_costs_the_same_however_deep_the_queue_is(self):
        rows = {name: {"per message": cost} for name, cost in zip(count.DEEP, (100, 110, 105))}
        self.assertEqual(count.offences(rows, rows, True), [])
        rows[count.DEEP[2]]["per message"] = 110.1
        for comparable in (True, False):
            found, = count.offences(rows, rows, comparable)
            self.assertIn("not the same at every depth", found)

    def test_the_bounded_workloads_are_counted(self):
        self.assertLessEqual({*count.BOUNDED, *count.DEEP}, count.WORKLOADS.keys())


if __name__ == "__main__":
    unittest.main()
