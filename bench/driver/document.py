"""The files of results: what was measured, on what, and every raw value."""
import datetime
import json

from . import machine

FORMAT = 1


def heading(folder, names):
    """What is the same for all workloads of one call."""
    return {
        "format": FORMAT,
        "sluice": machine.revision(folder),
        "machine": machine.machine_facts(),
        "build": machine.build_facts(folder),
        "versions": machine.versions(names),
    }


def dated(common):
    """The same, with the time at which the measuring begins."""
    return {**common, "measured": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")}


def with_results(common, results):
    return {**common, "results": results}


def joined(documents):
    """One document from those of one call."""
    return with_results(documents[0], [result for one in documents for result in one["results"]])


def write(path, content):
    """Replaces the file as a whole, so that a call that is cut short leaves no half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(compact(content) + "\n", encoding="utf-8")
    new.replace(path)


def compact(content):
    """JSON with a line for each report of a load, so that a person can read and compare it."""
    return pretty(content, "")


def pretty(value, indent):
    inner = indent + "  "
    plain = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or not value or "server_cpu_ns" in value or \
            len(plain) + len(indent) <= 100:
        return plain
    if isinstance(value, list):
        parts = [pretty(item, inner) for item in value]
        brackets = "[]"
    else:
        parts = [f"{json.dumps(key)}: {pretty(item, inner)}" for key, item in value.items()]
        brackets = "{}"
    return brackets[0] + "\n" + ",\n".join(inner + part for part in parts) + "\n" + indent + brackets[1]


def read(path):
    """A document; throws ValueError for a file that is none of ours."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or content.get("format") != FORMAT or "results" not in content:
        raise ValueError(f"{path} is no result of format {FORMAT}")
    return content


def read_folder(folder):
    """All documents of a folder, by name of workload."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        content = read(path)
        for result in content["results"]:
            found[result["workload"]] = with_results(content, [result])
    return found
