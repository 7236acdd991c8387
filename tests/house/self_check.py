#!/usr/bin/env python3
"""Feeds the house check trees that break one rule each, and one that breaks none.

A checker that always says "fine" would pass every build, so it must be seen to object.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECKER = pathlib.Path(__file__).with_name("check_house.py")
MARK = "TO" + "DO"

GOOD = {
    "include/sluice/buffer.hpp": "#pragma once\n#include <span>\n",
    "include/sluice/event_loop.hpp": '#pragma once\n#include "sluice/buffer.hpp"\n',
    "src/core/queue.hpp": '#pragma once\n#include <vector>\n#include "sluice/buffer.hpp"\n',
    "src/core/queue.cpp": '#include "core/queue.hpp"\n// #include <unistd.h>\nint n = 1\'000;\n',
    "src/sys/calls.cpp": "#include <sys/socket.h>\n#include <unistd.h>\n",
    "src/loop/loop.cpp": '#include "core/queue.hpp"\n#include "sluice/event_loop.hpp"\n',
    "src/transports/tcp.cpp": '#include "loop/loop.hpp"\n#include "sys/calls.hpp"\n',
    "tools/sluice/main.cpp": '#include <unistd.h>\n#include "sluice/buffer.hpp"\n',
    "tests/examples/support.py": "def eventually(condition):\n    time.sleep(0.005)\n",
    "tests/cli/child_test.py": 'f("exec:sleep 1000", "sleep 100; echo")\n',
    "tests/core/queue_test.cpp":
        f'// {MARK}(perf): a longer run\nconst char* s = "GTEST_SKIP DISABLED_x";\n',
}

# What is put into the good tree: path, text, line of the offence, a word of the message.
BAD = {
    "core includes loop":
        ("src/core/a.cpp", '\n#include "loop/loop.hpp"\n', 2, "may not depend on loop"),
    "core includes a public header of the loop":
        ("src/core/a.cpp", '#include "sluice/event_loop.hpp"\n', 1, "value headers"),
    "core includes a system header":
        ("src/core/a.cpp", "#include <vector>\n#include <sys/uio.h>\n", 2, "src/sys"),
    "loop includes a system header": ("src/loop/a.cpp", "#include <unistd.h>\n", 1, "src/sys"),
    "transports include a system header":
        ("src/transports/a.cpp", "#include <netinet/tcp.h>\n", 1, "src/sys"),
    "sys includes core": ("src/sys/a.cpp", '#include "core/queue.hpp"\n', 1, "depend on core"),
    "sys includes the loop's header":
        ("src/sys/a.cpp", '#include <sluice/event_loop.hpp>\n', 1, "value headers"),
    "loop includes transports":
        ("src/loop/a.hpp", '#include "transports/tcp.hpp"\n', 1, "depend on transports"),
    "the library includes a test helper":
        ("src/loop/a.hpp", '#include "testing/kernel.hpp"\n', 1, "test helpers"),
    "a path that climbs": ("src/core/a.cpp", '#include "../loop/loop.hpp"\n', 1, "climbs"),
    "an unknown layer": ("src/misc/a.cpp", '#include "core/queue.hpp"\n', 1, "no known layer"),
    "a public header includes a layer":
        ("include/sluice/a.hpp", '#include "core/queue.hpp"\n', 1, "public header"),
    "a public header includes a system header":
        ("include/sluice/a.hpp", "#include <sys/socket.h>\n", 1, "public header"),
    "a program includes a layer":
        ("tools/sluice/a.cpp", '#include "core/queue.hpp"\n', 1, "public API"),
    "an example includes a layer":
        ("examples/a.cpp", '#include "sys/calls.hpp"\n', 1, "public API"),
    "a file that is too long": ("src/core/a.cpp", "int a;\n" * 601, 601, "601 lines"),
    "using namespace in a header":
        ("src/core/a.hpp", "int a;\nusing  namespace std;\n", 2, "using namespace"),
    "a macro in a public header": ("include/sluice/a.hpp", "#define A 1\n", 1, "macro"),
    "default options in braces":
        ("include/sluice/a.hpp", "void f(\n    const AOptions& options = {});\n", 2, "braces"),
    "a skipped test": ("tests/core/a.hpp", "void f() { GTEST_SKIP(); }\n", 1, "GTEST_SKIP"),
    "a disabled test": ("tests/core/a.cpp", "TEST(A, DISABLED_b) {}\n", 1, "DISABLED_b"),
    "a test that sleeps":
        ("testing/a.cpp", "std::this_thread::sleep_for(1s);\n", 1, "sleep_for"),
    "a test in Python that sleeps":
        ("tests/cli/a_test.py", "import time\n\n\ndef f():\n    time.sleep(1)\n", 5, "sleeps"),
    "one that imports sleep": ("tests/cli/a_test.py", "from time import sleep\n", 1, "sleeps"),
    "one that sleeps by select":
        ("tests/cli/a_test.py", "select.select([], [],[], 0.1)\n", 1, "sleeps"),
    "a shell that sleeps":
        ("tests/cli/a_test.py", 'f("(sleep 2; echo word) &")\n', 1, "a shell sleeps"),
    "a shell that sleeps for a moment in C++":
        ("tests/core/a.cpp", '\nf("sleep 0.5 && echo word");\n', 2, "a shell sleeps"),
    "a helper that sleeps elsewhere than where it looks again":
        ("tests/cli/support.py", "def eventually():\n    pass\n\n\ndef f():\n    time.sleep(1)\n",
         6, "sleeps"),
    "a note without a kind": ("src/core/a.cpp", f"int a;  // {MARK}: later\n", 1, "to-do"),
    "a note of an unknown kind": ("a.md", f"{MARK}(whatever): x\n", 1, "to-do"),
}


def write(root, files):
    for name, text in files.items():
        path = pathlib.Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def check(root, *arguments):
    return subprocess.run([sys.executable, str(CHECKER), str(root), *arguments],
                          capture_output=True, text=True, check=False)


class HouseTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name, "tree")
        self.build = pathlib.Path(folder.name, "built")
        write(self.root, GOOD)

    def write_build(self, compiled, started):
        source = str(self.root / "tests/core/queue_test.cpp")
        output = "tests/CMakeFiles/core_tests.dir/core/queue_test.cpp.o"
        commands = [{"directory": str(self.root), "file": source, "output": output}]
        write(self.build, {
            "compile_commands.json": json.dumps(commands if compiled else []),
            "CTestTestfile.cmake": f'add_test(one "{self.build / started}")\n',
            started: "#!/bin/sh\n",
        })
        # ctest names only commands that it could run.
        (self.build / started).chmod(0o755)

    def test_a_good_tree_has_no_offence(self):
        result = check(self.root)
        self.assertEqual((result.returncode, result.stdout), (0, ""), result.stderr)

    def test_each_bad_file_is_one_offence(self):
        for name, (path, text, line, word) in BAD.items():
            with self.subTest(name):
                write(self.root, {path: text})
                result = check(self.root)
                (self.root / path).unlink()
                self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
                offences = result.stdout.splitlines()
                self.assertEqual(len(offences), 1, offences)
                self.assertTrue(offences[0].startswith(f"{path}:{line}: "), offences[0])
                self.assertIn(word, offences[0])

    def test_a_registered_test_is_no_offence(self):
        self.write_build(compiled=True, started="core_tests")
        result = check(self.root, "--build", str(self.build))
        self.assertEqual((result.returncode, result.stdout), (0, ""), result.stderr)

    def test_a_registered_test_that_is_compiled_with_others_is_no_offence(self):
        self.write_build(compiled=False, started="core_tests")
        batch = self.build / "tests/CMakeFiles/core_tests.dir/Unity/unity_0_cxx.cxx"
        write(self.build, {
            str(batch.relative_to(self.build)):
                f'#include "{self.root / "tests/core/queue_test.cpp"}"\n',
            "compile_commands.json": json.dumps([{
                "directory": str(self.build), "file": str(batch),
                "output": "tests/CMakeFiles/core_tests.dir/Unity/unity_0_cxx.cxx.o"}]),
        })
        result = check(self.root, "--build", str(self.build))
        self.assertEqual((result.returncode, result.stdout), (0, ""), result.stderr)

    def test_a_registered_test_whose_headers_another_target_compiled_is_no_offence(self):
        self.write_build(compiled=False, started="core_tests")
        source = str(self.root / "tests/core/queue_test.cpp")
        write(self.build, {"compile_commands.json": json.dumps([{
            "directory": str(self.build), "file": source,
            "command": "c++ -include /b/testing/CMakeFiles/sluice_testing.dir/cmake_pch.hxx "
                       f"-o tests/CMakeFiles/core_tests.dir/core/queue_test.cpp.o -c {source}"}])})
        result = check(self.root, "--build", str(self.build))
        self.assertEqual((result.returncode, result.stdout), (0, ""), result.stderr)

    def test_a_test_that_nothing_compiles_is_an_offence(self):
        self.write_build(compiled=False, started="core_tests")
        result = check(self.root, "--build", str(self.build))
        self.assertEqual(result.returncode, 1)
        self.assertIn("tests/core/queue_test.cpp:1: no target compiles", result.stdout)

    def test_a_test_that_nothing_runs_is_an_offence(self):
        self.write_build(compiled=True, started="other_tests")
        result = check(self.root, "--build", str(self.build))
        self.assertEqual(result.returncode, 1)
        self.assertIn("ctest does not run core_tests", result.stdout)


if __name__ == "__main__":
    unittest.main()
