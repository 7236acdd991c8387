"""What is measured: each workload with its cases, who takes part, and the figures that count."""
import dataclasses

from .contenders import OURS, PEERS
from .figures import (BYTES, COST, COST_OF_BYTE, COST_OF_WRITE, Figure, LATENCY_P50, LATENCY_P99,
                      MESSAGES, RSS_PEAK)

KIB = 1024
MIB = 1024 * KIB
# The limit and ours get as many rounds as the closest goal needs. What is far from it needs fewer.
ROUNDS = 5
ROUNDS_OF_CLOSE_GOALS = 15
COMPILED_PEERS = ("libuv", "asio-queue", "asio-gather", "libevent")
WINDOW = ("--warm-up-ms", "150", "--window-ms", "400")
TINY_WINDOW = ("--warm-up-ms", "10", "--window-ms", "50")


@dataclasses.dataclass(frozen=True)
class Case:
    """One set of parameters. In the options {dir} is a fresh folder of the run, {shared} one for all runs.

    `contenders` narrows those of the workload; `fifo` is made in {dir} and has a reader while the server
    starts; `x` is where the case stands in a chart with an axis.
    """
    label: str
    load: tuple = ()
    server: tuple = ()
    contenders: tuple = ()
    fifo: str = ""
    x: float = 0


@dataclasses.dataclass(frozen=True)
class Workload:
    """`main` is the figure of the ratios; `extras` are the further figures that every run must have."""
    name: str
    goal: str
    title: str
    about: str
    cases: tuple
    tiny: tuple
    contenders: tuple
    main: Figure = COST
    extras: tuple = (MESSAGES, RSS_PEAK)
    server: str = ""
    server_options: tuple = ()
    load: str = ""
    rounds: int = ROUNDS
    rounds_of_peers: int = ROUNDS
    window: tuple = WINDOW
    tiny_window: tuple = TINY_WINDOW
    needs: tuple = ()
    pinned: bool = True
    axis: str = ""
    by_default: bool = True

    @property
    def server_workload(self):
        return self.server or self.name

    @property
    def load_workload(self):
        return self.load or self.name

    @property
    def figures(self):
        return (self.main, *self.extras)

    def rounds_of(self, contender):
        return self.rounds_of_peers if contender in PEERS else self.rounds


def options(**values):
    """('--connections', '20', ...) from connections=20, ..."""
    return tuple(word for name, value in values.items()
                 for word in ("--" + name.replace("_", "-"), str(value)))


def size_text(size):
    for unit, name in ((MIB, "MiB"), (KIB, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def replies_case(depth, connections=20, x=0):
    return Case(f"depth {depth}", load=options(depth=depth, connections=connections), x=x)


REPLIES = Workload(
    "replies", "B1", "Pipelined replies",
    "Requests of 64 B arrive pipelined on 20 connections; each is answered by one write() of 64 B.",
    cases=tuple(replies_case(depth) for depth in (1, 16, 64, 256)),
    tiny=(replies_case(4, 2),),
    contenders=OURS + PEERS, rounds=ROUNDS_OF_CLOSE_GOALS)


def echo_case(size, connections, contenders=(), x=0):
    return Case(f"{size_text(size)} × {connections}", contenders=contenders, x=x,
                load=options(size=size, connections=connections))


def echo_cases():
    # Peers take part where their figures are compared: in the middle row and the middle column.
    for size in (64, KIB, 16 * KIB):
        for connections in (1, 50, 500, 5000):
            yield echo_case(size, connections, () if size == KIB or connections == 50 else OURS)


ECHO = Workload(
    "echo", "B2", "Echo ping-pong",
    "Each connection sends a message and waits for its echo. The server writes back what it read.",
    cases=tuple(echo_cases()), tiny=(echo_case(KIB, 2),),
    contenders=OURS + PEERS, extras=(MESSAGES, LATENCY_P50, LATENCY_P99, RSS_PEAK))


def stream_case(transport, size, connections, contenders=()):
    server = ("--transport", transport)
    if size == MIB:
        server += ("--owned",)
    if transport != "tcp":
        server += ("--path", "{dir}/" + transport)
    label = f"{transport}, {size_text(size)}{' owned' if size == MIB else ''} × {connections}"
    same = options(size=size)
    return Case(label, server=server + same, contenders=contenders,
                fifo="pipe" if transport == "pipe" else "",
                load=options(connections=connections) + same + tuple(
                    word for word in server if word != "--owned"))


def stream_cases():
    # Only we have owned buffers in the sense of the word; and a pipe has one reader.
    limit_and_sluice = OURS[:2]
    for transport in ("tcp", "unix", "pipe"):
        for size in (64 * KIB, MIB):
            for connections in (1, 8) if transport != "pipe" else (1,):
                yield stream_case(transport, size, connections,
                                  () if size < MIB and transport != "pipe" else limit_and_sluice)


STREAM = Workload(
    "stream", "B3", "Streaming",
    "The server writes without end, pauses when its buffer is full and goes on when it has drained: "
    "64 KiB at a time, or a shared buffer of 1 MiB.",
    cases=tuple(stream_cases()),
    tiny=(stream_case("tcp", 64 * KIB, 2), stream_case("unix", MIB, 1, OURS[:2]),
          stream_case("pipe", 64 * KIB, 1, OURS[:2])),
    contenders=OURS[:2] + PEERS, main=COST_OF_BYTE, extras=(BYTES, RSS_PEAK))


def fanout_case(connections, size=16 * KIB):
    return Case(f"{connections} connections", server=options(size=size),
                load=options(connections=connections, size=size))


FANOUT = Workload(
    "fanout", "B4", "Fan-out", "One message of 16 KiB is written to every connection.",
    cases=tuple(map(fanout_case, (10, 1000, 5000))), tiny=(fanout_case(4),),
    contenders=OURS[:2] + PEERS, extras=(BYTES, RSS_PEAK))


def pieces_case(pieces, connections=20):
    return Case(f"{pieces} writes", server=options(pieces=pieces), load=options(connections=connections))


PIECES = Workload(
    "pieces", "B5", "Header and body",
    "Each request is answered by 1 KiB in two or five write() calls; by hand, by one writev().",
    cases=tuple(map(pieces_case, (2, 5))), tiny=(pieces_case(5, 2),), contenders=OURS[:2] + PEERS)

ALL = (REPLIES, ECHO, STREAM, FANOUT, PIECES)
BY_NAME = {workload.name: workload for workload in ALL}
