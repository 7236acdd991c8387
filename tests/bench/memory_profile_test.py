"""Profiles of memory: from what DHAT writes to a page, from made-up heaps, and real servers under DHAT."""
import contextlib
import dataclasses
import io
import json
import os
import pathlib
import socket
import types
import unittest
from unittest import mock

from support import ProgramsTestCase
from driver import crowd, dhat, memory_profile, profile_main, workloads
from driver.dhat import Memory
from driver.progress import Progress

FRAMES = ["[root]",
          "0x4841F2F: operator new(unsigned long) (in /usr/libexec/valgrind/vgpreload_dhat-amd64-linux.so)",
          "0x1594DD: std::vector<int, std::allocator<int> >::reserve(unsigned long) (in /a/bench_sluice)",
          "0x1594DE: sluice::Reactor::claim(int) (in /a/bench_sluice)",
          "0x183A19: sluice::Transport::create(sluice::Loop&) (transport.cpp:12)",
          "0x49027B9: ??? (in /usr/lib/libstdc++.so.6)",
          "0x166896: sluice::Server::accept() const (in /a/bench_sluice)",
          "0x1306CC: main (in /a/bench_sluice)"]
CHAIN = ("sluice::Reactor::claim(int)", "sluice::Transport::create(sluice::Loop&)", "sluice::Server::accept() const")


def heap(*points, version=2):
    """What DHAT could write; a point is frames, bytes and blocks at the peak, bytes and blocks at the end."""
    return json.dumps({"dhatFileVersion": version, "ftbl": FRAMES,
                       "pps": [dict(zip(("fs", "gb", "gbk", "eb", "ebk"), point)) for point in points]})


class DhatTest(unittest.TestCase):
    def test_what_is_alive_is_told_by_the_innermost_functions_that_do_not_only_allocate(self):
        peak, _ = dhat.read(heap(([1, 2, 3, 4, 5, 6, 7], 100, 1, 0, 0)))
        self.assertEqual(list(peak), [CHAIN])

    def test_the_peak_and_the_end_are_told_apart(self):
        peak, end = dhat.read(heap(([3, 4, 6], 1000, 10, 24, 1)))
        self.assertEqual((peak[CHAIN].bytes, peak[CHAIN].blocks), (1000, 10))
        self.assertEqual((end[CHAIN].bytes, end[CHAIN].blocks), (24, 1))

    def test_places_of_one_chain_are_added_up(self):
        peak, _ = dhat.read(heap(([1, 3, 4, 6], 100, 1, 0, 0), ([1, 2, 3, 4, 6], 40, 2, 0, 0)))
        self.assertEqual((peak[CHAIN].bytes, peak[CHAIN].blocks), (140, 3))

    def test_memory_that_no_function_with_a_name_asked_for_is_told_as_such(self):
        peak, _ = dhat.read(heap(([1, 5], 7, 1, 0, 0)))
        self.assertEqual(list(peak), [(dhat.UNKNOWN,)])

    def test_another_format_is_refused(self):
        with self.assertRaisesRegex(ValueError, "version 3, not 2"):
            dhat.read(heap(version=3))

    def test_the_share_of_malloc_is_a_header_and_what_it_rounds_up(self):
        for size, taken in ((1, 32), (24, 32), (25, 48), (40, 48), (41, 64), (512, 528)):
            self.assertEqual(dhat.memory_of(size, 1), Memory(size, 1, taken))

    def test_it_is_taken_for_each_block(self):
        self.assertEqual(dhat.memory_of(400, 10), Memory(400, 10, 480))

    def test_nothing_takes_nothing(self):
        self.assertEqual(dhat.memory_of(0, 0), Memory())


class CrowdTest(unittest.TestCase):
    def setUp(self):
        self.here, self.there = socket.socketpair()
        self.addCleanup(self.here.close)
        self.addCleanup(self.there.close)

    def test_what_arrives_in_pieces_is_received_whole(self):
        self.there.sendall(b"ab")
        self.there.sendall(b"cdef")
        self.assertEqual(crowd.receive(self.here, 5), b"abcde")

    def test_a_server_that_closes_a_connection_is_an_error(self):
        self.there.sendall(b"ab")
        self.there.close()
        with self.assertRaisesRegex(ConnectionError, "the server closed a connection"):
            crowd.receive(self.here, 5)


class GrowthTest(unittest.TestCase):
    def test_what_the_server_takes_once_is_no_connections(self):
        few, many = {("a",): Memory(4096 + 400, 11, 5000)}, {("a",): Memory(4096 + 4000, 101, 9500)}
        self.assertEqual(memory_profile.growth(few, many, 90), {("a",): Memory(40, 1, 50)})

    def test_a_chain_that_only_one_run_has_is_compared_with_nothing(self):
        self.assertEqual(memory_profile.growth({("a",): Memory(9, 9, 9)}, {("b",): Memory(9, 9, 9)}, 9),
                         {("a",): Memory(-1, -1, -1), ("b",): Memory(1, 1, 1)})

    def test_what_is_small_at_every_moment_is_added_up(self):
        memory = {"end": {("a",): Memory(0.1, 0, 0.2), ("b",): Memory(0.1, 0, 0.1)},
                  "peak": {("a",): Memory(0.1, 0, 0.2), ("b",): Memory(9, 1, 9), ("c",): Memory(0.25, 0, 0.25)}}
        told = memory_profile.without_small(memory)
        self.assertEqual(told["end"]["b"], {"bytes": 0.1, "blocks": 0, "taken": 0.1})
        self.assertEqual(told["peak"][memory_profile.OTHERS]["bytes"], 0.35)
        self.assertEqual(list(told["peak"]), [memory_profile.OTHERS, "b"])

    def test_a_chain_without_a_growth_is_left_out(self):
        memory = {"end": {("a",): Memory()}, "peak": {("a",): Memory()}}
        self.assertEqual(memory_profile.without_small(memory), {"end": {}, "peak": {}})


class MemoryPageTest(unittest.TestCase):
    def setUp(self):
        small = {"bytes": 40.0, "blocks": 1.0, "taken": 48.0}
        memory = {"end": {"\t".join(CHAIN): small, "main": small},
                  "peak": {"\t".join(CHAIN): small, "main": {"bytes": 400.0, "blocks": 2.0, "taken": 432.0}}}
        case = {"case": "10 connections", "connections": [1, 10], "memory": {"sluice": memory}}
        self.one = {"sluice": "1234567", "results": [{"workload": "fanout", "profile": "memory", "cases": [case]}]}
        self.text = profile_main.text_of(self.one)

    def test_the_sum_comes_first_and_then_what_takes_most_at_the_peak(self):
        rows = [line for line in self.text.splitlines() if line.startswith(("| **", "| `"))]
        self.assertEqual(rows, [
            "| **all of it** | 80.0 | 2.00 | 96.0 | 440 | 3.00 | 480 |",
            "| `main` | 40.0 | 1.00 | 48.0 | 400 | 2.00 | 432 |",
            "| `sluice::Reactor::claim` ← `sluice::Transport::create` ← `sluice::Server::accept` "
            "| 40.0 | 1.00 | 48.0 | 40.0 | 1.00 | 48.0 |"])

    def test_the_page_says_whose_memory_it_is_and_of_how_many_connections(self):
        self.assertIn("## 10 connections, Sluice\n\nFrom 1 to 10 connections.\n", self.text)


class MemoryArgumentsTest(unittest.TestCase):
    def refused(self, *arguments):
        """What the command line says of its arguments before it ends."""
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as said:
            profile_main.parse(["--memory", *arguments])
        return said.getvalue()

    def test_a_workload_whose_connections_it_cannot_hold_open_is_refused(self):
        self.assertIn("no profile of memory for 'deep'; there are idle, fanout", self.refused("--workload", "deep"))

    def test_rounds_are_refused(self):
        self.assertIn("memory is counted once", self.refused("--workload", "idle", "--repeat", "3"))

    def test_a_contender_without_a_heap_of_its_own_is_refused(self):
        self.assertIn("node is run by an interpreter",
                      self.refused("--workload", "idle", "--contenders", "epoll,node"))

    def test_without_valgrind_it_says_which_package_has_it(self):
        with mock.patch.dict(os.environ, {"PATH": "/nonexistent"}), \
                contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(profile_main.run(["--memory", "--workload", "idle"]), 1)
        self.assertIn("there is no valgrind; Debian has it in valgrind", said.getvalue())


def put_real(test, *names):
    for name in names:
        (test.folder / name).symlink_to(pathlib.Path(os.environ["SLUICE_BENCH_BIN"], name))


class MemoryOfRealServersTest(ProgramsTestCase):
    """The servers themselves under the real DHAT, with few connections."""

    def measure(self, workload, case):
        put_real(self, "bench_epoll", "bench_sluice")
        workload = dataclasses.replace(workload, cases=(case,))
        settings = types.SimpleNamespace(tiny=False, repeat=1)
        profile = memory_profile.MemoryProfile(workload, ["epoll", "sluice"], self.folder, self.folder, settings,
                                               Progress(io.StringIO()))
        result = profile.run()
        self.assertEqual(result["failures"], [])
        return result["cases"][0]

    def functions_of(self, case, name, moment):
        return " ".join(chain for chain, memory in case["memory"][name][moment].items() if memory["blocks"] >= 1)

    def test_an_idle_connection_has_its_blocks_while_it_is_open(self):
        case = self.measure(workloads.IDLE, workloads.idle_case(20))
        self.assertEqual(case["connections"], [2, 20])
        self.assertIn("bench::", self.functions_of(case, "epoll", "end"))
        self.assertIn("sluice::transports::", self.functions_of(case, "sluice", "end"))

    def test_a_message_to_many_is_linked_to_each_of_them_at_the_peak(self):
        case = self.measure(workloads.FANOUT, workloads.fanout_case(20))
        self.assertNotIn("::write(", self.functions_of(case, "epoll", "peak"))
        self.assertIn("::write(", self.functions_of(case, "sluice", "peak"))


class MemoryProfileTest(ProgramsTestCase):
    def setUp(self):
        super().setUp()
        put_real(self, "bench_load", "bench_epoll")

    def profile(self, *arguments):
        return self.bench("--memory", "--workload", "fanout", "--case", "10 connections", *arguments,
                          program="profile")

    def test_results_are_written_beside_those_of_time_and_make_the_page_again(self):
        results = self.folder / "results"
        done = self.profile("--contenders", "epoll", "--results", results)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        page = results / "fanout_memory.md"
        self.assertEqual(sorted(results.iterdir()), [results / "fanout_memory.json", page])
        written = page.read_text()
        self.assertIn("## 10 connections, epoll by hand (the limit)", written)
        page.unlink()
        self.assertEqual(self.bench("--render", "--results", results, program="profile").returncode, 0)
        self.assertEqual(page.read_text(), written)

    def test_a_server_that_ends_early_fails_and_the_others_are_told(self):
        self.put("bench_sluice", "#!/bin/sh\necho 'no luck' >&2\nexit 1\n")
        done = self.profile()
        self.assertEqual(done.returncode, 1)
        self.assertIn("FAILED fanout, 10 connections, round 1, sluice: the server ended with status 1", done.stderr)
        self.assertIn("no luck", done.stderr)
        self.assertIn("epoll by hand", done.stdout)

    def test_a_server_that_takes_no_connection_fails(self):
        (self.folder / "bench_epoll").unlink()
        self.put("bench_epoll", "#!/bin/sh\necho listening 1\nexec cat\n")
        done = self.profile("--contenders", "epoll")
        self.assertEqual(done.returncode, 1)
        self.assertIn("FAILED fanout, 10 connections, round 1, epoll: a crowd of 1: ", done.stderr)
        self.assertIn("Connection refused", done.stderr)


if __name__ == "__main__":
    unittest.main()
