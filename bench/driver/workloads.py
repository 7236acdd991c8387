"""What is measured: each workload with its cases, who takes part, and the figures that count."""
import dataclasses

from .contenders import OURS, PEERS
from .figures import (BYTES, BYTES_AFTER_ECHO, BYTES_PER_SLOW_READER, BYTES_WHEN_ACCEPTED, COST, COST_OF_BYTE,
                      COST_OF_CALLBACK, COST_OF_WRITE, DRAINING, FILLING_P50_AGAINST_QUIET, FILLING_P99_AGAINST_QUIET,
                      Figure, LATENCY_AGAINST_QUIET, LATENCY_P50, LATENCY_P99, MESSAGES, P99_AGAINST_QUIET, QUEUEING,
                      RSS_AFTER_DRAIN, RSS_AFTER_WINDOW, RSS_BEFORE_MESSAGE, RSS_PEAK, RSS_QUEUED)

KIB = 1024
MIB = 1024 * KIB
# The limit and ours get as many rounds as the closest goal needs. What is far from it needs fewer.
ROUNDS = 5
ROUNDS_OF_CLOSE_GOALS = 15
COMPILED_PEERS = ("libuv", "asio-queue", "asio-gather", "libevent")
WINDOW = ("--warm-up-ms", "150", "--window-ms", "400")
# A hundred times as long as the period in which a thread has its share of a core.
LONG_WINDOW = ("--warm-up-ms", "200", "--window-ms", "1000")
# Connections of which each has a message many times in a turn.
MOST_IN_TURNS = 1000
TINY_WINDOW = ("--warm-up-ms", "10", "--window-ms", "50")


@dataclasses.dataclass(frozen=True)
class Case:
    """One set of parameters. In the options {dir} is a fresh folder of the run, {shared} one for all runs, {target_port}
    a port that listens and {target} its descriptor, which the load has open.

    `contenders` narrows those of the workload, and `rounds_of_peers` stands for theirs; `alone`: a lap of all its
    connections is no small part of a turn; so many FIFOs `pipes`, named pipe.0 and so on, are made in {dir} and have a
    reader while the server starts; `x` is where the case stands in a chart with an axis.
    """
    label: str
    load: tuple = ()
    server: tuple = ()
    contenders: tuple = ()
    rounds_of_peers: int = 0
    alone: bool = False
    pipes: int = 0
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
    # All contenders of a round at once, in turns; not where memory counts, or a whole transfer.
    in_turns: bool = False
    pinned: bool = True
    axis: str = ""
    by_default: bool = True
    micro: bool = False

    @property
    def server_workload(self):
        return self.server or self.name

    @property
    def load_workload(self):
        return self.load or self.name

    @property
    def figures(self):
        return (self.main, *self.extras)

    def rounds_of(self, contender, case):
        return (case.rounds_of_peers or self.rounds_of_peers) if contender in PEERS else self.rounds


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
    contenders=OURS + PEERS, rounds=ROUNDS_OF_CLOSE_GOALS, in_turns=True)


def echo_case(size, connections, contenders=(), x=0):
    return Case(f"{size_text(size)} × {connections}", contenders=contenders, x=x, alone=connections > MOST_IN_TURNS,
                load=options(size=size, connections=connections))


def echo_cases():
    for size in (64, KIB, 16 * KIB):
        for connections in (1, 50, 500, 5000):
            yield echo_case(size, connections)


ECHO = Workload(
    "echo", "B2", "Echo ping-pong",
    "Each connection sends a message and waits for its echo. The server writes back what it read.",
    cases=tuple(echo_cases()), tiny=(echo_case(KIB, 2),),
    contenders=OURS + PEERS, extras=(MESSAGES, LATENCY_P50, LATENCY_P99, RSS_PEAK),
    rounds=ROUNDS_OF_CLOSE_GOALS, in_turns=True)


def stream_case(transport, size, connections, owned=False):
    pipes = connections if transport == "pipe" else 0
    server = ("--transport", transport)
    if owned:
        server += ("--owned",)
    if transport != "tcp":
        server += ("--path", "{dir}/" + transport)
    label = f"{transport}, {size_text(size)}{' owned' if owned else ''} × {connections}"
    same = options(size=size)
    return Case(label, server=server + same + (options(pipes=pipes) if pipes else ()), pipes=pipes,
                load=options(connections=connections) + same + tuple(
                    word for word in server if word != "--owned"))


def stream_cases():
    for transport in ("tcp", "unix", "pipe"):
        for size, connections, owned in ((64 * KIB, 1, False), (64 * KIB, 8, False), (64 * KIB, 8, True),
                                         (MIB, 1, True), (MIB, 8, True)):
            yield stream_case(transport, size, connections, owned=owned)


STREAM = Workload(
    "stream", "B3", "Streaming",
    "The server writes without end, pauses when its buffer is full and goes on when it has drained: "
    "64 KiB at a time, or a shared buffer of 64 KiB or 1 MiB.",
    cases=tuple(stream_cases()),
    tiny=(stream_case("tcp", 64 * KIB, 2), stream_case("unix", MIB, 1, owned=True),
          stream_case("pipe", 64 * KIB, 2)),
    contenders=OURS[:2] + PEERS, main=COST_OF_BYTE, extras=(BYTES, RSS_PEAK), rounds=ROUNDS_OF_CLOSE_GOALS,
    in_turns=True)


FANOUT_MESSAGE_BYTES = 16 * KIB


def fanout_case(connections, size=FANOUT_MESSAGE_BYTES):
    return Case(f"{connections} connections", server=options(size=size), alone=connections > MOST_IN_TURNS,
                load=options(connections=connections, size=size))


FANOUT = Workload(
    "fanout", "B4", "Fan-out", "One message of 16 KiB is written to every connection.",
    cases=tuple(map(fanout_case, (10, 1000, 5000))), tiny=(fanout_case(4),),
    contenders=OURS[:2] + PEERS, extras=(BYTES, RSS_BEFORE_MESSAGE, RSS_AFTER_WINDOW, RSS_PEAK),
    rounds=ROUNDS_OF_CLOSE_GOALS, in_turns=True)


def pieces_case(pieces, connections=20):
    return Case(f"{pieces} writes", server=options(pieces=pieces), load=options(connections=connections))


PIECES = Workload(
    "pieces", "B5", "Header and body",
    "Each request is answered by 1 KiB in two or five write() calls; by hand, by one writev().",
    cases=tuple(map(pieces_case, (2, 5))), tiny=(pieces_case(5, 2),), contenders=OURS[:2] + PEERS,
    extras=(MESSAGES, LATENCY_P50, LATENCY_P99, RSS_PEAK), rounds=ROUNDS_OF_CLOSE_GOALS, in_turns=True)


def iovecs_case(count, connections=20):
    # Only we have owned buffers in the sense of the word. Below the mark, all of them leave in one flush.
    return Case(f"{count} iovec{'s' if count > 1 else ''}",
                server=("--owned", *options(pieces=1, high=2 * MIB)),
                load=options(connections=connections, depth=count), contenders=OURS[:2], x=count)


def deep_case(writes, contenders=()):
    return Case(f"{writes:,} writes", load=options(writes=writes), contenders=contenders, x=writes)


# Ten million writes are a gigabyte in the queue. Peers with a request object for each take a multiple of that, and up
# to a minute.
DEEP = Workload(
    "deep", "B6", "Deep queue",
    "Writes of 100 B are queued on a connection that is clogged, all in one callback, 1,000 in ten; then the peer "
    "reads them.",
    cases=(deep_case(1_000), deep_case(10_000), deep_case(100_000), deep_case(1_000_000),
           dataclasses.replace(deep_case(10_000_000), rounds_of_peers=1)),
    # Fewer cost less than what else happens on a busy machine.
    tiny=(deep_case(100_000),), contenders=OURS[:2] + PEERS, main=COST_OF_WRITE,
    extras=(QUEUEING, DRAINING, RSS_QUEUED, RSS_AFTER_DRAIN, RSS_PEAK))


def idle_case(connections):
    return Case(f"{connections:,} connections", load=options(connections=connections))


IDLE = Workload(
    "idle", "B7", "Idle connections",
    "Memory of its own that a connection takes from the server, when it is accepted and when it had one echo.",
    cases=(idle_case(10_000),), tiny=(idle_case(1_000),), contenders=OURS + PEERS, server="echo",
    main=BYTES_AFTER_ECHO, extras=(BYTES_WHEN_ACCEPTED, RSS_PEAK))


def slow_case(connections):
    return Case(f"{connections} readers", load=options(connections=connections))


SLOW = Workload(
    "slow", "B8", "Slow readers",
    "Clients that never read are offered 100 MB each, while one fast client plays ping-pong with 1 KiB.",
    cases=(slow_case(1_000),), tiny=(slow_case(4),), contenders=OURS[:2] + PEERS,
    extras=(LATENCY_P50, LATENCY_P99, LATENCY_AGAINST_QUIET, P99_AGAINST_QUIET, FILLING_P50_AGAINST_QUIET,
            FILLING_P99_AGAINST_QUIET, BYTES_PER_SLOW_READER, RSS_PEAK))


def bulk_case(size, server=(), load=()):
    return Case(size_text(size), load=options(bytes=size) + load, server=server)


def relay_case(size):
    # The load accepts where the relay connects to.
    return bulk_case(size, server=("--to", "{target_port}"), load=("--listener", "{target}"))


RELAY = Workload(
    "relay", "B11", "Relay", "What arrives on one connection is sent on another one; by hand with splice().",
    cases=(relay_case(1024 * MIB),), tiny=(relay_case(MIB),),
    # Passing on what was read has nothing to gather.
    contenders=OURS[:2] + tuple(name for name in PEERS if name != "asio-gather"), main=COST_OF_BYTE,
    extras=(BYTES, RSS_PEAK), rounds=ROUNDS_OF_CLOSE_GOALS)
SENDFILE = Workload(
    "sendfile", "B11", "File server", "Each request is answered by a file of 1 GiB; by hand with sendfile().",
    cases=(bulk_case(1024 * MIB),), tiny=(bulk_case(MIB),), contenders=OURS[:2] + ("asyncio", "uvloop", "node"),
    main=COST_OF_BYTE, extras=(BYTES, RSS_PEAK), server_options=("--file", "{shared}/file"), needs=("file",),
    rounds=ROUNDS_OF_CLOSE_GOALS)


def tls_case(size, connections):
    return Case(f"{size_text(size)} × {connections}", load=options(size=size, connections=connections))


def tls_stream_case(size, connections):
    return dataclasses.replace(tls_case(size, connections), server=options(size=size))


TLS_CONTENDERS = OURS[:2] + ("asio-queue", "libevent", "asyncio", "uvloop", "node")
CERTIFICATE = ("--cert", "{shared}/cert.pem", "--key", "{shared}/key.pem")
TLS_ECHO = Workload(
    "tls_echo", "B9", "TLS echo", "Echo over TLS 1.3.",
    cases=(tls_case(KIB, 50), tls_case(64 * KIB, 50)), tiny=(tls_case(KIB, 2),), contenders=TLS_CONTENDERS,
    extras=(MESSAGES, LATENCY_P50, LATENCY_P99, RSS_PEAK), server_options=CERTIFICATE, needs=("certificate",),
    rounds=ROUNDS_OF_CLOSE_GOALS, in_turns=True)
TLS_STREAM = Workload(
    "tls_stream", "B9", "TLS streaming", "Streaming over TLS 1.3.",
    cases=(tls_stream_case(KIB, 1), tls_stream_case(64 * KIB, 1), tls_stream_case(64 * KIB, 8)),
    tiny=(tls_stream_case(64 * KIB, 2),), contenders=TLS_CONTENDERS, main=COST_OF_BYTE, extras=(BYTES, RSS_PEAK),
    server_options=CERTIFICATE, needs=("certificate",), rounds=ROUNDS_OF_CLOSE_GOALS, in_turns=True)


def with_threads(case, threads):
    return dataclasses.replace(case, label=f"{threads} thread{'s' if threads > 1 else ''}", x=threads,
                               server=case.server + options(threads=threads))


def scaling(workload, case):
    """The workload served by one thread and by two. Nothing is pinned: the threads find their cores, or shares of them.

    A core that the server's threads have to share with the load would tell of the load.
    """
    return Workload(
        f"scaling_{workload.name}", f"{workload.goal}", f"{workload.title}, one thread and two",
        f"{case.label}. One loop for each thread of the server, connections shared by the kernel.",
        cases=(with_threads(case, 1), with_threads(case, 2)), tiny=(with_threads(workload.tiny[0], 2),),
        contenders=OURS[:2], extras=(MESSAGES, RSS_PEAK), server=workload.name, load=workload.name,
        rounds=ROUNDS_OF_CLOSE_GOALS, window=LONG_WINDOW, pinned=False)


MICRO = Workload(
    "micro", "B10", "Callbacks, timers and wake-ups",
    "Single functions of the loop beside their counterparts in libuv, by Google Benchmark; time of one callback.",
    cases=(), tiny=(), contenders=OURS[1:2], main=COST_OF_CALLBACK, extras=(), micro=True)

SCALING = (scaling(REPLIES, replies_case(64)), scaling(ECHO, echo_case(KIB, 50)))


def growth(name, title, about, of, cases, axis, tiny=None):
    return Workload(f"growth_{name}", "growth", title, about, cases=tuple(cases),
                    tiny=(tiny or dataclasses.replace(of.tiny[0], x=1),),
                    contenders=of.contenders,
                    main=COST, extras=(MESSAGES, RSS_PEAK), server=of.name, load=of.name, axis=axis,
                    in_turns=True, by_default=False)


GROWTH = (
    growth("connections", "Cost of an echo by connections", "Echo of 1 KiB.", ECHO,
           (echo_case(KIB, connections, x=connections) for connections in (1, 10, 100, 1000, 10_000)),
           "connections"),
    growth("write_size", "Cost of a write by its size", "Streaming over one TCP connection.", STREAM,
           (dataclasses.replace(stream_case("tcp", size, 1), label=size_text(size), x=size, contenders=(),
                                server=options(size=size)) for size in (4 ** power for power in range(11))),
           "bytes of a write"),
    growth("gathered", "Cost of a reply by the replies that leave together", "Pipelined replies.", REPLIES,
           (replies_case(2 ** power, x=2 ** power) for power in range(11)), "depth: replies of one flush"),
    growth("iovecs", "Cost of a shared buffer by the buffers that leave together",
           "Pipelined requests, each answered by a shared buffer of 1 KiB: one iovec.", PIECES,
           (iovecs_case(2 ** power) for power in range(11)), "iovecs of one flush", iovecs_case(4, connections=2)))

ALL = (REPLIES, ECHO, STREAM, FANOUT, PIECES, DEEP, IDLE, SLOW, TLS_ECHO, TLS_STREAM, RELAY, SENDFILE, MICRO,
       *SCALING, *GROWTH)
BY_NAME = {workload.name: workload for workload in ALL}
