"""Who is measured: how each server is started, whether it is there, and its version."""
import dataclasses
import functools
import pathlib
import re
import shutil
import subprocess
import sys

BENCH = pathlib.Path(__file__).resolve().parent.parent
# The one that Debian's package of uvloop is for comes first.
INTERPRETERS = ("/usr/bin/python3", "python3", sys.executable)


class Absent(Exception):
    """A contender that cannot run here. The text says why."""


@dataclasses.dataclass(frozen=True)
class Contender:
    """A server that takes the name of a workload and its options.

    A program is built and lies in the folder of the built programs; its TLS workloads may lie in a
    program of their own. A script is run by `interpreter`.
    """
    name: str
    title: str
    program: str = ""
    options: tuple = ()
    package: str = ""
    script: str = ""
    interpreter: str = ""

    def command(self, folder, workload):
        """The words that start this server for the workload; throws Absent."""
        if self.script:
            script = BENCH / "contenders" / self.script
            if not script.is_file():
                raise Absent(f"there is no {script.relative_to(BENCH.parent)}")
            return [self.interpreter_path(), str(script), workload, *self.options]
        names = [self.program]
        if workload.startswith("tls_"):
            names.insert(0, self.program + "_tls")
        for name in names:
            if (folder / name).is_file():
                return [str(folder / name), workload, *self.options]
        raise Absent(f"{names[0]} is not built: scripts/build bench does it" +
                     (f", with {self.package}" if self.package else ""))

    def interpreter_path(self):
        if self.interpreter == "python":
            return python_with("uvloop" if self.name == "uvloop" else "")
        path = shutil.which(self.interpreter)
        if path is None:
            raise Absent(f"no {self.interpreter} on this machine (package {self.package})")
        return path

    def version(self):
        """What is measured, as its own package or program calls it; throws Absent."""
        if self.name in ("asyncio", "uvloop"):
            path = self.interpreter_path()
            python = "CPython " + output([path, "-c", "import platform; print(platform.python_version())"])
            if self.name == "asyncio":
                return python
            return "uvloop " + output([path, "-c", "import uvloop; print(uvloop.__version__)"]) + ", " + python
        if self.name == "node":
            return output([self.interpreter_path(), "--version"])
        if self.package:
            return package_version(self.package)
        return ""


ALL = (
    Contender("epoll", "epoll by hand (the limit)", program="bench_epoll"),
    Contender("sluice", "Sluice", program="bench_sluice"),
    Contender("sluice-coroutines", "Sluice, coroutines", program="bench_sluice",
              options=("--coroutines",)),
    Contender("libuv", "libuv", program="bench_libuv", package="libuv1-dev"),
    Contender("asio-queue", "Asio, a queue", program="bench_asio", package="libasio-dev"),
    Contender("asio-gather", "Asio, gathered by hand", program="bench_asio", options=("--gather",),
              package="libasio-dev"),
    Contender("libevent", "libevent bufferevent", program="bench_libevent", package="libevent-dev"),
    Contender("asyncio", "CPython asyncio", script="python/server.py", interpreter="python",
              options=("--loop", "asyncio")),
    Contender("uvloop", "uvloop", script="python/server.py", interpreter="python",
              options=("--loop", "uvloop"), package="python3-uvloop"),
    Contender("node", "Node.js", script="node/server.js", interpreter="node", package="nodejs"),
)
BY_NAME = {contender.name: contender for contender in ALL}
OURS = ("epoll", "sluice", "sluice-coroutines")
PEERS = tuple(contender.name for contender in ALL if contender.name not in OURS)


def output(command):
    """What a program says on standard output, in one line; throws Absent if it cannot."""
    try:
        return " ".join(subprocess.run(command, check=True, capture_output=True, text=True,
                                       timeout=30).stdout.split())
    except (OSError, subprocess.SubprocessError) as problem:
        raise Absent(f"{command[0]}: {problem}") from problem


@functools.lru_cache(maxsize=None)
def python_with(module):
    """The first interpreter of ours that has the module, so that all scripts run by the same one."""
    paths = [path for path in map(shutil.which, INTERPRETERS) if path]
    for path in paths:
        tried = subprocess.run([path, "-c", f"import {module or 'sys'}"], check=False,
                               capture_output=True)
        if tried.returncode == 0:
            return path
    raise Absent(f"no interpreter has the module {module} (package python3-{module})")


@functools.lru_cache(maxsize=None)
def package_version(package):
    """The version of a Debian package, or of the header or pkg-config file that is there without it."""
    for command in (["dpkg-query", "-W", "-f", "${Version}", package],
                    ["pkg-config", "--modversion", re.sub(r"1?-dev$", "", package)]):
        try:
            return f"{package} {output(command)}"
        except Absent:
            continue
    return f"{package}, version unknown"
