"""Profiles: from what perf reports to a table, from made-up samples, and bench/profile with a stand-in for perf."""
import contextlib
import io
import json
import os
import sys
import unittest
from unittest import mock

from support import BENCH, INTERRUPTING_LOAD, ProgramsTestCase
from driver import document, functions, profile, profile_main, workloads
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

    def test_functions_that_differ_alike_stand_in_the_order_of_their_names(self):
        for names in ("abcdef", "fedcba"):
            costs = {f"bench_sluice\t{name}": 5.0 for name in names}
            rows = list(profile.rows_of({"costs": {"epoll": {}, "sluice": costs}}))
            self.assertEqual([row[0] for row in rows[3:]], [f"`{name}` (bench_sluice)" for name in "abcdef"])

    def test_the_page_has_a_column_for_each_contender(self):
        one = {"sluice": "1234567", "results": [{"workload": "echo", "rounds": 3, "pinning": "somewhere",
                                                 "cases": [self.case]}]}
        text = profile.text_of(one)
        self.assertIn("|  | epoll by hand (the limit) | Sluice |", text)
        self.assertIn("| **all of it** | 400 | 500 |", text)
        self.assertIn("medians of 3 rounds", text)


class FunctionsTest(unittest.TestCase):
    def assert_short(self, function, name):
        self.assertEqual(functions.short(function), name)

    def test_namespaces_without_a_name_are_not_told(self):
        self.assert_short("bench::(anonymous namespace)::echo", "bench::echo")
        self.assert_short("bench::Answering<bench::(anonymous namespace)::Echo>::ready",
                          "bench::Answering<bench::Echo>::ready")

    def test_parameters_are_not_told_wherever_they_stand(self):
        self.assert_short("Loop::timed<Loop::serve(Watcher&, Events)::{lambda()#1}>(int (*)(int))",
                          "Loop::timed<Loop::serve::{lambda#1}>")
        self.assert_short("Queue::operator()(int) const", "Queue::operator()")
        self.assert_short("Queue::grow(int) [clone .isra.0]", "Queue::grow")

    def test_what_a_function_returns_is_not_told(self):
        self.assert_short("void sluice::establish<int, long>(int)", "sluice::establish<int, long>")
        self.assert_short("std::pair<int, int> split<a b>(int)", "split<a b>")

    def test_blanks_that_belong_to_a_name_stay(self):
        self.assert_short("operator new(unsigned long)", "operator new")
        self.assert_short("non-virtual thunk to A::on_io(int)", "non-virtual thunk to A::on_io")

    def test_a_long_name_loses_the_arguments_of_its_templates(self):
        self.assert_short(f"outer<inner<{'a' * 80}>, b>::run(int)", "outer::run")

    def test_a_name_does_not_end_the_cell_of_a_table(self):
        self.assertEqual(functions.in_table("A::operator|(int)"), "`A::operator\\|`")


class SelectionTest(unittest.TestCase):
    def refused(self, *arguments):
        """What the command line says of its arguments before it ends."""
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as said:
            profile_main.parse(arguments)
        return said.getvalue()

    def test_a_case_is_chosen_by_its_label(self):
        echo = profile_main.selected(workloads.BY_NAME["echo"], ["16 KiB × 1"])
        self.assertEqual([case.label for case in echo.cases], ["16 KiB × 1"])

    def test_a_case_that_is_not_there_is_an_error_that_names_those_that_are(self):
        with self.assertRaisesRegex(RunFailed, "no case '7 B'; there are 64 B × 1, "):
            profile_main.selected(workloads.BY_NAME["echo"], ["7 B"])

    def test_a_contender_that_is_not_there_is_refused(self):
        self.assertIn("there is no contender 'nobody'",
                      self.refused("--workload", "echo", "--contenders", "epoll,nobody"))

    def test_workloads_that_are_measured_in_time_are_offered(self):
        for name in ("echo", "stream", "deep", "scaling_echo", "growth_gathered", "micro"):
            self.assertEqual(profile_main.parse(["--workload", name]).workload, name)

    def test_workloads_that_are_measured_in_bytes_are_not(self):
        self.assertIn("no profile of time for 'idle'", self.refused("--workload", "idle"))

    def test_without_a_workload_it_says_what_is_missing(self):
        self.assertIn("--workload or --render is needed", self.refused())


class ProfileTest(ProgramsTestCase):
    def setUp(self):
        super().setUp()
        self.results = self.folder / "results"
        self.put_load()
        self.put_perf()
        self.put_server("bench_epoll")
        self.put_server("bench_sluice")

    def profile(self, *arguments):
        return self.bench("--workload", "echo", "--case", "64 B × 1", "--repeat", 1, *arguments, program="profile")

    def assert_fails(self, words, *arguments):
        done = self.profile(*arguments)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done)
        self.assertIn(words, done.stderr)

    def test_the_cost_of_a_message_is_shared_out_on_standard_output(self):
        done = self.profile()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("| **all of it** | 400 | 400 |", done.stdout)
        self.assertIn("| **kernel** | 300 | 300 |", done.stdout)

    def test_results_are_written_and_nothing_is_said(self):
        done = self.profile("--results", self.results)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertEqual(sorted(path.name for path in self.results.iterdir()), ["echo.json", "echo.md"])
        content = json.loads((self.results / "echo.json").read_text())
        self.assertIn("measured", content)
        self.assertEqual(content["results"][0]["cases"][0]["costs"]["sluice"]["bench_sluice\tsluice::write"], 100)

    def test_a_page_is_made_again_from_its_results_without_measuring(self):
        self.profile("--results", self.results)
        page = self.results / "echo.md"
        written = page.read_text()
        page.unlink()
        (self.folder / "bench_load").unlink()
        done = self.bench("--render", "--results", self.results, program="profile")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertEqual(page.read_text(), written)

    def test_the_recorder_is_ended_when_the_load_fails(self):
        self.put("bench_load", "#!/bin/sh\necho 'no progress' >&2\nexit 1\n")
        done = self.profile()
        self.assertEqual(done.returncode, 1)
        self.assertIn("FAILED echo, 64 B × 1, round 1, sluice: the load ended with status 1: no progress", done.stderr)

    def test_a_recorder_that_fails_is_told(self):
        self.put_perf(status=1)
        self.assert_fails("perf record failed")

    def test_with_nobody_there_it_fails(self):
        self.assert_fails("nothing was measured for echo", "--contenders", "libuv")

    def test_without_a_build_it_says_how_to_make_one(self):
        (self.folder / "bench_load").unlink()
        self.assert_fails("scripts/build bench")

    def test_an_interrupt_is_told_as_a_shell_tells_it(self):
        self.put("bench_load", INTERRUPTING_LOAD)
        done = self.profile()
        self.assertEqual((done.returncode, done.stdout, done.stderr), (130, "", ""))

    def test_without_perf_it_says_which_package_has_it(self):
        with mock.patch.dict(os.environ, {"PATH": str(self.folder)}), \
                contextlib.redirect_stderr(io.StringIO()) as said:
            (self.folder / "perf").unlink()
            self.assertEqual(profile_main.run(["--workload", "echo", "--bin", str(self.folder)]), 1)
        self.assertIn("Debian has it in linux-perf", said.getvalue())


# Google Benchmark, as far as it is asked.
MICRO = f"""#!{sys.executable}
import json, re, sys
names = ["turn/sluice/per_turn:1", "turn/uv_idle/per_turn:1", "other/sluice/real_time"]
if "--benchmark_list_tests" in sys.argv:
    print("\\n".join(names))
    sys.exit(0)
wanted = [word.partition("=")[2] for word in sys.argv if word.startswith("--benchmark_filter=")][0]
print(json.dumps({{"benchmarks": [{{"name": name, "run_name": name, "cpu_time": 40.0 if "uv_idle" in name else 80.0,
                                  "real_time": 8.0, "time_unit": "ns"}} for name in names if re.search(wanted, name)]}}))
"""


class MicroProfileTest(ProgramsTestCase):
    def setUp(self):
        super().setUp()
        self.put_load()
        self.put("bench_micro_turns", MICRO)
        # It runs what it records.
        self.put("perf", f"#!{sys.executable}\nimport subprocess, sys\n"
                         "if sys.argv[1] == 'record':\n"
                         "    sys.exit(subprocess.call(sys.argv[sys.argv.index('--') + 1:]))\n"
                         "print('    30\\t[kernel.kallsyms]\\t[k] futex\\n    10\\tbench_micro\\t[.] sluice::run')\n")

    def profile(self, *arguments):
        return self.bench("--workload", "micro", "--repeat", 1, *arguments, program="profile")

    def test_the_cost_of_a_callback_is_shared_out_beside_that_of_its_counterparts(self):
        done = self.profile("--case", "turn/per_turn:1")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("|  | Sluice | uv_idle |", done.stdout)
        self.assertIn("| **all of it** | 80 | 40 |", done.stdout)
        self.assertIn("| **kernel** | 60 | 30 |", done.stdout)
        self.assertNotIn("## other", done.stdout)

    def test_without_a_case_all_of_them_are_profiled(self):
        self.assertIn("## other", self.profile().stdout)

    def test_a_case_that_is_not_there_is_an_error_that_names_those_that_are(self):
        done = self.profile("--case", "nothing")
        self.assertEqual(done.returncode, 1)
        self.assertIn("micro has no case 'nothing'; there are turn/per_turn:1, other", done.stderr)


class CommittedPagesTest(unittest.TestCase):
    def test_every_page_is_what_its_results_give(self):
        for path in sorted((BENCH / "results" / "profiles").glob("*.json")):
            with self.subTest(path.name):
                self.assertEqual(path.with_suffix(".md").read_text(encoding="utf-8"),
                                 profile_main.text_of(document.read(path)))


if __name__ == "__main__":
    unittest.main()
