"""Markdown, charts and files, from made-up results."""
import pathlib
import tempfile
import unittest
import xml.etree.ElementTree

import support
from driver import charts, document, render, svg, workloads

ECHO = support.fake_result(
    "echo", support.fake_case("64 B × 1", {"epoll": 100, "sluice": 104, "libuv": 210}, {"epoll": 100, "sluice": 102}),
    support.fake_case("64 B × 50", {"epoll": 100, "sluice": 101}))


RESULTS = support.BENCH / "results"


def rows_of(text, start):
    return [line for line in text.splitlines() if line.startswith(start)]


class CommittedResultsTest(unittest.TestCase):
    def test_every_page_and_chart_is_what_its_results_give(self):
        with tempfile.TemporaryDirectory(prefix="sluice-bench-test-") as name:
            folder = pathlib.Path(name)
            for path in RESULTS.glob("*.json"):
                (folder / path.name).write_bytes(path.read_bytes())
            render.render_folder(folder)
            self.assertEqual(sorted(path.name for path in folder.iterdir()),
                             sorted(path.name for path in RESULTS.iterdir() if path.is_file()))
            for path in folder.iterdir():
                with self.subTest(path.name):
                    self.assertEqual(path.read_bytes(), (RESULTS / path.name).read_bytes())


class SummaryTest(unittest.TestCase):
    def summary(self, *results):
        return render.summary({result["workload"]: support.fake_document(result) for result in results})

    def test_the_ratio_of_each_contender_in_each_case(self):
        text = self.summary(ECHO)
        self.assertIn("| Sluice | 1.03 (1.02..1.04) | 1.01 |", text)
        self.assertIn("| libuv | 2.10 |  |", text)

    def test_whichever_are_more_go_down(self):
        cases = [support.fake_case(f"case {number}", {"epoll": 100, "sluice": 100 + number}) for number in range(3)]
        self.assertIn("| case 2 | 1.00 | 1.02 |", self.summary(support.fake_result("echo", *cases)))

    def test_every_figure_of_every_case(self):
        self.assertIn("| 64 B × 1 | Sluice | 2 | 1.03 (1.02..1.04) | 103 (102..104) | 1,000 (1,000..1,000) | "
                      "10.0 (10.0..10.0) | 30.0 (30.0..30.0) | 4.00 (4.00..4.00) |", self.summary(ECHO))

    def test_goals_are_judged(self):
        text = self.summary(ECHO)
        self.assertEqual(len(rows_of(text, "| B2 | echo: ")), 2)
        self.assertIn("1.030 [1.020..1.040] (64 B × 1), 1.010 (64 B × 50); "
                      "sluice and epoll not measured at 64 B × 500, ", text)
        self.assertIn("| not measured | open |", text)

    def test_absence_and_failure_are_told(self):
        result = {**ECHO, "absent": {"node": "no node on this machine"},
                  "failures": [{"contender": "libuv", "case": "c", "round": 2, "what": "it broke"}]}
        text = self.summary(result)
        self.assertIn("Absent: Node.js (no node on this machine).", text)
        self.assertIn("**Failed**: libuv, c, round 2: it broke", text)

    def test_results_from_two_machines_are_told_apart(self):
        other = support.fake_document(support.fake_result("replies", support.fake_case("depth 16", {"epoll": 9})))
        other["machine"] = {"cpu": "another"}
        text = render.summary({"echo": support.fake_document(ECHO), "replies": other})
        self.assertIn("cpu a <fast> one", text)
        self.assertIn("cpu another", text)

    def test_every_workload_can_be_rendered(self):
        for workload in workloads.ALL:
            run = {}
            for figure in workload.figures:
                place = run
                *folders, last = figure.path.split(".")
                for key in folders:
                    place = place.setdefault(key, {})
                place[last] = 5
                if figure.over:
                    run[figure.over] = 2
            for of_workload in (workload.cases, workload.tiny):
                cases = [{**support.fake_case(case.label, x=case.x), "rounds": [{"epoll": run, "sluice": run}]}
                         for case in of_workload]
                result = support.fake_result(workload.name, *cases)
                self.assertIn(workload.title, self.summary(result))
                self.assertIn(workload.title, render.workload_text({}, result))
                xml.etree.ElementTree.fromstring(charts.chart(workload, result, render.title_of))


class ChartTest(unittest.TestCase):
    def test_is_well_formed_and_fits(self):
        for result in (ECHO, support.fake_result("echo", support.fake_case("c", {"sluice": 100})),
                       support.fake_result("echo", support.fake_case("c"))):
            root = xml.etree.ElementTree.fromstring(
                charts.chart(workloads.BY_NAME["echo"], result, render.title_of))
            width, height = float(root.get("width")), float(root.get("height"))
            for element in root.iter():
                for name, bound in (("x", width), ("x1", width), ("x2", width), ("cx", width),
                                    ("y", height), ("y1", height), ("y2", height), ("cy", height)):
                    if element.get(name):
                        self.assertTrue(0 <= float(element.get(name)) <= bound, element.attrib)

    def test_can_be_read_on_light_and_dark(self):
        self.assertEqual(svg.LIGHT.keys(), svg.DARK.keys())
        text = charts.chart(workloads.BY_NAME["echo"], ECHO, render.title_of)
        self.assertIn("prefers-color-scheme:dark", text)

    def test_words_are_escaped(self):
        drawing = svg.Drawing(100, 100, 'a "<title>"')
        drawing.text(1, 2, "a & b")
        xml.etree.ElementTree.fromstring(drawing.svg())


class LogScaleTest(unittest.TestCase):
    def test_equal_ratios_at_equal_distances(self):
        scale = svg.LogScale(1, 100, 0, 200)
        self.assertAlmostEqual(scale.at(10), 100)
        self.assertAlmostEqual(scale.at(1), 0)
        self.assertEqual([round(value, 6) for value in scale.ticks()], [1, 2, 5, 10, 20, 50, 100])

    def test_there_are_some_ticks_but_not_many(self):
        for low, high in ((0.97, 1.08), (0.9, 1.5), (0.5, 3), (1, 60), (0.001, 5000), (3, 3), (1, 10000)):
            self.assertTrue(2 <= len(svg.LogScale(low, high, 0, 1).ticks()) <= 8, (low, high))


class FilesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sluice-bench-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_what_is_written_is_read_again(self):
        one = support.fake_document(ECHO)
        document.write(self.folder / "echo.json", one)
        self.assertEqual(document.read_folder(self.folder), {"echo": one})

    def test_a_file_of_another_kind_is_refused(self):
        (self.folder / "other.json").write_text('{"format": 7}')
        with self.assertRaises(ValueError):
            document.read_folder(self.folder)

    def test_rendering_again_gives_the_same(self):
        document.write(self.folder / "echo.json", support.fake_document(ECHO))
        render.render_folder(self.folder)
        first = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        render.render_folder(self.folder)
        self.assertEqual(first, {path.name: path.read_bytes() for path in self.folder.iterdir()})
        self.assertEqual(sorted(first), ["echo.json", "echo.svg", "summary.md"])


if __name__ == "__main__":
    unittest.main()
