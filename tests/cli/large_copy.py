"""Copies a gibibyte each way: over TLS, through a command, by sendfile. Says how much memory it took.

`make soak` runs it.

usage: SLUICE_PROGRAM=build/release/bin/sluice python3 tests/cli/large_copy.py [MIB]
"""
import os
import sys
import unittest

if __name__ == "__main__":
    os.environ["SLUICE_COPY_MIB"] = sys.argv.pop(1) if len(sys.argv) > 1 else "1024"
    unittest.main("memory_test", verbosity=2)
