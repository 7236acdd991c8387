"""Where the memory of a connection goes, by who asked for it, beside that of the limit, by DHAT."""
import dataclasses
import pathlib
import resource
import signal

from . import contenders, crowd, dhat, workloads
from .figures import number
from .functions import in_table
from .measure import Measurement
from .processes import RunFailed, Server
from .render import table

EXCHANGES = {"idle": crowd.echo_each, "fanout": crowd.hear_one_message}
WORKLOADS = tuple(EXCHANGES)
# What a server takes once is not a connection's: a run with so many times fewer of them is subtracted.
FEWER = 10
MOMENTS = ("end", "peak")
OTHERS = "all others"
# Bytes of a connection; what takes less is not told by itself.
LEAST = 0.5
HEAD = ("", "at rest, B", "blocks", "with malloc's share, B", "at the peak, B", "blocks", "with malloc's share, B")


def growth(few, many, connections):
    """What each more connection takes, by chain, from what is alive with few of them and with many."""
    chains = {**few, **many}
    return {chain: many.get(chain, dhat.Memory()).growth_from(few.get(chain, dhat.Memory()), connections)
            for chain in chains}


def without_small(memory):
    """The same, by moment and chain, with the chains that are small at each moment added up."""
    chains = dict.fromkeys(chain for of_moment in memory.values() for chain in of_moment)
    found = {moment: {} for moment in memory}
    for chain in chains:
        values = {moment: memory[moment].get(chain, dhat.Memory()) for moment in memory}
        if all(value == dhat.Memory() for value in values.values()):
            continue
        told = any(abs(value.taken) >= LEAST for value in values.values())
        key = "\t".join(chain) if told else OTHERS
        for moment, value in values.items():
            found[moment][key] = found[moment].get(key, dhat.Memory()) + value
    return {moment: {key: dataclasses.asdict(value) for key, value in of_moment.items()}
            for moment, of_moment in found.items()}


def options_of(case):
    """The options of the load: {'--connections': '10', ...}."""
    return dict(zip(case.load[::2], case.load[1::2]))


def name_of(chain):
    if chain == OTHERS:
        return chain
    return " ← ".join(map(in_table, chain.split("\t")))


def cells(memories):
    """For each moment bytes, blocks and what is taken, as text."""
    return [number(memory[key]) for memory in memories for key in ("bytes", "blocks", "taken")]


def total(memories):
    return {key: sum(memory[key] for memory in memories) for key in ("bytes", "blocks", "taken")}


def rows_of(memory):
    """The sum of all chains, then each, what takes most at the peak first."""
    yield ["**all of it**", *cells(total(memory[moment].values()) for moment in MOMENTS)]
    for chain in sorted(memory["peak"], key=lambda chain: (-memory["peak"][chain]["taken"], chain)):
        yield [name_of(chain), *cells(memory[moment][chain] for moment in MOMENTS)]


def text_of(one):
    """The page of one workload's memory."""
    result = one["results"][0]
    workload = workloads.BY_NAME[result["workload"]]
    lines = [f"# {workload.title}: where the memory of a connection goes", "",
             f"Written by `bench/profile --memory --workload {workload.name}`. Bytes of each connection in the heap, "
             "as Valgrind's DHAT sees them, by the functions that asked for them, the innermost first: at rest, while "
             "all connections are open and nothing moves, and at the heap's peak until then. What the server takes once is "
             f"subtracted, by a run with fewer connections. Sluice {one['sluice']}.", ""]
    for case in result["cases"]:
        few, many = case["connections"]
        for name, memory in case["memory"].items():
            lines += [f"## {case['case']}, {contenders.BY_NAME[name].title}", "",
                      f"From {few:,} to {many:,} connections.", "", *table(HEAD, list(rows_of(memory))), ""]
    return "\n".join(lines)


def raise_descriptor_limit():
    """Valgrind does not let a program raise its own, and the connections are the driver's."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class MemoryProfile(Measurement):
    """A measurement whose servers run under DHAT, and end while their connections are open."""
    in_turns = False

    def run(self):
        raise_descriptor_limit()
        result = super().run()
        for case in result["cases"]:
            runs = {name: report for one in case.pop("rounds") for name, report in one.items()}
            case["memory"] = {name: runs[name]["memory"] for name in self.names if name in runs}
            case["connections"] = next((report["connections"] for report in runs.values()), [0, 0])
            del case["summary"]
        return {**result, "profile": "memory", "pinning": "not pinned"}

    def run_once(self, case, name):
        many = int(options_of(case)["--connections"])
        few = max(1, many // FEWER)
        with self.prepared(case, name) as (command, places):
            _, least = self.alive(case, command, places, few)
            digest, most = self.alive(case, command, places, many)
        memory = {moment: growth(least[moment], most[moment], many - few) for moment in MOMENTS}
        return {"sha256": digest, "connections": [few, many], "memory": without_small(memory)}

    def alive(self, case, command, places, connections):
        """What a crowd of connections receives, and the server's memory by moment and chain."""
        out, everywhere = pathlib.Path(places["dir"], "dhat.json"), set(self.pinning.cores)
        with Server([*dhat.COMMAND, f"--dhat-out-file={out}", *command], everywhere, places["dir"]) as server:
            server.wait_until_it_listens()
            try:
                with crowd.gathered(server, connections) as members:
                    digest = EXCHANGES[self.workload.name](members, options_of(case))
                    server.wait_until_it_rests()
                    interrupt(server)
            except OSError as problem:
                raise RunFailed(f"a crowd of {connections}: {problem} {server.last_words()}".strip()) from problem
        try:
            peak, end = dhat.read(out.read_text(encoding="utf-8"))
        except (OSError, ValueError) as problem:
            raise RunFailed(f"what DHAT wrote cannot be read: {problem}") from problem
        return digest, {"peak": peak, "end": end}


def interrupt(server):
    """Ends the server as it is. Told to end by its input it would close its connections first."""
    server.process.terminate()
    status = server.end_of_process("the server did not end at SIGTERM")
    if status != -signal.SIGTERM:
        raise RunFailed(f"the server ended with status {status} instead of by SIGTERM: {server.last_words()}")
