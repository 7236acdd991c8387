"""Contenders that are measured together: all their servers run, and their loads take turns."""
import mmap
import struct
import time

from .processes import LOAD_ENDS_WITHIN_S, RunFailed

# So long that what begins cold is hot for nearly all of it, and so short that whatever slows the machine down meets all.
TURN_S = 0.1
LOOKS_EVERY_S = 0.001
NUMBER = struct.Struct("=I")


class Baton:
    """The file by which loads are told whose turn it is; they have numbers from 1 on. See bench/load/turns.hpp."""

    def __init__(self, path, loads):
        self.path = path
        with open(path, "wb+") as file:
            file.truncate(NUMBER.size * (loads + 1))
            self.memory = mmap.mmap(file.fileno(), 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.memory.close()

    def options(self, number):
        return ["--turns", str(self.path), "--turn", str(number)]

    def give(self, number):
        NUMBER.pack_into(self.memory, 0, number)

    def is_ready(self, number):
        return NUMBER.unpack_from(self.memory, NUMBER.size * number)[0] != 0


def running(loads):
    return {number: load for number, load in loads.items() if load.poll() is None}


def take_turns(baton, loads):
    """Gives each of the loads, by number, its turns until all have ended."""
    deadline = time.monotonic() + LOAD_ENDS_WITHIN_S
    while not all(baton.is_ready(number) for number in running(loads)):
        wait_before(deadline, LOOKS_EVERY_S)
    while left := running(loads):
        for number in left:
            baton.give(number)
            wait_before(deadline, TURN_S)


def wait_before(deadline, seconds):
    if time.monotonic() > deadline:
        raise RunFailed(f"the loads did not end within {LOAD_ENDS_WITHIN_S} s")
    time.sleep(seconds)
