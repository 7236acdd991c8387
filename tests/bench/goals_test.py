"""The verdicts of the driver, on made-up results."""
import dataclasses
import json
import pathlib
import sys
import tempfile
import unittest
import unittest.mock

import support
from driver import contenders, figures, goals, workloads
from driver.figures import BYTES_AFTER_ECHO

sys.path.insert(0, str(support.BENCH / "instructions"))
import count  # noqa: E402

FAILURE = {"contender": "sluice", "case": "2 writes", "round": 2, "what": "it broke"}
ALL_PEERS = {name: 200 for name in contenders.PEERS}


def pieces(two, five):
    return support.fake_case("2 writes", *two), support.fake_case("5 writes", *five)


class JudgeTestCase(unittest.TestCase):
    def judge(self, goal, *cases, **changes):
        return goal.judge({goal.workload: support.fake_result(goal.workload, *cases, **changes)})


class RatioGoalTest(JudgeTestCase):
    goal = goals.Ratio("B5", "pieces", 1.05)
    good = [{"epoll": 100, "sluice": 105}] * 2

    def test_in_every_case(self):
        verdict = self.judge(self.goal, *pieces(self.good, self.good))
        self.assertIs(verdict.met, True)
        self.assertEqual(verdict.measured, "1.050 (2 writes), 1.050 (5 writes)")

    def test_with_fewer_rounds_than_are_planned_it_is_open(self):
        verdict = self.judge(self.goal, *pieces(self.good, self.good), repeat=2)
        self.assertIsNone(verdict.met)
        self.assertIn("2 rounds instead of 15", verdict.measured)

    def test_above_the_bound(self):
        verdict = self.judge(self.goal, *pieces(self.good, [{"epoll": 100, "sluice": 106}]))
        self.assertIs(verdict.met, False)
        self.assertIn("above the bound: 5 writes", verdict.measured)

    def test_where_the_rounds_do_not_tell_the_side_of_the_bound_it_says_so(self):
        for ratios, sure in (((100, 104, 106, 109), False), ((100, 101, 102, 104), True), ((106, 107, 108, 109), True)):
            rounds = [{"epoll": 100, "sluice": ratio} for ratio in ratios]
            verdict = self.judge(self.goal, *pieces(self.good, rounds))
            self.assertEqual("too close to the bound to be sure: 5 writes" not in verdict.measured, sure, ratios)

    def test_the_range_in_which_a_median_lies_stands_behind_it(self):
        few = [{"epoll": 100, "sluice": ratio} for ratio in (101, 103, 104)]
        many = [{"epoll": 100, "sluice": ratio} for ratio in range(80, 95)]
        self.assertEqual(self.judge(self.goal, *pieces(few, many)).measured,
                         "1.030 [1.010..1.040] (2 writes), 0.870 [0.830..0.910] (5 writes)")

    def test_of_many_cases_the_least_and_the_greatest_median_have_their_ranges(self):
        labels = [case.label for case in workloads.ECHO.cases]
        cases = [support.fake_case(label, *({"epoll": 100, "sluice": ratio + number} for ratio in (80, 81, 82)))
                 for number, label in enumerate(labels)]
        self.assertEqual(self.judge(goals.Ratio("B2", "echo", 1.05), *cases).measured,
                         f"0.810 [0.800..0.820] to 0.920 [0.910..0.930] in {len(labels)} cases, "
                         f"the most at {labels[-1]}")

    def test_other_cases_do_not_matter(self):
        goal = goals.Ratio("B1", "replies", 1.05, ("depth 16",))
        good = support.fake_case("depth 16", {"epoll": 100, "sluice": 105})
        self.assertIs(self.judge(goal, good, support.fake_case("depth 1", {"epoll": 100, "sluice": 200})).met, True)
        self.assertIs(self.judge(goal, good, failures=[{**FAILURE, "case": "depth 1"}]).met, True)

    def test_to_another_contender(self):
        goal = goals.Ratio("B12", "replies", 1.10, ("depth 1",), contender="sluice-coroutines", against="sluice")
        case = support.fake_case("depth 1", {"epoll": 100, "sluice": 200, "sluice-coroutines": 210})
        self.assertEqual(self.judge(goal, case).measured, "1.050 (depth 1)")
        self.assertIs(self.judge(goal, case).met, True)

    def test_a_missing_case_leaves_it_open(self):
        verdict = self.judge(self.goal, pieces(self.good, [])[0])
        self.assertIsNone(verdict.met)
        self.assertIn("sluice and epoll not measured at 5 writes", verdict.measured)

    def test_a_missing_round_leaves_it_open(self):
        verdict = self.judge(self.goal, *pieces(self.good, [*self.good, {"epoll": 100}]))
        self.assertIsNone(verdict.met)
        self.assertIn("only 2 of 3 rounds at 5 writes", verdict.measured)

    def test_what_is_missing_does_not_undo_what_is_above_the_bound(self):
        case = support.fake_case("2 writes", {"epoll": 100, "sluice": 106})
        self.assertIs(self.judge(self.goal, case).met, False)

    def test_a_failure_of_ours_or_of_the_limit_is_no_success(self):
        for contender in ("sluice", "epoll"):
            verdict = self.judge(self.goal, *pieces(self.good, self.good),
                                 failures=[{**FAILURE, "contender": contender}])
            self.assertIs(verdict.met, False)
            self.assertIn(f"{contender} failed at 2 writes, round 2", verdict.measured)
        self.assertIs(self.judge(self.goal, *pieces(self.good, self.good),
                                 failures=[{**FAILURE, "contender": "node"}]).met, True)

    def test_without_the_limit_it_is_open(self):
        verdict = self.judge(self.goal, *pieces([{"sluice": 1}], [{"sluice": 1}]), absent={"epoll": "not built"})
        self.assertIsNone(verdict.met)
        self.assertEqual(verdict.measured, "epoll is absent (not built)")


class AheadOfPeersTest(JudgeTestCase):
    goal = goals.AheadOfPeers("B5", "pieces")
    runs = [{"epoll": 90, "sluice": 100, **ALL_PEERS}]

    def test_the_cases_compared_are_named(self):
        verdict = self.judge(self.goal, *pieces(self.runs, self.runs))
        self.assertIs(verdict.met, True)
        self.assertEqual(verdict.measured, f"ahead of {', '.join(contenders.PEERS)} at 2 writes, 5 writes")

    def test_behind_one(self):
        verdict = self.judge(self.goal, *pieces(self.runs, [{**self.runs[0], "libuv": 80}]))
        self.assertIs(verdict.met, False)
        self.assertTrue(verdict.measured.startswith("1.250 of libuv at 5 writes; compared: "))

    def test_where_the_rounds_do_not_tell_who_is_ahead_it_says_so(self):
        for costs, measured in (((96, 99, 101), "ahead of "),
                                ((98, 101, 102), "1.010 [0.980..1.020] of libuv at 5 writes;")):
            rounds = [{**self.runs[0], "libuv": 100, "sluice": cost} for cost in costs]
            found = self.judge(self.goal, *pieces(self.runs * 3, rounds)).measured
            self.assertTrue(found.startswith(measured), found)
            self.assertTrue(found.endswith("; too close to be sure: libuv at 5 writes"), found)

    def test_many_cases_that_are_close_are_counted(self):
        goal = goals.AheadOfPeers("B2", "echo")
        cases = [support.fake_case(case.label, *({**self.runs[0], "libuv": libuv} for libuv in (99, 101, 102)))
                 for case in workloads.ECHO.cases]
        self.assertIn(f"; too close to be sure: libuv at {len(cases)} of {len(cases)} cases",
                      self.judge(goal, *cases).measured)

    def test_absent_peers_are_named(self):
        runs = [{name: cost for name, cost in self.runs[0].items() if name != "node"}]
        verdict = self.judge(self.goal, *pieces(runs, runs), absent={"node": "no node"})
        self.assertIs(verdict.met, True)
        self.assertTrue(verdict.measured.endswith("; absent: node (no node)"))

    def test_a_peer_that_is_neither_there_nor_absent_leaves_it_open(self):
        runs = [{name: cost for name, cost in self.runs[0].items() if name != "node"}]
        verdict = self.judge(self.goal, *pieces(self.runs, runs))
        self.assertIsNone(verdict.met)
        self.assertIn("sluice and node not measured at 5 writes", verdict.measured)

    def test_failures(self):
        for contender in ("sluice", "node"):
            self.assertIs(self.judge(self.goal, *pieces(self.runs, self.runs),
                                     failures=[{**FAILURE, "contender": contender}]).met, False)

    def test_without_peers_it_is_open(self):
        verdict = self.judge(self.goal, *pieces([{"sluice": 1}], [{"sluice": 1}]),
                             absent={name: "not built" for name in contenders.PEERS})
        self.assertIsNone(verdict.met)
        self.assertIn("no peer to compare with", verdict.measured)

    def test_it_says_where_peers_take_part(self):
        self.assertIn("every case", self.goal.wanted())
        ours = dataclasses.replace(workloads.PIECES.cases[1], contenders=contenders.OURS[:2])
        mixed = dataclasses.replace(workloads.PIECES, cases=(workloads.PIECES.cases[0], ours))
        with unittest.mock.patch.dict(workloads.BY_NAME, pieces=mixed):
            self.assertTrue(self.goal.wanted().endswith("where peers take part: 2 writes"))
        self.assertIn("every case", goals.AheadOfPeers("B2", "echo").wanted())

    def test_counterparts_of_single_functions(self):
        goal = goals.AheadOfPeers("B10", "micro")
        cases = [support.fake_case("a", {"sluice": 1, "uv_idle": 2}), support.fake_case("b", {"sluice": 1})]
        self.assertEqual(self.judge(goal, *cases).measured, "ahead of uv_idle at a")
        self.assertIs(self.judge(goal, *cases).met, True)
        self.assertIs(self.judge(goal, *cases, failures=[{**FAILURE, "case": "bench_micro_timers"}]).met, False)
        self.assertIs(self.judge(goal, failures=[{**FAILURE, "case": "bench_micro_timers"}]).met, False)


class OwnFiguresTest(JudgeTestCase):
    def test_constant(self):
        goal = goals.Constant("B5", "pieces", 1.10)
        small, large = pieces([{"sluice": 100}], [{"sluice": 109}])
        self.assertIs(self.judge(goal, small, large).met, True)
        self.assertIs(self.judge(goal, *pieces([{"sluice": 100}], [{"sluice": 111}])).met, False)
        self.assertIsNone(self.judge(goal, small).met)
        self.assertIs(self.judge(goal, small, large, failures=[FAILURE]).met, False)

    def idle(self, own, **others):
        case = support.fake_case("10,000 connections", {"sluice": 1, **{name: 1 for name in others}})
        for name, value in {"sluice": own, **others}.items():
            case["rounds"][0][name]["extra"]["bytes_per_connection_after_echo"] = value
        return case

    def test_at_most(self):
        goal = goals.AtMost("B7", "idle", BYTES_AFTER_ECHO, 512)
        self.assertIs(self.judge(goal, self.idle(512)).met, True)
        self.assertIs(self.judge(goal, self.idle(513)).met, False)
        self.assertIsNone(self.judge(goal).met)
        self.assertIs(self.judge(goal, self.idle(512), failures=[{**FAILURE, "case": "10,000 connections"}]).met, False)

    def test_least_of_all(self):
        goal = goals.LeastOfAll("B7", "idle")
        absent = {name: "not built" for name in contenders.PEERS if name != "node"}
        others = {"epoll": 5, "sluice-coroutines": 6, "node": 9}
        self.assertIs(self.judge(goal, self.idle(4, **others), absent=absent).met, True)
        self.assertIn("absent: libuv (not built)", self.judge(goal, self.idle(4, **others), absent=absent).measured)
        self.assertIs(self.judge(goal, self.idle(7, **others), absent=absent).met, False)
        self.assertIsNone(self.judge(goal, self.idle(4, **others)).met)
        del others["epoll"]
        verdict = self.judge(goal, self.idle(4, **others), absent={**absent, "epoll": "not built"})
        self.assertIsNone(verdict.met)

    def deep(self, after, rounds=1):
        """All cases of a run in which the last one took 100 MiB."""
        cases = [support.fake_case(case.label, *[{"sluice": 100}] * rounds) for case in workloads.DEEP.cases]
        for case in cases:
            for runs in case["rounds"]:
                runs["sluice"]["extra"] = {"rss_before_kib": 2000, "rss_queued_kib": 2000 + 100 * 1024,
                                           "rss_after_kib": after}
        return cases

    def test_memory_is_returned(self):
        goal = goals.Returned("B6", "deep", figures.RSS_QUEUED, figures.RSS_AFTER_DRAIN, figures.RSS_BEFORE, 0.01, 2)
        for after, met in ((2000, True), (2000 + 1024, True), (2000 + 1025, False), (1900, True)):
            self.assertIs(self.judge(goal, *self.deep(after)).met, met)
        self.assertIsNone(self.judge(goal, *self.deep(2000)[1:]).met)
        self.assertIsNone(self.judge(goal).met)

    def test_memory_has_a_bound_in_each_case(self):
        goal = goals.Returned("B6", "deep", figures.RSS_QUEUED, figures.RSS_AFTER_DRAIN, figures.RSS_BEFORE, 0.10, 2)
        cases = self.deep(2000 + 2048)
        self.assertIs(self.judge(goal, *cases).met, True)
        cases[1]["rounds"][0]["sluice"]["extra"]["rss_after_kib"] += 1
        verdict = self.judge(goal, *cases)
        self.assertIs(verdict.met, False)
        self.assertIn("above the bound: 10,000 writes", verdict.measured)

    def test_scaling_is_open_where_the_load_has_no_core(self):
        goal = goals.Scaling("", "scaling_echo", 1.8)
        cases = [support.fake_case(label, {"sluice": 100}, x=x) for label, x in (("1 thread", 1), ("2 threads", 2))]
        cases[1]["rounds"][0]["sluice"]["messages"] *= 1.9
        self.assertIsNone(self.judge(goal, *cases).met)
        self.assertIn("2 cores, and 3 are needed", self.judge(goal, *cases).measured)
        self.assertIs(self.judge(goal, *cases, cores=4).met, True)
        self.assertIs(self.judge(goal, *cases, cores=4, failures=[{**FAILURE, "case": "2 threads"}]).met, False)
        self.assertIsNone(self.judge(goal, cases[0], cores=4).met)
        cases[1]["rounds"][0]["sluice"]["messages"] = 1000
        self.assertIs(self.judge(goal, *cases, cores=4).met, False)

    def test_scaling_is_judged_where_each_thread_has_its_share_of_a_core(self):
        goal = goals.Scaling("", "scaling_echo", 1.8)
        cases = [support.fake_case(label, {"sluice": 100}, x=x) for label, x in (("1 thread", 1), ("2 threads", 2))]
        for times, met in ((1.9, True), (1.7, False)):
            cases[1]["rounds"][0]["sluice"]["messages"] = 1000 * times
            verdict = self.judge(goal, *cases, percent_of_core=20)
            self.assertIs(verdict.met, met)
            self.assertIn("with 20 % of a core for each thread of the server", verdict.measured)

    def test_a_busy_neighbour_is_judged_while_it_fills_and_by_the_tail(self):
        judged = {goal.figure for goal in goals.ALL if goal.workload == "slow"}
        self.assertLessEqual({figures.LATENCY_AGAINST_QUIET, figures.P99_AGAINST_QUIET,
                              figures.FILLING_P50_AGAINST_QUIET, figures.FILLING_P99_AGAINST_QUIET}, judged)
        run = support.fake_report(1, extra={"quiet_p50_ns": 5000, "quiet_p99_ns": 10000, "filling_p50_ns": 6000,
                                            "filling_p99_ns": 40000})
        self.assertEqual(figures.P99_AGAINST_QUIET.of(run), 3)
        self.assertEqual(figures.FILLING_P50_AGAINST_QUIET.of(run), 1.2)
        self.assertEqual(figures.FILLING_P99_AGAINST_QUIET.of(run), 4)


class FanOutMemoryTest(JudgeTestCase):
    def results(self, kept, peak, once=10):
        """KiB that messages to 5000 connections take more than those to 10, each of which takes 450 B itself."""
        cases = [support.fake_case(case.label, {"sluice": 100}) for case in workloads.FANOUT.cases]
        for case in cases:
            case["rounds"][0]["sluice"]["extra"].update(rss_before_message_kib=4000 - once, rss_after_window_kib=4000)
        own = round(450 * 4990 / 1024)
        last = cases[-1]["rounds"][0]["sluice"]
        last["extra"]["rss_before_message_kib"] += own
        last["extra"]["rss_after_window_kib"] += own + kept
        last["rss_peak_kib"] += own + peak
        return {"fanout": support.fake_result("fanout", *cases)}

    def met(self, kept, peak):
        return goals.MemoryOfFanOut("B4", 64).judge(self.results(kept, peak)).met

    def test_what_is_kept_is_judged_exactly(self):
        self.assertIs(self.met(300, 300), True)
        self.assertIs(self.met(320, 300), False)

    def test_with_few_connections_it_is_one_message(self):
        for once, met in ((32, True), (34, False)):
            verdict = goals.MemoryOfFanOut("B4", 64).judge(self.results(300, 300, once))
            self.assertIs(verdict.met, met)
            self.assertIn(f"with 10 of them {once}.0 KiB in all", verdict.measured)

    def test_the_peak_is_judged_as_far_as_it_can_be_told(self):
        self.assertIs(self.met(300, 300 + goals.PEAK_ERROR_KIB), True)
        self.assertIs(self.met(300, 320 + goals.PEAK_ERROR_KIB), False)
        self.assertIn("give or take 52.5 B", goals.MemoryOfFanOut("B4", 64).judge(self.results(0, 0)).measured)

    def test_open_without_what_it_needs(self):
        results = self.results(0, 0)
        del results["fanout"]["cases"][0]["rounds"][0]["sluice"]["extra"]["rss_before_message_kib"]
        verdict = goals.MemoryOfFanOut("B4", 64).judge(results)
        self.assertIsNone(verdict.met)
        self.assertIn("sluice not measured at 10 connections", verdict.measured)


class InstructionsGoalTest(unittest.TestCase):
    def test_those_of_the_table(self):
        with tempfile.TemporaryDirectory() as folder:
            table = pathlib.Path(folder, "table.json")
            goal = goals.Instructions("B1", 60, ("a", "b"), table)
            self.assertIsNone(goal.judge({}).met)
            for value, met in ((60, True), (61, False)):
                counts = {label: {"per write()": value} for label in ("a", "b")}
                table.write_text(json.dumps({"counts": counts}), encoding="utf-8")
                self.assertIs(goal.judge({}).met, met)
            table.write_text(json.dumps({"counts": {"a": {"per write()": 60}}}), encoding="utf-8")
            self.assertIsNone(goal.judge({}).met)
            self.assertIn("not in the table: b", goal.judge({}).measured)

    def test_the_check_enforces_the_same_bound_at_the_same_depths(self):
        goal, = [goal for goal in goals.ALL if isinstance(goal, goals.Instructions)]
        self.assertEqual((goal.bound, goal.cases), (count.BOUND_OF_WRITE, count.BOUNDED))
        self.assertIn("at depth 16, 64, 256", goal.wanted())
        self.assertIn("bench.instructions", goal.wanted())


class AllGoalsTest(unittest.TestCase):
    def test_what_was_not_measured_is_open(self):
        verdicts = goals.judge_all({})
        self.assertEqual({verdict.met for verdict in verdicts}, {None})
        self.assertEqual({verdict.measured for verdict in verdicts}, {"not measured"})

    def test_what_was_measured_without_a_figure_is_open_and_says_why(self):
        results = {workload.name: support.fake_result(workload.name) for workload in workloads.ALL}
        for goal, verdict in zip(goals.ALL, goals.judge_all(results)):
            if not isinstance(goal, goals.Instructions):
                self.assertIsNone(verdict.met, goal)
            self.assertNotEqual(verdict.measured, "", goal)

    def test_a_tiny_run_decides_nothing(self):
        case = support.fake_case("5 writes", {"epoll": 100, "sluice": 100})
        results = {"pieces": support.fake_result("pieces", case, tiny=True)}
        self.assertEqual({verdict.met for verdict in goals.judge_all(results)}, {None})

    def test_every_goal_is_about_cases_that_exist(self):
        for goal in goals.ALL:
            labels = [case.label for case in workloads.BY_NAME[goal.workload].cases]
            for label in getattr(goal, "cases", ()):
                if not isinstance(goal, goals.Instructions):
                    self.assertIn(label, labels)


if __name__ == "__main__":
    unittest.main()
