"""Reads what DHAT, a tool of Valgrind, saw of a heap: what is alive at its peak and at the end, by who asked for it."""
import collections
import dataclasses
import json
import re

from .functions import short

# Debug information names what was inlined without its namespace, and a chain would differ from build to build.
COMMAND = ("valgrind", "--quiet", "--tool=dhat", "--num-callers=30", "--read-inline-info=no")
VERSION = 2
# The innermost functions of a chain that say what the memory is for.
DEPTH = 3
FRAME = re.compile(r"0x[0-9A-F]+: (.*?)(?: \([^()]*\))?$")
# These allocate for whoever called them.
PASSED_OVER = re.compile(r"(std|__gnu_cxx)::|operator new|"
                         r"(malloc|calloc|realloc|aligned_alloc|posix_memalign|\?\?\?)$")
UNKNOWN = "unknown"
# Of malloc in glibc, for programs of 64 bits: what it keeps of each block, and what it rounds up to.
HEADER = 8
STEP = 16
LEAST_CHUNK = 32


@dataclasses.dataclass(frozen=True)
class Memory:
    """Blocks of a heap, the bytes that were asked for, and what they take with malloc's share."""
    bytes: float = 0
    blocks: float = 0
    taken: float = 0

    def __add__(self, other):
        return Memory(self.bytes + other.bytes, self.blocks + other.blocks, self.taken + other.taken)

    def growth_from(self, other, connections):
        """How much more this is than the other, for each of so many connections."""
        return Memory((self.bytes - other.bytes) / connections, (self.blocks - other.blocks) / connections,
                      (self.taken - other.taken) / connections)


def memory_of(size, blocks):
    """The blocks of one place in the program; they are taken to be of one size, which they mostly are."""
    if blocks == 0:
        return Memory()
    chunk = max(LEAST_CHUNK, -(-(size / blocks + HEADER) // STEP) * STEP)
    return Memory(size, blocks, blocks * chunk)


def function_of(frame):
    """'0x1A2B: Queue::push(int) (in /a/program)' names Queue::push(int)."""
    found = FRAME.match(frame)
    return found.group(1) if found else frame


def chain_of(frames):
    """The innermost functions that are not passed over, the one that asked for the memory first."""
    functions = [function_of(frame) for frame in frames]
    kept = [function for function in functions if not PASSED_OVER.match(short(function))]
    return tuple(kept[:DEPTH]) or (UNKNOWN,)


def read(text):
    """What is alive at the peak and at the end, each a Memory by chain; throws ValueError for another format."""
    content = json.loads(text)
    if content.get("dhatFileVersion") != VERSION:
        raise ValueError(f"DHAT writes version {content.get('dhatFileVersion')}, not {VERSION}")
    peak, end = collections.defaultdict(Memory), collections.defaultdict(Memory)
    for point in content["pps"]:
        chain = chain_of([content["ftbl"][index] for index in point["fs"]])
        peak[chain] += memory_of(point["gb"], point["gbk"])
        end[chain] += memory_of(point["eb"], point["ebk"])
    return peak, end
