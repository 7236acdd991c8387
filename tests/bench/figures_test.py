"""The arithmetic of the driver."""
import math
import unittest
import unittest.mock

import support
from driver import figures, measure, processes
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


class PinningTest(unittest.TestCase):
    def described(self, cores, siblings):
        with unittest.mock.patch.object(processes, "siblings", siblings):
            return processes.Pinning(cores).describe()

    def test_the_result_says_whether_they_share_a_core(self):
        alone, paired = (lambda core: {core}), (lambda core: {core & ~1, core | 1})
        self.assertEqual(self.described([0, 1], alone), "server on core 1, load on core 0")
        self.assertEqual(self.described([0, 1, 2, 3], paired), "server on core 2, load on core 0")
        self.assertEqual(self.described([0, 1], paired),
                         "server on core 1, load on core 0, two hardware threads of the same core")
        self.assertEqual(self.described([3], alone), "server and load share core 3")


class RangeOfMedianTest(unittest.TestCase):
    def test_with_few_values_it_is_all_of_them(self):
        self.assertEqual(figures.range_of_median([3]), (3, 3))
        self.assertEqual(figures.range_of_median([5, 1, 4, 2, 3]), (1, 5))

    def test_of_fifteen_it_is_from_the_fourth_to_the_twelfth(self):
        self.assertEqual(figures.range_of_median(range(15, 0, -1)), (4, 12))

    def test_it_holds_the_median_as_often_as_it_says(self):
        # All ways in which so many values can lie above and below the true median.
        for count in (6, 9, 15):
            low, high = figures.range_of_median(range(1, count + 1))
            missed = sum(math.comb(count, below) for below in range(count + 1) if below < low or below >= high)
            self.assertLessEqual(missed / 2 ** count, 0.05)


if __name__ == "__main__":
    unittest.main()
