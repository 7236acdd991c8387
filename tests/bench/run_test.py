"""bench/run with stand-ins for the programs: what it reports, and what it does not let pass."""
import dataclasses
import functools
import json
import os
import pathlib
import socket
import subprocess
import types
import unittest
from unittest import mock

from support import BENCH, FolderTestCase, INTERRUPTING_LOAD, ProgramsTestCase, SPOILING_ECHO, fake_report
from driver import measure, workloads
from driver.processes import NotOffered, Pinning

TINY_ECHO = ("--tiny", "--workload", "echo", "--contenders", "epoll,sluice")


class RunTest(ProgramsTestCase):
    def setUp(self):
        super().setUp()
        self.put_load()
        self.put_server("bench_epoll")
        self.put_server("bench_sluice")

    def test_every_raw_value_is_in_the_results(self):
        json_file = self.folder / "all.json"
        done = self.bench(*TINY_ECHO, "--repeat", 3, "--json", json_file)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        content = json.loads(json_file.read_text())
        case = content["results"][0]["cases"][0]
        self.assertEqual([list(runs) for runs in case["rounds"]], [["epoll", "sluice"]] * 3)
        self.assertEqual(case["rounds"][0]["sluice"]["messages"], 1000)
        self.assertEqual(case["summary"]["sluice"]["server CPU per message"]["ratio_to_epoll"]["median"], 1)
        self.assertGreater(content["machine"]["cores"], 0)

    def test_the_commit_is_that_of_the_programs(self):
        json_file = self.folder / "all.json"
        for written, told in ((None, "unknown"), ("0123456789ab+", "0123456789ab+")):
            if written:
                (self.folder / "revision").write_text(written + "\n")
            self.bench(*TINY_ECHO, "--json", json_file)
            self.assertEqual(json.loads(json_file.read_text())["sluice"], told)

    def test_the_load_has_a_thread_for_each_core_that_the_threads_of_the_server_leave(self):
        case = workloads.BY_NAME["scaling_echo"].cases[1]
        self.assertEqual(case.x, 2)
        for name, cores, words in (("scaling_echo", 6, ("--load-threads", "4")), ("scaling_echo", 3, ()),
                                   ("scaling_echo", 2, ()), ("echo", 6, ())):
            settings = types.SimpleNamespace(tiny=True)
            one = measure.Measurement(workloads.BY_NAME[name], (), self.folder, self.folder, settings, None)
            one.pinning = Pinning(range(cores))
            self.assertEqual(one.load_threads(case), words, (name, cores))

    def test_says_on_standard_output_what_was_measured(self):
        done = self.bench(*TINY_ECHO)
        self.assertIn("Echo ping-pong", done.stdout)
        self.assertRegex(done.stdout, r"1 KiB × 2 +Sluice +1 +1.00 +400 ")

    def test_results_are_written_and_nothing_is_said(self):
        results = self.folder / "results"
        done = self.bench(*TINY_ECHO, "--results", results)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertEqual(sorted(path.name for path in results.iterdir()),
                         ["echo.json", "echo.svg", "summary.md"])

    def test_a_contender_that_is_not_built_is_absent(self):
        done = self.bench("--tiny", "--workload", "echo", "--contenders", "epoll,libuv")
        self.assertEqual(done.returncode, 0)
        self.assertIn("absent: libuv: bench_libuv is not built: scripts/build bench does it, with libuv1-dev", done.stdout)

    def test_a_contender_without_the_workload_is_absent(self):
        self.put_server("bench_sluice", lacks=True)
        done = self.bench(*TINY_ECHO)
        self.assertEqual(done.returncode, 0)
        self.assertIn("absent: sluice: unknown workload", done.stdout)

    def test_a_contender_that_is_required_must_be_there(self):
        done = self.bench("--tiny", "--workload", "echo", "--contenders", "epoll,libuv", "--require", "epoll,libuv")
        self.assertEqual(done.returncode, 1)
        self.assertIn("echo: libuv is absent", done.stderr)

    def test_with_nobody_there_it_fails(self):
        done = self.bench("--tiny", "--workload", "echo", "--contenders", "libuv")
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing was measured for echo", done.stderr)

    def test_names_that_do_not_exist_are_refused(self):
        for arguments in (("--workload", "ecco"), ("--contenders", "sloice"), ("--repeat", "0")):
            self.assertEqual(self.bench(*arguments).returncode, 2)

    def test_without_a_build_it_says_how_to_make_one(self):
        pathlib.Path(self.folder / "bench_load").unlink()
        done = self.bench(*TINY_ECHO)
        self.assertEqual(done.returncode, 1)
        self.assertIn("scripts/build bench", done.stderr)


class RoundsTest(unittest.TestCase):
    def test_a_case_that_takes_peers_long_has_fewer_rounds_of_theirs(self):
        case = workloads.Case("long", rounds_of_peers=1)
        self.assertEqual([workloads.DEEP.rounds_of(name, case) for name in ("libuv", "sluice")],
                         [1, workloads.DEEP.rounds])
        self.assertEqual(workloads.DEEP.rounds_of("libuv", workloads.Case("short")), workloads.DEEP.rounds_of_peers)


class Offering(measure.Measurement):
    """Everyone delivers, but for what is not offered: pairs of a contender and a case."""
    lacking = ()

    def command_of(self, _name):
        return []

    def run_round(self, case, names, _what):
        for name in names:
            yield name, functools.partial(self.offer, case, name)

    def offer(self, case, name):
        if (name, case.label) in self.lacking:
            raise NotOffered("not that")
        return fake_report(100)


class TargetTest(FolderTestCase):
    def test_the_port_that_a_relay_connects_to_is_taken_before_the_relay_starts(self):
        one = Offering(workloads.RELAY, (), self.folder, self.folder, types.SimpleNamespace(tiny=True), None)
        case = one.cases[0]
        with one.prepared(case, "epoll") as (command, places):
            self.assertEqual(command, ["--to", str(places["target_port"])])
            with socket.socket() as other, self.assertRaisesRegex(OSError, "in use"):
                other.bind(("127.0.0.1", places["target_port"]))
            server = types.SimpleNamespace(port=1, process=types.SimpleNamespace(pid=2))
            self.assertIn(f"--listener {places['target']}", " ".join(one.load_command(case, server, places)))


class OutputTest(unittest.TestCase):
    def test_a_reader_that_has_seen_enough_is_no_error(self):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run([str(BENCH / "run"), "--list"], check=False, stdout=write, stderr=subprocess.PIPE, text=True)
        os.close(write)
        self.assertEqual((done.returncode, done.stderr), (1, ""))


class FolderWithoutResultsTest(ProgramsTestCase):
    def test_nothing_is_made_of_it(self):
        for folder in (self.folder / "nowhere", self.folder):
            for program in ("run", "growth", "profile", "trial"):
                arguments = ["--render", "--results", str(folder)]
                done = subprocess.run([str(BENCH / program), *arguments], check=False, capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stdout), (1, ""), (program, done.stderr))
                self.assertEqual(done.stderr, f"bench/{program}: no results in {folder}\n")
        self.assertEqual(list(self.folder.iterdir()), [])


class MicroTest(ProgramsTestCase):
    def test_a_program_that_is_not_built_is_told(self):
        self.put_load()
        self.put("bench_micro_timers", "#!/bin/sh\necho '{\"benchmarks\": []}'\n")
        done = self.bench("--tiny", "--workload", "micro")
        self.assertIn("absent: bench_micro_call_soon: it is not built", done.stdout)
        self.assertNotIn("absent: bench_micro_timers", done.stdout)


class NotOfferedTest(unittest.TestCase):
    def measured(self, *lacking):
        workload = dataclasses.replace(workloads.PIECES, cases=(workloads.Case("one"), workloads.Case("two")))
        measurement = Offering(workload, ("epoll", "sluice", "libuv"), pathlib.Path(), "",
                               types.SimpleNamespace(repeat=1, tiny=False), mock.Mock())
        measurement.lacking = lacking
        return measurement.run()

    def test_who_lacks_one_case_takes_part_in_the_others(self):
        result = self.measured(("libuv", "one"))
        self.assertEqual([list(case["rounds"][0]) for case in result["cases"]],
                         [["epoll", "sluice"], ["epoll", "sluice", "libuv"]])
        self.assertEqual((result["absent"], result["failures"]), ({}, []))

    def test_who_lacks_all_of_them_is_absent(self):
        result = self.measured(("libuv", "one"), ("libuv", "two"))
        self.assertEqual((result["absent"], result["failures"]), ({"libuv": "not that"}, []))


class FailureTest(ProgramsTestCase):
    def assert_fails(self, words):
        results = self.folder / "results"
        done = self.bench(*TINY_ECHO, "--repeat", 2, "--results", results)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("FAILED echo, 1 KiB × 2, round 1, sluice: ", done.stderr)
        self.assertIn(words, done.stderr)
        self.assertIn("**Failed**: Sluice", (results / "summary.md").read_text())
        rounds = json.loads((results / "echo.json").read_text())["results"][0]["cases"][0]["rounds"]
        self.assertEqual([list(runs) for runs in rounds], [["epoll"]] * 2)

    def setUp(self):
        super().setUp()
        self.put_load()
        self.put_server("bench_epoll")

    def test_other_bytes(self):
        self.put_server("bench_sluice", wrong=True)
        self.assert_fails("delivered other bytes than epoll")

    def test_a_server_that_fails_at_its_end(self):
        self.put_server("bench_sluice", fails=True)
        self.assert_fails("the server ended with status 1")

    def test_a_server_that_does_not_start(self):
        self.put("bench_sluice", "#!/bin/sh\necho 'no luck' >&2\nexit 1\n")
        self.assert_fails("ended with status 1 before it listened: no luck")

    def test_a_server_that_talks_nonsense(self):
        self.put("bench_sluice", "#!/bin/sh\necho hello\ncat\n")
        self.assert_fails("the server said 'hello' instead of its port")

    def test_a_server_that_cannot_be_executed(self):
        self.put("bench_sluice", "#!/no/such/interpreter\n")
        self.assert_fails("bench_sluice: No such file")


class RealProgramsTest(ProgramsTestCase):
    def test_a_server_that_spoils_bytes_fails_beside_the_real_limit(self):
        for name in ("bench_load", "bench_epoll"):
            (self.folder / name).symlink_to(pathlib.Path(os.environ["SLUICE_BENCH_BIN"], name))
        self.put("bench_sluice", SPOILING_ECHO)
        done = self.bench(*TINY_ECHO)
        self.assertEqual(done.returncode, 1)
        self.assertIn("sluice: delivered other bytes than epoll", done.stderr)


class LoadTest(ProgramsTestCase):
    def setUp(self):
        super().setUp()
        self.put_server("bench_epoll")

    def assert_refused(self, words):
        done = self.bench("--tiny", "--workload", "echo", "--contenders", "epoll")
        self.assertEqual(done.returncode, 1)
        self.assertIn(words, done.stderr)

    def test_a_figure_that_is_missing_or_not_positive(self):
        for changes, words in (({"messages": 0}, "no positive messages"),
                               ({"server_cpu_ns": None}, "no positive server_cpu_ns"),
                               ({"latency_ns": None}, "no positive latency p50"),
                               ({"rss_peak_kib": "much"}, "no positive rss_peak_kib"),
                               ({"sha256": ""}, "no SHA-256")):
            self.put_load(**changes)
            self.assert_refused(words)

    def test_a_load_that_fails(self):
        self.put("bench_load", "#!/bin/sh\necho 'no progress' >&2\nexit 1\n")
        self.assert_refused("the load ended with status 1: no progress")

    def test_an_interrupt_is_told_as_a_shell_tells_it(self):
        self.put("bench_load", INTERRUPTING_LOAD)
        done = self.bench("--tiny", "--workload", "echo", "--contenders", "epoll")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (130, "", ""))

    def test_a_run_that_is_terminated_leaves_no_process(self):
        place = self.folder / "load_process"
        self.put("bench_load", "#!/bin/sh\n"
                 f"echo $$ > {place}.new && mv {place}.new {place} && kill -TERM $PPID && exec cat /dev/zero\n")
        done = self.bench("--tiny", "--workload", "echo", "--contenders", "epoll")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (143, "", ""))
        self.assertFalse(pathlib.Path("/proc", place.read_text().strip()).exists())

    def test_a_load_whose_report_is_none(self):
        self.put("bench_load", "#!/bin/sh\necho done\n")
        self.assert_refused("the load's report is no JSON")
        self.put("bench_load", "#!/bin/sh\necho '[]'\n")
        self.assert_refused("the load's report is no object")


if __name__ == "__main__":
    unittest.main()
