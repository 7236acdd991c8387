"""How much memory a copy takes beyond the program itself, however much is copied.

SLUICE_COPY_MIB is how much: by default little; large_copy.py copies a gibibyte.
"""
import hashlib
import os
import pathlib
import re
import subprocess
import unittest

from certificates import Certificates
from support import CliTestCase, MIB

AMOUNT = int(os.environ.get("SLUICE_COPY_MIB", "64"))
MOST = 16 * MIB


def peak_memory(child):
    """The most memory it has had in its hands so far; 0 when it is gone."""
    try:
        status = pathlib.Path(f"/proc/{child.pid}/status").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    return int(found.group(1)) * 1024 if found else 0


class MemoryTest(CliTestCase):
    def setUp(self):
        super().setUp()
        self.source = self.tmp / "source"
        digest = hashlib.sha256()
        with open(self.source, "wb") as out:
            for _ in range(AMOUNT):
                block = os.urandom(MIB)
                digest.update(block)
                out.write(block)
        self.digest = digest.hexdigest()
        certificate, key = Certificates(self.tmp).signed("localhost")
        self.serving = ("--cert", certificate, "--key", key)
        self.trusting = ("--ca", self.tmp / "ca.pem")

    def base(self, tls):
        """What the program takes that waits for its first connection, with what it has loaded."""
        endpoint = ("tls-listen://127.0.0.1:0", "-", *self.serving) if tls else (
            "tcp-listen://127.0.0.1:0", "-")
        idle = self.copy(*endpoint)
        idle.listening_url()
        peak = peak_memory(idle)
        self.interrupt(idle)
        self.assertGreater(peak, 0)
        return peak

    def check(self, last, *children, tls=False):
        """Reads everything from the last one, and looks at all of them again and again."""
        digest = hashlib.sha256()
        peaks = {child: 0 for child in children}
        count = 0
        while block := last.process.stdout.read(MIB):
            digest.update(block)
            count += len(block)
            for child in children:
                peaks[child] = max(peaks[child], peak_memory(child))
        for child in children:
            self.assertEqual(child.status(), 0, child.err())
        self.assertEqual((count, digest.hexdigest()), (AMOUNT * MIB, self.digest))
        base = self.base(tls)
        for child, peak in peaks.items():
            self.judge(child, peak, base)

    def judge(self, child, peak, base):
        words = " ".join(map(str, child.arguments[1:4]))
        print(f"{words}: {AMOUNT} MiB, SHA-256 equal, {max(0, peak - base) // 1024} KiB "
              f"beyond the {base // 1024} KiB of the program")
        self.assertGreater(peak, 0, child.arguments)
        self.assertLess(peak - base, MOST, child.arguments)

    def test_tls(self):
        sender = self.copy(self.source, "tls-listen://127.0.0.1:0", *self.serving)
        receiver = self.copy(sender.listening_url(), "-", *self.trusting, stdout=subprocess.PIPE)
        self.check(receiver, sender, receiver, tls=True)

    def test_command_as_sink(self):
        child = self.copy(self.source, "exec:cat", stdout=subprocess.PIPE)
        self.check(child, child)

    def test_command_as_source(self):
        child = self.copy(f"exec:cat {self.source}", "-", stdout=subprocess.PIPE)
        self.check(child, child)

    def test_file_to_file(self):
        target = self.tmp / "target"
        child = self.copy(self.source, target, "--fsync")
        peak = 0
        while child.process.poll() is None:
            peak = max(peak, peak_memory(child))
        self.assert_done(child)
        with open(target, "rb") as written:
            digest = hashlib.sha256()
            while block := written.read(MIB):
                digest.update(block)
        self.assertEqual(digest.hexdigest(), self.digest)
        self.judge(child, peak, self.base(False))

    def test_sendfile(self):
        sender = self.copy(self.source, "tcp-listen://127.0.0.1:0")
        receiver = self.copy(sender.listening_url(), "-", stdout=subprocess.PIPE)
        self.check(receiver, sender, receiver)


if __name__ == "__main__":
    unittest.main()
