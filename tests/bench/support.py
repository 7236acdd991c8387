"""What the tests of the benchmark driver share: its modules, made-up results, and stand-ins for programs."""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
sys.path.insert(0, str(BENCH))

SERVER = f"""#!{sys.executable}
import socket, sys, threading
wrong, fails, mute = {{wrong}}, {{fails}}, {{mute}}
if {{lacks}}:
    print("unknown workload", file=sys.stderr)
    sys.exit(2)
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    while True:
        peer, _ = listener.accept()
        data = peer.recv(100)
        peer.sendall(data[:-1] + b"!" if wrong else data)
        peer.close()
threading.Thread(target=serve, daemon=True).start()
if not mute:
    print("listening", listener.getsockname()[1], flush=True)
sys.stdin.read()
sys.exit(1 if fails else 0)
"""
SPOILING_ECHO = f"""#!{sys.executable}
import socket, sys, threading
listener = socket.create_server(("127.0.0.1", 0))
def echo(peer):
    while data := peer.recv(65536):
        peer.sendall(data.replace(data[:1], b"!"))
def serve():
    while True:
        threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
print("listening", listener.getsockname()[1], flush=True)
sys.stdin.read()
"""
LOAD = f"""#!{sys.executable}
import hashlib, json, socket, sys
words = dict(zip(sys.argv[2::2], sys.argv[3::2]))
with socket.create_connection(("127.0.0.1", int(words["--port"]))) as peer:
    peer.sendall(b"0123456789")
    digest = hashlib.sha256(peer.recv(100)).hexdigest()
assert int(words["--server-pid"]) > 0
report = {{{{"workload": sys.argv[1], "messages": 1000, "bytes": 64000, "window_ns": 5000000, "server_cpu_ns": 400000,
          "cpu_ns_per_message": 400.0, "cpu_ns_per_byte": 6.25, "sha256": digest,
          "latency_ns": {{{{"p50": 900, "p99": 1900, "count": 1000}}}}, "rss_peak_kib": 2048, "rss_kib": 2000,
          "extra": {{{{}}}}}}}}
report.update({{changes}})
print(json.dumps(report))
"""


# It ends with the process that it records, as perf does, and has seen two functions.
PERF = f"""#!{sys.executable}
import os, select, sys
words = sys.argv[1:]
if words[0] == "report":
    print("    30\\t[kernel.kallsyms]\\t[k] tcp_sendmsg\\n    10\\tbench_sluice\\t[.] sluice::write")
    sys.exit(0)
try:
    ended = select.poll()
    ended.register(os.pidfd_open(int(words[words.index("--pid") + 1])))
    ended.poll()
except ProcessLookupError:
    pass
sys.exit({{status}})
"""
# As if someone had pressed Ctrl-C while it runs.
INTERRUPTING_LOAD = f"""#!{sys.executable}
import os, signal
os.kill(os.getppid(), signal.SIGINT)
signal.pause()
"""


def fake_report(cost, sha256="0" * 64, **changes):
    """What a load could report."""
    return {"workload": "echo", "messages": 1000, "bytes": 1000_000, "window_ns": 1_000_000_000,
            "server_cpu_ns": cost * 1000, "cpu_ns_per_message": cost, "cpu_ns_per_byte": cost / 1000,
            "sha256": sha256, "latency_ns": {"p50": 10_000, "p99": 30_000, "count": 1000},
            "rss_peak_kib": 4096, "rss_kib": 4000, "extra": {}, **changes}


def fake_case(label, *rounds, x=0):
    """A case from the costs of each round: {'epoll': 100, 'sluice': 104}, ..."""
    return {"case": label, "x": x, "load": [], "server": [], "sha256": "0" * 64,
            "rounds": [{name: fake_report(cost) for name, cost in costs.items()} for costs in rounds]}


def fake_result(workload, *cases, **changes):
    return {"workload": workload, "goal": "", "tiny": False, "pinning": "server on core 1, load on core 0",
            "cores": 2, "load_average_before": 0.1, "absent": {}, "failures": [], "cases": list(cases),
            "seconds": 1.5, **changes}


def fake_document(*results):
    return {"format": 1, "sluice": "0123456789ab", "machine": {"cpu": "a <fast> one", "cores": 2},
            "build": {"type": "Release"}, "versions": {"node": "v20"}, "measured": "2026-01-01T00:00:00+00:00",
            "results": list(results)}


class FolderTestCase(unittest.TestCase):
    """Has a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sluice-bench-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


class ProgramsTestCase(FolderTestCase):
    """Runs bench/run and bench/profile with stand-ins for the built programs and for perf."""

    def put(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def put_server(self, name, **faults):
        self.put(name, SERVER.format(**{"wrong": False, "fails": False, "mute": False, "lacks": False, **faults}))

    def put_load(self, **changes):
        self.put("bench_load", LOAD.format(changes=changes))

    def put_perf(self, status=0):
        self.put("perf", PERF.format(status=status))

    def bench(self, *arguments, program="run"):
        """Whoever runs the tests may ignore SIGINT; the programs get it as from a terminal."""
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run([str(BENCH / program), "--bin", str(self.folder), *map(str, arguments)], check=False,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
                              env={**os.environ, "PATH": path},
                              preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
