#!/usr/bin/env python3
"""Checks that the tests compile though an earlier build, whose headers had other comments, is in the compiler cache.

usage: compiler_cache_check.py COMPILER LAUNCHER...
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

COMPILER, LAUNCHER = sys.argv[1], sys.argv[2:]


class PrecompiledHeaderTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sluice-cache-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.put("all.hxx", '#include "a.hpp"\n')
        self.put("all.hxx.cxx", "")

    def put(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        # What is as new as the compilation is not kept.
        before = time.time() - 60
        os.utime(path, (before, before))

    def compile(self, *arguments):
        environment = os.environ | {"CCACHE_DIR": str(self.folder / "cache")}
        run = subprocess.run([*LAUNCHER, COMPILER, "-std=c++20", "-include", self.folder / "all.hxx", *arguments],
                             cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)

    def build(self, comment):
        self.put("a.hpp", f"#pragma once\n// {comment}\nclass A {{}};\n")
        self.put("a.cpp", f'#include "a.hpp"\nA {comment};\n')
        (self.folder / "all.hxx.gch").unlink(missing_ok=True)
        self.compile("-x", "c++-header", "-MD", "-MT", "h", "-MF", "h.d", "-o", "all.hxx.gch", "-c", "all.hxx.cxx")
        self.compile("-Winvalid-pch", "-MD", "-MT", "a.o", "-MF", "a.d", "-o", "a.o", "-c", "a.cpp")

    def test_a_header_with_another_comment_is_read_anew(self):
        self.build("one")
        self.build("another")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
