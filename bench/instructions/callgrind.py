"""Reads what callgrind counted. Its format is described in Valgrind's manual, "Callgrind Format"."""
import collections
import dataclasses
import itertools
import re

# With these the file can be read line by line, without knowing what was said before.
OPTIONS = ("--tool=callgrind", "--compress-strings=no", "--compress-pos=no")

CALLS = re.compile(r"calls=(\d+)")
# A function that calls itself is counted once for each level, "name'2", and one of the C library has
# its version behind it, "name@@GLIBC_2.34".
BEHIND_NAME = re.compile(r"(@.*|'\d+)$")


@dataclasses.dataclass
class Calls:
    """How often one function called another, and the instructions until it returned, in all."""
    count: int = 0
    instructions: int = 0

    def each(self):
        return self.instructions / self.count


class Counts:
    """The instructions of each function, without what it called, and the calls between them."""

    def __init__(self, text):
        self.own = collections.Counter()
        self.arcs = collections.defaultdict(Calls)
        function = callee = None
        calls = None  # how many the next line tells the cost of; a call may not have ended yet
        for line in text.splitlines():
            if line.startswith("fn="):
                function = BEHIND_NAME.sub("", line[3:])
            elif line.startswith("cfn="):
                callee = BEHIND_NAME.sub("", line[4:])
            elif match := CALLS.match(line):
                calls = int(match.group(1))
            elif line[:1].isdigit():
                # The place in the source, and what was spent there.
                instructions = int((line.split() + ["0"])[1])
                if calls is None:
                    self.own[function] += instructions
                else:
                    self.arcs[function, callee].count += calls
                    self.arcs[function, callee].instructions += instructions
                calls = None

    def total(self):
        return sum(self.own.values())

    def calls(self, name):
        """All calls of functions whose name matches, by others."""
        found = Calls()
        for (caller, callee), arc in self.arcs.items():
            if re.search(name, callee) and not re.search(name, caller):
                found.count += arc.count
                found.instructions += arc.instructions
        return found


def totals(text):
    """All that was counted, by name of the event. Zeros at the end of a line are not written."""
    events, sums = (re.search(rf"^{line}: (.+)$", text, re.MULTILINE).group(1).split() for line in ("events", "totals"))
    return dict(itertools.zip_longest(events, map(int, sums), fillvalue=0))
