"""What the figures depend on: the machine, the build, and what else it did meanwhile."""
import os
import pathlib
import platform
import re

from .contenders import Absent, BY_NAME, output


def first_line(path, pattern):
    """The first group of the pattern in the file, or ''."""
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1).strip() if found else ""


def machine_facts():
    facts = {
        "cpu": first_line("/proc/cpuinfo", r"^model name\s*:\s*(.*)$") or platform.machine(),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": int(first_line("/proc/meminfo", r"^MemTotal:\s*(\d+)") or 0) // 1024,
        "kernel": platform.release(),
        "system": first_line("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)'),
        "virtual": " hypervisor" in first_line("/proc/cpuinfo", r"^flags\s*:(.*)$"),
    }
    governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", r"^(.*)$")
    if governor:
        facts["governor"] = governor
    return facts


def load_average():
    """How busy the machine was in the last minute: the figures of a busy machine are noise."""
    return round(os.getloadavg()[0], 2)


def build_facts(folder):
    """Compiler and flags of the build whose programs lie in the folder; empty without a build."""
    cache = folder.parent / "CMakeCache.txt"

    def entry(name):
        return first_line(cache, rf"^{name}:[A-Z]+=(.*)$")

    compiler, kind = entry("CMAKE_CXX_COMPILER"), entry("CMAKE_BUILD_TYPE")
    facts = {"type": kind, "flags": " ".join(
        (entry("CMAKE_CXX_FLAGS") + " " + entry(f"CMAKE_CXX_FLAGS_{kind.upper()}")).split())}
    try:
        facts["compiler"] = re.sub(r" Copyright.*", "", output([compiler, "--version"])) if compiler else ""
        facts["openssl"] = output(["openssl", "version"])
    except Absent:
        pass
    facts["debug_checks"] = entry("SLUICE_DEBUG_CHECKS") == "ON"
    return {key: value for key, value in facts.items() if value != ""}


def revision(folder):
    """The commit that the programs in the folder were built from, as their build has left it there, with '+' if files
    were changed; 'unknown' if it has not."""
    return first_line(folder / "revision", r"^(\S+)$") or "unknown"


def versions(names):
    """The version of each of the contenders that is not ours, as far as it is there."""
    found = {}
    for name in names:
        try:
            if version := BY_NAME[name].version():
                found[name] = version
        except Absent:
            continue
    return found
