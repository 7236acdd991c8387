"""Loads that take turns: who is told to run, and that all come to their end."""
import struct
import unittest
from unittest import mock

from support import FolderTestCase
from driver import turns
from driver.processes import RunFailed


class Counting:
    """A load that ends when it has had so many turns; it is ready from the start, or after some looks."""

    def __init__(self, baton, number, wanted):
        self.baton, self.number, self.left = baton, number, wanted

    def poll(self):
        return None if self.left else 0


class TakeTurnsTest(FolderTestCase):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "turns"
        self.order = []

    def numbers(self):
        content = self.path.read_bytes()
        return struct.unpack(f"={len(content) // 4}I", content)

    def set_ready(self, number):
        with open(self.path, "r+b") as file:
            file.seek(4 * number)
            file.write(struct.pack("=I", 1))

    def take_turns(self, *wanted):
        """Each load has as many turns as it wants; the time of a turn passes at once."""
        with turns.Baton(self.path, len(wanted)) as baton:
            loads = {number: Counting(baton, number, count) for number, count in enumerate(wanted, 1)}

            def pass_time(seconds):
                now = self.numbers()[0]
                self.order.append(now)
                if now == 0:
                    # One more is ready at each look.
                    self.set_ready(1 + self.numbers()[1:].count(1))
                elif seconds == turns.TURN_S:
                    loads[now].left -= 1

            with mock.patch.object(turns.time, "sleep", pass_time):
                turns.take_turns(baton, loads)

    def test_nobody_has_a_turn_before_all_are_ready(self):
        self.take_turns(1, 1, 1)
        self.assertEqual(self.order, [0, 0, 0, 1, 2, 3])

    def test_they_go_round_until_the_last_has_ended(self):
        self.take_turns(1, 3)
        self.assertEqual(self.order[2:], [1, 2, 2, 2])

    def test_a_load_that_never_ends_is_given_up(self):
        with turns.Baton(self.path, 1) as baton, \
                mock.patch.object(turns.time, "sleep", lambda _: None), \
                mock.patch.object(turns.time, "monotonic", mock.Mock(side_effect=range(0, 10_000, 100))), \
                self.assertRaisesRegex(RunFailed, "did not end"):
            baton.memory[4:8] = struct.pack("=I", 1)
            turns.take_turns(baton, {1: Counting(baton, 1, 1)})

    def test_a_load_is_told_the_file_and_its_number(self):
        with turns.Baton(self.path, 2) as baton:
            self.assertEqual(baton.options(2), ["--turns", str(self.path), "--turn", "2"])
            self.assertEqual(self.numbers(), (0, 0, 0))


if __name__ == "__main__":
    unittest.main()
