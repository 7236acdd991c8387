#!/usr/bin/env python3
"""Checks the rules of the house that no compiler knows. One line, file:line: what, per offence.

usage: check_house.py ROOT [--build DIR]

With --build it also checks that every test file is compiled into a program that ctest runs.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

MAX_LINES = 600

STANDARD_HEADERS = frozenset("""
algorithm any array atomic barrier bit bitset cassert cerrno cfloat charconv chrono cinttypes
climits clocale cmath compare complex concepts condition_variable coroutine csetjmp csignal cstdarg
cstddef cstdint cstdio cstdlib cstring ctime cwchar cwctype deque exception execution filesystem
format forward_list fstream functional future initializer_list iomanip ios iosfwd iostream istream
iterator latch limits list locale map memory memory_resource mutex new numbers numeric optional
ostream queue random ranges ratio regex scoped_allocator semaphore set shared_mutex source_location
span sstream stack stdexcept stop_token streambuf string string_view strstream syncstream
system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility
valarray variant vector version
""".split())

# What a layer may include besides itself and the standard library.
LAYERS = {
    "core": (),
    "sys": (),
    "loop": ("core", "sys"),
    "transports": ("loop", "core", "sys"),
    "streams": ("transports", "loop", "core", "sys"),
    "tls": ("transports", "loop", "core", "sys"),
}

# The ground floors know values and interfaces, not the loop that drives them.
VALUE_HEADERS = {
    "core": frozenset(("buffer", "bytes", "error", "exception_context", "handle", "protocol",
                       "tls_error", "transport", "version", "detail/unique_function")),
    "sys": frozenset(("bytes", "environment", "error", "fd", "socket_address", "version")),
}

# The only layers that talk to the system, or to a library that is no part of the language.
FOREIGN_HEADERS = {
    "sys": re.compile(r"(?!openssl/)"),
    "tls": re.compile(r"openssl/"),
}

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
MARK = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
MARK_WITH_KIND = re.compile(r"\bTO" r"DO\((bug|docs|later|perf|portability|test)\): \S")
SCANNED = (".cpp", ".hpp", ".py", ".sh", ".1", ".cmake", ".txt", ".md", ".json", ".in", ".yml", "")
SKIPPED_FOLDERS = frozenset((".git", "build", "out", "__pycache__", ".cache"))

FORBIDDEN_IN_TESTS = (
    (re.compile(r"\bGTEST_SKIP\b"), "a skipped test proves nothing"),
    (re.compile(r"\bDISABLED_\w+"), "a disabled test proves nothing"),
    (re.compile(r"\b(?:sleep_for|sleep_until|usleep|nanosleep)\b"),
     "a test waits for an event, not for time"),
)

# Another process raises no event here: these look again and again, with a deadline. No other test
# in Python sleeps.
SLEEP_IN_PYTHON = re.compile(r"\btime\.sleep\b|\bfrom\s+time\s+import\b.*\bsleep\b"
                             r"|\bselect\.select\(\s*\[\s*\]\s*,\s*\[\s*\]\s*,\s*\[\s*\]")
# A shell that waits and then goes on hopes as well. A child that only has to live long is given 100
# seconds or more.
SLEEP_IN_SHELL = re.compile(r"\bsleep\s+(?:\d{1,2}(?:\.\d+)?|\.\d+)s?\s*(?:;|&&|\|\|)")
MAY_SLEEP = {"support.py": frozenset(("eventually", "wait_until"))}

TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"([^()\\\s]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'""",
    re.DOTALL)


def code_only(text):
    """The C++ text without comments and literals, line numbers kept."""
    def blank(match):
        # An apostrophe between digits separates them and opens no literal.
        return "".join("\n" if c == "\n" else " " for c in match.group(0))
    return TOKEN.sub(blank, re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", " ", text))


class House:
    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()
        self.offences = []

    def offence(self, path, line, what):
        self.offences.append((str(path), line, what))

    def files(self):
        """Every text file of ours, as a path from the root."""
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
            for name in sorted(names):
                path = pathlib.Path(folder, name)
                if path.suffix in SCANNED:
                    yield path.relative_to(self.root)

    def check(self):
        tests = []
        for path in self.files():
            text = (self.root / path).read_text(encoding="utf-8", errors="replace")
            lines = text.splitlines()
            self.check_marks(path, lines)
            if path.suffix in (".cpp", ".hpp", ".py") and len(lines) > MAX_LINES:
                self.offence(path, len(lines), f"{len(lines)} lines, {MAX_LINES} are allowed")
            if path.suffix in (".cpp", ".hpp"):
                self.check_cpp(path, text)
            if path.parts[:2] != ("tests", "house") and path.parts[0] in ("tests", "testing"):
                self.check_shell(path, lines)
            if path.parts[0] == "tests" and path.suffix == ".py":
                self.check_python_test(path, lines)
            if path.parts[0] == "tests" and path.name.endswith("_test.cpp"):
                tests.append(path)
        return tests

    def check_marks(self, path, lines):
        for number, line in enumerate(lines, 1):
            if MARK.search(line) and not MARK_WITH_KIND.search(line):
                self.offence(path, number, "a to-do note is written TO" "DO(kind): what")

    def check_python_test(self, path, lines):
        function = ""
        for number, line in enumerate(lines, 1):
            if definition := re.match(r"(?:def|class)\s+(\w+)", line):
                function = definition.group(1)
            allowed = function in MAY_SLEEP.get(path.name, ())
            if path.parts[1] != "house" and not allowed and SLEEP_IN_PYTHON.search(line):
                self.offence(path, number, "sleeps: a test waits for an event, not for time")

    def check_shell(self, path, lines):
        for number, line in enumerate(lines, 1):
            if SLEEP_IN_SHELL.search(line):
                self.offence(path, number, "a shell sleeps: a test waits for an event, not for time")

    def check_cpp(self, path, text):
        code = code_only(text).splitlines()
        public = path.parts[:2] == ("include", "sluice")
        for number, (line, bare) in enumerate(zip(text.splitlines(), code), 1):
            include = INCLUDE.match(line)
            # A commented-out include is blank in the bare line.
            if include and bare.strip():
                self.check_include(path, number, include.group(1) == "<", include.group(2))
            if path.suffix == ".hpp" and re.search(r"\busing\s+namespace\b", bare):
                self.offence(path, number, "using namespace in a header")
            if public and re.match(r"\s*#\s*define\b", bare):
                self.offence(path, number, "a macro in a public header")
            if public and re.search(r"\b\w*Options&? \w+ = \{\}", bare):
                self.offence(path, number, "default options in braces are destroyed twice by GCC 12"
                             " in a statement that awaits: write Options()")
            if path.parts[0] in ("tests", "testing"):
                for pattern, why in FORBIDDEN_IN_TESTS:
                    if pattern.search(bare):
                        self.offence(path, number, f"{pattern.search(bare).group(0)}: {why}")

    def check_include(self, path, number, angle, name):
        def refuse(why):
            self.offence(path, number, f"includes {name}: {why}")

        if "../" in name:
            refuse("a path that climbs hides which layer it enters")
            return
        if name in STANDARD_HEADERS:
            return
        place = path.parts[0]
        layer = path.parts[1] if place == "src" and len(path.parts) > 2 else None
        first = name.split("/")[0]
        # <sys/...> of the system ends in .h, our own sys/ in .hpp.
        kind = "foreign"
        if first == "sluice":
            kind = "public"
        elif first in LAYERS and name.endswith(".hpp") and "/" in name:
            kind = "layer"
        elif first == "testing":
            kind = "testing"
        elif not angle and (self.root / path.parent / name).exists():
            kind = "own"

        if place == "include" and kind != "public":
            refuse("a public header includes only the standard library and public headers")
        elif layer is not None:
            self.check_layer_include(layer, kind, first, name, refuse)
        elif place in ("tools", "examples") and kind in ("layer", "testing"):
            refuse("programs use the public API only")
        elif place == "bench" and kind == "layer" and not path.name.startswith("micro_"):
            refuse("programs use the public API only")

    @staticmethod
    def check_layer_include(layer, kind, first, name, refuse):
        if layer not in LAYERS:
            refuse(f"src/{layer} is no known layer")
        elif kind == "public":
            values = VALUE_HEADERS.get(layer)
            if values is not None and name[len("sluice/"):-len(".hpp")] not in values:
                refuse(f"{layer} may use value headers only")
        elif kind == "layer":
            if first != layer and first not in LAYERS[layer]:
                refuse(f"{layer} may not depend on {first}")
        elif kind == "testing":
            refuse("the library does not depend on its test helpers")
        elif kind == "foreign":
            allowed = FOREIGN_HEADERS.get(layer)
            if allowed is None or not allowed.match(name):
                refuse("system headers belong to src/sys")

    @staticmethod
    def batched(source):
        """The files that CMake compiles at a time by including them in `source`."""
        if source.parent.name != "Unity":
            return []
        text = source.read_text(encoding="utf-8")
        return [pathlib.Path(path).resolve() for path in
                re.findall(r'^#include "([^"]+)"', text, re.MULTILINE)]

    def check_registered(self, build, tests):
        """Every test file is an object of a program that ctest starts."""
        build = pathlib.Path(build).resolve()
        with open(build / "compile_commands.json", encoding="utf-8") as file:
            entries = json.load(file)
        programs_of = {}
        for entry in entries:
            source = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
            # Another target's header may be named before, if it was compiled in advance.
            written = entry.get("output") or entry.get("command", "").partition(" -o ")[2]
            target = re.search(r"CMakeFiles/([^/]+)\.dir/", written)
            for part in [source, *self.batched(source)] if target else []:
                programs_of.setdefault(part, set()).add(target.group(1))
        answer = subprocess.run(["ctest", "--test-dir", str(build), "--show-only=json-v1"],
                                check=True, capture_output=True, text=True).stdout
        known = json.loads(answer[answer.index("{"):])["tests"]
        started = {pathlib.Path(word).name for test in known for word in test.get("command", [])}
        for path in tests:
            programs = programs_of.get((self.root / path).resolve(), set())
            if not programs:
                self.offence(path, 1, "no target compiles this test")
            elif not programs & started:
                self.offence(path, 1, f"ctest does not run {', '.join(sorted(programs))}")


def main():
    parser = argparse.ArgumentParser(description="checks the rules of the house")
    parser.add_argument("root")
    parser.add_argument("--build", help="a built tree, to check that every test is run")
    arguments = parser.parse_args()

    house = House(arguments.root)
    tests = house.check()
    if arguments.build:
        house.check_registered(arguments.build, tests)
    for path, line, what in house.offences:
        print(f"{path}:{line}: {what}")
    if house.offences:
        print(f"{len(house.offences)} offences", file=sys.stderr)
    return 1 if house.offences else 0


if __name__ == "__main__":
    sys.exit(main())
