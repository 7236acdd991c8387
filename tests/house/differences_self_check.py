#!/usr/bin/env python3
"""Feeds the check of the differences pages that agree, and pages that disagree in one way each."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECKER = pathlib.Path(__file__).with_name("check_differences.py")

GOOD = {
    "docs/contract.md": "- **W-1** One. *≠ asyncio: two.*\n- **W-2** Same.\n- **Q-1** X. *≠ asyncio: y.*\n",
    "docs/asyncio-differences.md": "Words.\n\n- **Q-1** Because.\n- **W-1** Because.\n",
    "tests/oracle/differences.py":
        'D = (Difference("W-1", "One.", A), Difference("W-2", "Old.", A, None, BEFORE_3_12))\n',
}

# The page that is changed, the text that is replaced in it, by what; a word of the only message.
BAD = {
    "a mark without an entry":
        ("docs/asyncio-differences.md", "- **Q-1** Because.\n", "", "Q-1 is marked, but not in"),
    "an entry without a mark": ("docs/contract.md", " *≠ asyncio: y.*", "", "Q-1 is not marked"),
    "an entry without a clause":
        ("docs/asyncio-differences.md", "Words.", "- **T-9** Why.", "T-9 does not exist"),
    "an entry twice":
        ("docs/asyncio-differences.md", "Words.", "- **W-1** Again.", "W-1 is there twice"),
    "a mark outside of a clause":
        ("docs/contract.md", "- **W-2** Same.", "Same. *≠ asyncio: other.*", "no clause"),
    "the oracle knows more": ("tests/oracle/differences.py", '"W-1"', '"W-2"', "W-2 is not marked"),
}


class DifferencesTest(unittest.TestCase):
    def check(self, pages):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in pages.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return subprocess.run([sys.executable, str(CHECKER), folder], capture_output=True,
                                  text=True, check=False)

    def test_pages_that_agree_are_no_offence(self):
        result = self.check(GOOD)
        self.assertEqual((result.returncode, result.stdout), (0, ""), result.stderr)

    def test_each_disagreement_is_one_offence(self):
        for name, (page, old, new, message) in BAD.items():
            with self.subTest(name):
                self.assertIn(old, GOOD[page])
                result = self.check({**GOOD, page: GOOD[page].replace(old, new)})
                self.assertEqual(result.returncode, 1, result.stderr)
                offences = result.stdout.splitlines()
                self.assertEqual(len(offences), 1, offences)
                self.assertIn(message, offences[0])


if __name__ == "__main__":
    unittest.main()
