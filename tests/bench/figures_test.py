"""The arithmetic of the driver."""
import json
import pathlib
import tempfile
import unittest

import support
from driver import figures, goals, measure, workloads
from driver.figures import COST, Figure, LATENCY_P50, MESSAGES


class SpreadTest(unittest.TestCase):
    def test_median_least_and_greatest(self):
        self.assertEqual(figures.spread([3, 1, 8]), figures.Spread(3, 1, 8, 3))
        self.assertEqual(figures.spread([1, 2, 4, 8]), figures.Spread(3, 1, 8, 4))
        self.assertEqual(figures.spread([7]), figures.Spread(7, 7, 7, 1))

    def test_of_nothing_there_is_none(self):
        self.assertIsNone(figures.spread([]))


class FigureTest(unittest.TestCase):
    def test_scaled_and_divided(self):
        run = support.fake_report(100)
        self.assertEqual(COST.of(run), 100)
        self.assertEqual(MESSAGES.of(run), 1000)
        self.assertEqual(LATENCY_P50.of(run), 10)

    def test_what_is_not_there_is_none_and_not_zero(self):
        self.assertIsNone(LATENCY_P50.of(support.fake_report(100, latency_ns=None)))
        self.assertIsNone(Figure("extra.no.such", "", "").of(support.fake_report(100)))
        self.assertIsNone(MESSAGES.of(support.fake_report(100, window_ns=0)))
        self.assertIsNone(figures.look_up({"a": "text"}, "a"))
        self.assertIsNone(figures.look_up({"a": True}, "a"))


class RatioTest(unittest.TestCase):
    def test_is_to_the_limit_of_the_same_round(self):
        case = support.fake_case("c", {"epoll": 100, "sluice": 110}, {"epoll": 200, "sluice": 210})
        self.assertEqual(figures.ratios_of(case, "sluice", COST), [1.10, 1.05])

    def test_a_round_without_both_has_none(self):
        case = support.fake_case("c", {"epoll": 100}, {"sluice": 110}, {"epoll": 100, "sluice": 120})
        self.assertEqual(figures.ratios_of(case, "sluice", COST), [1.20])
        self.assertEqual(figures.values_of(case, "sluice", COST), [110, 120])

    def test_the_median_is_that_of_the_ratios(self):
        case = support.fake_case("c", {"epoll": 100, "sluice": 300}, {"epoll": 1000, "sluice": 1000},
                                 {"epoll": 10, "sluice": 20})
        self.assertEqual(figures.spread(figures.ratios_of(case, "sluice", COST)).median, 2)

    def test_summary_can_be_computed_again_from_the_rounds(self):
        case = support.fake_case("c", {"epoll": 100, "sluice": 110}, {"epoll": 100, "sluice": 130})
        entry = figures.summary_of(case, (COST,))["sluice"][COST.title]
        self.assertEqual(entry["value"], {"median": 120, "low": 110, "high": 130, "count": 2})
        self.assertAlmostEqual(entry["ratio_to_epoll"]["median"], 1.2)


class NumberTest(unittest.TestCase):
    def test_three_digits_and_no_exponent(self):
        for value, text in ((0, "0"), (0.0123, "0.0123"), (0.5, "0.500"), (1.234, "1.23"), (12.34, "12.3"),
                            (123.4, "123"), (12345, "12,345"), (-1.5, "-1.50")):
            self.assertEqual(figures.number(value), text)

    def test_with_its_spread(self):
        self.assertEqual(figures.with_spread(figures.spread([1, 2, 4])), "2.00 (1.00..4.00)")
        self.assertEqual(figures.with_spread(figures.spread([2])), "2.00")
        self.assertEqual(figures.with_spread(None), "")


class RoundsTest(unittest.TestCase):
    def rounds(self, of_all, of_contender):
        return [number for number in range(of_all) if measure.takes_part(number, of_all, of_contender)]

    def test_fewer_rounds_are_spread_over_all(self):
        self.assertEqual(self.rounds(15, 15), list(range(15)))
        self.assertEqual(self.rounds(15, 5), [2, 5, 8, 11, 14])
        self.assertEqual(self.rounds(5, 9), list(range(5)))
        self.assertEqual(len(self.rounds(7, 3)), 3)


class GoalTest(unittest.TestCase):
    def judge(self, goal, *cases, **changes):
        return goal.judge({goal.workload: support.fake_result(goal.workload, *cases, **changes)})

    def test_ratio(self):
        goal = goals.Ratio("B1", "replies", 1.05, ("depth 16", "depth 64"))
        good = support.fake_case("depth 16", {"epoll": 100, "sluice": 105})
        bad = support.fake_case("depth 64", {"epoll": 100, "sluice": 106})
        other = support.fake_case("depth 1", {"epoll": 100, "sluice": 200})
        self.assertIs(self.judge(goal, good, other).met, True)
        verdict = self.judge(goal, good, bad)
        self.assertIs(verdict.met, False)
        self.assertIn("1.060 (depth 64)", verdict.measured)
        self.assertIn("above the bound: depth 64", verdict.measured)

    def test_ratio_to_another_contender(self):
        goal = goals.Ratio("B12", "echo", 1.10, contender="sluice-coroutines", against="sluice")
        case = support.fake_case("c", {"epoll": 100, "sluice": 200, "sluice-coroutines": 210})
        self.assertIs(self.judge(goal, case).met, True)
        self.assertEqual(self.judge(goal, case).measured, "1.050")

    def test_ahead_of_peers(self):
        goal = goals.AheadOfPeers("B2", "echo")
        ahead = support.fake_case("a", {"sluice": 100, "libuv": 110, "node": 900})
        behind = support.fake_case("b", {"sluice": 100, "libuv": 80})
        self.assertIs(self.judge(goal, ahead).met, True)
        self.assertIs(self.judge(goal, ahead, behind).met, False)
        self.assertEqual(self.judge(goal, ahead, behind).measured, "1.250 of libuv at b")
        self.assertIsNone(self.judge(goal, support.fake_case("c", {"sluice": 100, "epoll": 80})))

    def test_constant(self):
        goal = goals.Constant("B6", "echo", 1.10)
        small, large = (support.fake_case(label, {"sluice": cost}) for label, cost in (("a", 100), ("b", 109)))
        self.assertIs(self.judge(goal, small, large).met, True)
        self.assertIs(self.judge(goal, small, large, support.fake_case("c", {"sluice": 90})).met, False)

    def test_at_most(self):
        goal = goals.AtMost("B7", "echo", COST, 512)
        self.assertIs(self.judge(goal, support.fake_case("c", {"sluice": 512})).met, True)
        self.assertIs(self.judge(goal, support.fake_case("c", {"sluice": 513})).met, False)

    def test_memory_is_returned(self):
        goal = goals.Returned("B6", "deep", figures.RSS_QUEUED, figures.RSS_AFTER_DRAIN, figures.RSS_BEFORE, 0.10)
        for after, met in ((2000, True), (2010, True), (2011, False), (1900, True)):
            case = support.fake_case("c", {"sluice": 100})
            case["rounds"][0]["sluice"]["extra"] = {"rss_before_kib": 2000, "rss_queued_kib": 2100,
                                                    "rss_after_kib": after}
            self.assertIs(self.judge(goal, case).met, met)
        self.assertIsNone(self.judge(goal, support.fake_case("c", {"sluice": 100})))

    def test_least_of_all(self):
        goal = goals.LeastOfAll("B7", "echo")
        self.assertIs(self.judge(goal, support.fake_case("c", {"epoll": 5, "sluice": 4})).met, True)
        self.assertIs(self.judge(goal, support.fake_case("c", {"epoll": 3, "sluice": 4, "node": 9})).met, False)

    def test_scaling_is_open_where_the_load_has_no_core(self):
        goal = goals.Scaling("", "echo", 1.8)
        cases = [support.fake_case(f"threads {threads}", {"sluice": 100}, x=threads) for threads in (1, 2)]
        cases[1]["rounds"][0]["sluice"]["messages"] *= 1.9
        self.assertIsNone(self.judge(goal, *cases).met)
        self.assertIn("2 cores, and 3 are needed", self.judge(goal, *cases).measured)
        self.assertIs(self.judge(goal, *cases, cores=4).met, True)
        cases[1]["rounds"][0]["sluice"]["messages"] = 1000
        self.assertIs(self.judge(goal, *cases, cores=4).met, False)

    def test_what_was_not_measured_is_open(self):
        verdicts = goals.judge_all({})
        self.assertEqual({verdict.met for verdict in verdicts}, {None})
        self.assertEqual({verdict.measured for verdict in verdicts}, {"not measured"})

    def test_every_goal_is_about_cases_that_exist(self):
        for goal in goals.ALL:
            labels = [case.label for case in workloads.BY_NAME[goal.workload].cases]
            for label in getattr(goal, "cases", ()):
                if not isinstance(goal, goals.Instructions):
                    self.assertIn(label, labels)

    def test_memory_of_fan_out_is_what_idle_connections_do_not_take(self):
        cases = [support.fake_case(f"{count} connections", {"sluice": 100}) for count in (10, 1010)]
        cases[1]["rounds"][0]["sluice"]["rss_peak_kib"] += 500
        idle = support.fake_case("idle", {"sluice": 100})
        idle["rounds"][0]["sluice"]["extra"]["bytes_per_connection_after_echo"] = 450
        results = {"fanout": support.fake_result("fanout", *cases), "idle": support.fake_result("idle", idle)}
        self.assertIs(goals.MemoryOfFanOut("B4", 64).judge(results).met, True)
        self.assertIs(goals.MemoryOfFanOut("B4", 61).judge(results).met, False)
        self.assertIsNone(goals.MemoryOfFanOut("B4", 64).judge({"fanout": results["fanout"]}))

    def test_instructions_are_those_of_the_table(self):
        with tempfile.TemporaryDirectory() as folder:
            table = pathlib.Path(folder, "table.json")
            goal = goals.Instructions("B1", 60, ("a",), table)
            self.assertIsNone(goal.judge({}))
            for count, met in ((60, True), (61, False)):
                table.write_text(json.dumps({"counts": {"a": {"per write()": count}}}), encoding="utf-8")
                self.assertIs(goal.judge({}).met, met)


if __name__ == "__main__":
    unittest.main()
