"""Gives each thread of a server its own share of a core, where there are fewer cores than threads and a load for them.

It is done by the `cpu` controller of control groups, version 1, which needs to be root.
"""
import contextlib
import os
import pathlib
import time

from .processes import RunFailed

PERIOD_US = 10_000
SHARE_PERCENT = 20
STARTS_WITHIN_S = 30
LOOKS_EVERY_S = 0.001


class Unavailable(Exception):
    """No shares can be given here. The text says why."""


def own_group(mounts="/proc/self/mounts", groups="/proc/self/cgroup"):
    """The folder of the group in which this process is; throws Unavailable."""
    for mount in lines_of(mounts):
        _, place, kind, flags, *_ = mount.split()
        if kind == "cgroup" and "cpu" in flags.split(","):
            break
    else:
        raise Unavailable("no cpu controller of control groups, version 1")
    for group in lines_of(groups):
        _, controllers, path = group.split(":", 2)
        if "cpu" in controllers.split(","):
            return pathlib.Path(place) / path.lstrip("/")
    raise Unavailable("this process is in no group of the cpu controller")


def lines_of(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError as problem:
        raise Unavailable(f"{path}: {problem.strerror}") from problem


class Shares(contextlib.ExitStack):
    """Groups of one thread each. They end with it, and have to outlive their threads until then."""

    def __init__(self, parent):
        super().__init__()
        self.parent = parent

    def give(self, process_id, threads):
        """Puts each thread of a process that has so many into a group of its own; throws RunFailed."""
        try:
            for number in threads_of(process_id, threads):
                group = self.parent / f"bench-{os.getpid()}-{number}"
                os.mkdir(group)
                self.callback(os.rmdir, group)
                (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
                (group / "cpu.cfs_quota_us").write_text(str(PERIOD_US * SHARE_PERCENT // 100))
                (group / "tasks").write_text(str(number))
        except OSError as problem:
            raise RunFailed(f"no share of a core for a thread: {problem.filename}: {problem.strerror}") from problem


def threads_of(process_id, wanted):
    """The numbers of the threads of a process, as soon as there are as many as wanted."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while len(found := os.listdir(f"/proc/{process_id}/task")) < wanted:
        if time.monotonic() > deadline:
            raise RunFailed(f"the server started {len(found)} of {wanted} threads within {STARTS_WITHIN_S} s")
        time.sleep(LOOKS_EVERY_S)
    return sorted(map(int, found))


def provide():
    """The folder for the groups of `Shares`; throws Unavailable."""
    parent = own_group()
    probe = parent / f"bench-{os.getpid()}"
    try:
        os.mkdir(probe)
    except OSError as problem:
        raise Unavailable(f"{parent}: {problem.strerror}") from problem
    os.rmdir(probe)
    return parent
