"""Trials: changes that the library's text still allows, and what is measured and told of them."""
import concurrent.futures
import contextlib
import io
import os
import pathlib
import subprocess
import tempfile
import unittest

from support import ROOT, FolderTestCase, ProgramsTestCase, fake_document
from driver import document, trial, trial_main, trials, workloads
from driver.processes import RunFailed


class Silent:
    def show(self, _text):
        pass


class ChangesTest(FolderTestCase):
    def setUp(self):
        super().setUp()
        self.root = self.folder
        (self.root / "a.hpp").write_text("size = 1; other = 1;", encoding="utf-8")

    def test_each_change_is_possible_in_this_checkout(self):
        for one in trials.ALL:
            for change in one.changes:
                with self.subTest(trial=one.name, change=change.label):
                    now = (ROOT / change.file).read_text(encoding="utf-8")
                    self.assertNotEqual(change.applied(ROOT), now)

    def test_the_library_compiles_with_each_change(self):
        changes = [(one.name, change) for one in trials.ALL for change in one.changes]
        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as compilers:
            found = compilers.map(lambda named: self.problems_with(named[1]), changes)
            for (name, change), problems in zip(changes, found):
                with self.subTest(trial=name, change=change.label):
                    self.assertEqual(problems, "")

    def test_a_change_that_does_not_compile_is_told(self):
        change = trials.Change("nonsense", "src/loop/reactor.hpp", "batch = 256;", "batch = nonsense;")
        self.assertIn("nonsense", self.problems_with(change))

    def problems_with(self, change):
        """What the compiler says of the file, or of the one that a header belongs to."""
        with tempfile.TemporaryDirectory(dir=self.folder) as overlay:
            changed = pathlib.Path(overlay, change.file)
            changed.parent.mkdir(parents=True)
            changed.write_text(change.applied(ROOT), encoding="utf-8")
            source = pathlib.Path(change.file).with_suffix(".cpp")
            place = changed if changed.suffix == ".cpp" else ROOT / source
            command = [os.environ.get("CXX", "c++"), "-std=c++20", "-fsyntax-only", f"-I{overlay}/src",
                       *(f"-I{ROOT / part}" for part in ("src", "include")), str(place)]
            return subprocess.run(command, capture_output=True, text=True, check=False).stderr

    def test_each_case_is_one_of_its_workload(self):
        for one in trials.ALL:
            for name, label in one.cases:
                self.assertIn(label, [case.label for case in workloads.BY_NAME[name].cases], one.name)

    def test_a_change_replaces_what_it_names(self):
        change = trials.constant("a.hpp", "size", "1", (("two", "2"),))[0]
        self.assertEqual(change.applied(self.root), "size = 2; other = 1;")

    def test_a_change_that_finds_its_text_never_or_twice_is_stale(self):
        for old in ("size = 3;", "= 1;"):
            with self.assertRaisesRegex(trials.Stale, "a.hpp"):
                trials.Change("it", "a.hpp", old, "").applied(self.root)


class CopyTest(FolderTestCase):
    def setUp(self):
        super().setUp()
        self.root, self.tree = self.folder / "root", self.folder / "tree"
        (self.root / "src").mkdir(parents=True)
        (self.root / "build").mkdir()
        (self.root / "src/a.hpp").write_text("one", encoding="utf-8")
        trial.copy_of(self.root, self.tree)
        self.copy = self.tree / "src/a.hpp"
        os.utime(self.copy, (1, 1))

    def test_what_is_built_is_not_copied(self):
        self.assertEqual([path.name for path in self.tree.iterdir()], ["src"])

    def test_what_is_as_before_need_not_be_built_again(self):
        trial.copy_of(self.root, self.tree)
        self.assertEqual(self.copy.stat().st_mtime, 1)

    def test_what_is_gone_from_the_checkout_is_gone(self):
        (self.tree / "src/b.cpp").write_text("old", encoding="utf-8")
        trial.copy_of(self.root, self.tree)
        self.assertEqual([path.name for path in (self.tree / "src").iterdir()], ["a.hpp"])

    def test_what_was_changed_is_as_in_the_checkout_again_and_newer(self):
        self.copy.write_text("changed", encoding="utf-8")
        os.utime(self.copy, (1, 1))
        trial.copy_of(self.root, self.tree)
        self.assertEqual(self.copy.read_text(encoding="utf-8"), "one")
        self.assertGreater(self.copy.stat().st_mtime, 1)


class BuildTest(FolderTestCase):
    def setUp(self):
        super().setUp()
        self.root, self.work = self.folder / "root", self.folder / "work"
        (self.root / "scripts").mkdir(parents=True)
        (self.root / "src").mkdir()
        (self.root / "src/a.hpp").write_text("size = 1;", encoding="utf-8")
        build = self.root / "scripts/build"
        # What it builds says what it was built from.
        build.write_text("#!/bin/sh\nmkdir -p build/bench/bin\necho built >>../builds\n"
                         "cp src/a.hpp build/bench/bin/$2\n", encoding="utf-8")
        build.chmod(0o755)

    def programs_of(self, value):
        change = trials.constant("src/a.hpp", "size", "1", ((value, value),))[0] if value != "1" else None
        trial.programs_of(change, self.root, self.work, self.work / value, self.root, Silent())
        return (self.work / value / trial.PROGRAM).read_text(encoding="utf-8")

    def builds(self):
        return len((self.work / "builds").read_text(encoding="utf-8").splitlines())

    def test_the_program_is_that_of_the_change(self):
        self.assertEqual(self.programs_of("2"), "size = 2;")
        self.assertEqual(self.programs_of("3"), "size = 3;")

    def test_without_a_change_it_is_that_of_the_checkout(self):
        self.programs_of("2")
        self.assertEqual(self.programs_of("1"), "size = 1;")

    def test_what_was_built_from_the_same_is_not_built_again(self):
        self.programs_of("2")
        self.programs_of("3")
        self.assertEqual((self.programs_of("2"), self.builds()), ("size = 2;", 2))

    def test_after_a_change_of_the_checkout_it_is_built_again(self):
        self.programs_of("2")
        (self.root / "src/a.hpp").write_text("size = 1; // more", encoding="utf-8")
        self.assertEqual((self.programs_of("2"), self.builds()), ("size = 2; // more", 2))

    def test_a_library_that_does_not_build_is_told_with_its_log(self):
        (self.root / "scripts/build").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        with self.assertRaisesRegex(RunFailed, "does not build; .*build.log says why"):
            self.programs_of("2")


class MeasureTest(ProgramsTestCase):
    def setUp(self):
        super().setUp()
        self.put_load()
        self.put_server("bench_sluice")

    def measure(self, *changed):
        one = trials.Trial("it", "It", "", (), (("echo", "64 B × 1"),))
        folders = {trial.AS_IT_IS: self.folder, trial.AGAIN: self.folder, **dict(changed)}
        return trial.measure(one, folders, 2, Silent())

    def test_each_round_has_a_cost_of_everything_that_is_compared(self):
        case = self.measure(("changed", self.folder))["cases"][0]
        costs = {trial.AS_IT_IS: 400.0, trial.AGAIN: 400.0, "changed": 400.0}
        self.assertEqual(case, {"workload": "echo", "case": "64 B × 1", "rounds": [costs, costs]})

    def test_a_library_that_delivers_other_bytes_is_not_compared(self):
        other = ProgramsTestCase()
        other.setUp()
        self.addCleanup(other.doCleanups)
        other.put_load()
        other.put_server("bench_sluice", wrong=True)
        with self.assertRaisesRegex(RunFailed, "delivered other bytes than as it is"):
            self.measure(("spoilt", other.folder))

    def test_a_server_that_fails_ends_the_trial(self):
        self.put_server("bench_sluice", fails=True)
        with self.assertRaisesRegex(RunFailed, "echo, 64 B × 1"):
            self.measure()


class PageTest(unittest.TestCase):
    def test_a_change_is_told_as_a_ratio_to_what_is_in_the_same_round(self):
        rounds = [{trial.AS_IT_IS: 100.0, trial.AGAIN: 101.0, "smaller": 90.0},
                  {trial.AS_IT_IS: 200.0, trial.AGAIN: 198.0, "smaller": 220.0},
                  {trial.AS_IT_IS: 100.0, trial.AGAIN: 100.0, "smaller": 120.0}]
        result = {"trial": "it", "pinning": "somewhere", "rounds": 3,
                  "cases": [{"workload": "echo", "case": "64 B × 1", "rounds": rounds}]}
        one = trials.Trial("it", "It", "As it is.", (trials.Change("smaller", "a", "b", "c"),), ())
        text = trial.text_of(fake_document(result), one)
        self.assertIn("|  | as it is | as it is, again | smaller |", text)
        self.assertIn("| echo, 64 B × 1 | 100 ns | 1.00 (0.99..1.01) | 1.10 (0.90..1.20) |", text)


class CommittedPagesTest(unittest.TestCase):
    def test_every_page_is_what_its_results_give(self):
        for path in sorted(trial_main.RESULTS.glob("*.json")):
            with self.subTest(path.name):
                one = document.read(path)
                self.assertEqual(path.with_suffix(".md").read_text(encoding="utf-8"),
                                 trial.text_of(one, trials.BY_NAME[one["results"][0]["trial"]]))


class CommandLineTest(unittest.TestCase):
    def test_a_trial_that_is_not_there_is_refused_with_those_that_are(self):
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as said:
            trial_main.parse(["nothing"])
        self.assertIn("there is no trial 'nothing'; there are flush, slab", said.getvalue())

    def test_without_a_name_all_are_measured(self):
        self.assertEqual(trial_main.parse([]).trials, [])
