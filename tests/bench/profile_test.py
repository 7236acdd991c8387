"""Profiles: from what perf reports to a table, from made-up samples."""
import contextlib
import io
import unittest

import support  # noqa: F401: it makes the driver importable
from driver import contenders, profile, workloads
from driver.processes import RunFailed

REPORT = """
        60\t[kernel.kallsyms]\t[k] tcp_sendmsg_locked
        30\tbench_sluice    \t[.] sluice::Queue::push(std::byte const*, int)
        10\tlibc.so.6       \t[.] malloc   \t-      -
# a line of another kind
"""


class SamplesTest(unittest.TestCase):
    def test_each_function_has_its_samples(self):
        samples = profile.samples_of(REPORT)
        self.assertEqual(samples["[kernel.kallsyms]", "tcp_sendmsg_locked"], 60)
        self.assertEqual(samples["libc.so.6", "malloc"], 10)
        self.assertEqual(sum(samples.values()), 100)

    def test_the_cost_of_a_message_is_shared_out_by_samples(self):
        costs = profile.costs_of(profile.samples_of(REPORT), 500)
        self.assertEqual(costs["[kernel.kallsyms]", "tcp_sendmsg_locked"], 300)
        self.assertAlmostEqual(sum(costs.values()), 500)

    def test_a_server_without_samples_is_an_error(self):
        with self.assertRaises(RunFailed):
            profile.costs_of(profile.samples_of(""), 500)

    def test_a_function_that_a_round_did_not_see_cost_nothing_in_it(self):
        self.assertEqual(profile.medians([{"a": 3}, {"a": 5, "b": 1}, {"a": 4}]), {"a": 4, "b": 0})


    def test_what_is_small_is_added_up_for_each_object(self):
        costs = {("a", "big"): 99.0, ("a", "tiny"): 0.1, ("a", "less"): 0.1, ("b", "tiny"): 0.15}
        self.assertEqual(profile.without_small(costs, 100),
                         {("a", "big"): 99.0, ("a", profile.OTHERS): 0.2, ("b", profile.OTHERS): 0.15})

    def test_contenders_are_compared_by_function_and_one_alone_by_its_cost(self):
        self.assertEqual(profile.difference("f", [{"f": 10}, {"f": 4}]), 6)
        self.assertEqual(profile.difference("f", [{"f": 10}, {}]), 10)
        self.assertEqual(profile.difference("f", [{"f": 10}]), 10)


class PageTest(unittest.TestCase):
    def setUp(self):
        costs = {"\t".join(key): cost for key, cost in profile.costs_of(profile.samples_of(REPORT), 500).items()}
        self.case = {"case": "1 KiB × 1", "cost": {"epoll": 400.0, "sluice": 500.0},
                     "costs": {"epoll": {"[kernel.kallsyms]\ttcp_sendmsg_locked": 400.0}, "sluice": costs}}

    def test_the_parts_come_first_and_add_up(self):
        rows = list(profile.rows_of(self.case))
        self.assertEqual(rows[:3], [["**kernel**", 400, 300], ["**libraries**", 0, 50], ["**its own code**", 0, 150]])

    def test_functions_are_named_without_what_they_are_given(self):
        names = [row[0] for row in profile.rows_of(self.case)]
        self.assertIn("`sluice::Queue::push` (bench_sluice)", names)
        self.assertEqual(names[3], "`sluice::Queue::push` (bench_sluice)", "150 more than by hand")
        self.assertEqual(names[4], "`tcp_sendmsg_locked` (kernel)", "100 less")

    def test_the_page_has_a_column_for_each_contender(self):
        one = {"sluice": "1234567", "results": [{"workload": "echo", "rounds": 3, "pinning": "somewhere",
                                                 "cases": [self.case]}]}
        text = profile.text_of(one)
        self.assertIn("| | epoll by hand (the limit) | Sluice |", text)
        self.assertIn("| **all of it** | 400 | 500 |", text)
        self.assertIn("medians of 3 rounds", text)


class SelectionTest(unittest.TestCase):
    def test_a_case_is_chosen_by_its_label(self):
        echo = profile.selected(workloads.BY_NAME["echo"], ["16 KiB × 1"])
        self.assertEqual([case.label for case in echo.cases], ["16 KiB × 1"])

    def test_a_case_that_is_not_there_is_an_error_that_names_those_that_are(self):
        with self.assertRaisesRegex(RunFailed, "no case '7 B'; there are 64 B × 1, "):
            profile.selected(workloads.BY_NAME["echo"], ["7 B"])

    def test_a_contender_that_is_not_there_is_refused(self):
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as said:
            profile.parse(["--workload", "echo", "--contenders", "epoll,nobody"])
        self.assertIn("there is no contender 'nobody'", said.getvalue())
        self.assertIn("epoll", contenders.BY_NAME)


if __name__ == "__main__":
    unittest.main()
