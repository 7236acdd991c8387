#!/usr/bin/env python3
"""The server on asyncio, or on uvloop with --loop uvloop: asyncio's protocols, as its documentation
shows them.

usage: server.py WORKLOAD [--loop asyncio|uvloop] [--option value ...]
"""
import argparse
import asyncio
import logging
import os
import resource
import ssl
import sys

REQUEST_BYTES = 64
REPLY = b"0123456789abcdef" * 4
PIECES = {2: (24, 1000), 5: (8, 8, 8, 200, 800)}
DEEP_BYTES = 100
SLOW_CHUNK_BYTES = 16 * 1024
SLOW_CHUNKS = 100 * 1000 * 1000 // SLOW_CHUNK_BYTES
BACKLOG = 4096
# So much for one peer, then it is the turn of the others.
TURN_BYTES = 1024 * 1024
TURN_WRITES = 256


class UnknownWorkload(Exception):
    """The workload, or a variant of it, is none for this library."""


def pattern(size):
    return bytes((i * 131 + (i >> 8) * 7) & 255 for i in range(size))


class Connection(asyncio.Protocol):
    transport = None

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, error):
        self.transport = None


class Echo(Connection):
    def data_received(self, data):
        self.transport.write(data)


class Requests(Connection):
    """Calls answer() for each whole request."""
    partial = 0

    def data_received(self, data):
        whole, self.partial = divmod(self.partial + len(data), REQUEST_BYTES)
        for _ in range(whole):
            self.answer()


class Replies(Requests):
    def answer(self):
        self.transport.write(REPLY)


class PieceByPiece(Requests):
    def __init__(self, pieces):
        self.pieces = pieces

    def answer(self):
        for piece in self.pieces:
            self.transport.write(piece)


class Stream(Connection):
    """Writes the chunk again and again, but not while writing is paused. Each time it begins in a
    callback of its own: CPython 3.11 ends the transport of a pipe twice when a write from within
    resume_writing() finds the reader gone."""

    def __init__(self, chunk, chunks=None):
        self.chunk = chunk
        self.left = chunks
        self.paused = False

    def connection_made(self, transport):
        super().connection_made(transport)
        self.begin()

    def begin(self):
        asyncio.get_running_loop().call_soon(self.offer)

    def offer(self):
        # asyncio writes at once: a peer that keeps up would never let go of the loop.
        for _ in range(min(TURN_WRITES, -(-TURN_BYTES // len(self.chunk)))):
            if self.paused or self.left == 0 or not self.is_open():
                return
            if self.left is not None:
                self.left -= 1
            self.transport.write(self.chunk)
        if not self.paused:
            self.begin()

    def is_open(self):
        return self.transport is not None and not self.transport.is_closing()

    def pause_writing(self):
        self.paused = True

    def resume_writing(self):
        self.paused = False
        self.begin()


class Slow(Stream):
    """The first byte of a client says what it wants to be."""
    role = None

    def connection_made(self, transport):
        Connection.connection_made(self, transport)

    def data_received(self, data):
        if self.role is None:
            self.role, data = data[:1], data[1:]
            if self.role == b"S":
                self.begin()
        if self.role == b"E" and data:
            self.transport.write(data)

    def resume_writing(self):
        self.paused = False
        if self.role == b"S":
            self.begin()


class FanOut(Connection):
    def __init__(self, message, members):
        self.message = message
        self.members = members

    def connection_made(self, transport):
        super().connection_made(transport)
        self.members.add(transport)

    def connection_lost(self, error):
        self.members.discard(self.transport)
        super().connection_lost(error)

    def data_received(self, data):
        for _ in data:
            for member in self.members:
                member.write(self.message)


class Deep(Connection):
    def data_received(self, data):
        if len(data) != 8:
            self.transport.write(data)
            return
        rest = pattern(DEEP_BYTES)[8:]
        for index in range(int.from_bytes(data, "little")):
            self.transport.write(index.to_bytes(8, "little") + rest)


class Relay(Connection):
    """Passes on to the other side what arrives on this one, and does not read faster than that one writes."""

    def __init__(self, other=None, to=None):
        self.other = other
        self.to = to
        self.ended = False
        self.task = None

    def connection_made(self, transport):
        super().connection_made(transport)
        if self.other is None:
            self.task = asyncio.ensure_future(self.connect())

    async def connect(self):
        # Not in connection_made(), after which CPython 3.11 begins to read in any case.
        self.transport.pause_reading()
        try:
            loop = asyncio.get_running_loop()
            _, self.other = await loop.create_connection(lambda: Relay(self), "127.0.0.1", self.to)
            self.transport.resume_reading()
        except OSError:
            self.transport.abort()

    def data_received(self, data):
        self.other.transport.write(data)

    def eof_received(self):
        self.ended = True
        self.other.transport.write_eof()
        if self.other.ended:
            self.other.transport.close()
        # Open as long as there is another way.
        return not self.other.ended

    def pause_writing(self):
        self.other.transport.pause_reading()

    def resume_writing(self):
        self.other.transport.resume_reading()

    def connection_lost(self, error):
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()
        super().connection_lost(error)


class SendFile(Requests):
    """One file after the other: loop.sendfile must have ended before the next begins."""

    def __init__(self, path):
        self.path = path
        self.waiting = 0
        self.task = None

    def answer(self):
        self.waiting += 1
        if self.task is None:
            self.task = asyncio.ensure_future(self.send())

    async def send(self):
        try:
            with open(self.path, "rb") as file:
                while self.waiting > 0:
                    self.waiting -= 1
                    await asyncio.get_running_loop().sendfile(self.transport, file)
        except ConnectionError:
            self.waiting = 0
        finally:
            self.task = None


def find_workload(options):
    """What makes the protocol of a connection."""
    name = options.workload
    if name in ("echo", "tls_echo"):
        return Echo
    if name == "replies":
        return Replies
    if name == "pieces":
        reply = pattern(1024)
        pieces, start = [], 0
        for size in PIECES[options.pieces]:
            pieces.append(reply[start:start + size])
            start += size
        return lambda: PieceByPiece(pieces)
    if name in ("stream", "tls_stream"):
        chunk = pattern(options.size or 64 * 1024)
        return lambda: Stream(chunk)
    if name == "slow":
        chunk = pattern(SLOW_CHUNK_BYTES)
        return lambda: Slow(chunk, SLOW_CHUNKS)
    if name == "fanout":
        message = pattern(options.size or 16 * 1024)
        members = set()
        return lambda: FanOut(message, members)
    if name == "deep":
        return Deep
    if name == "relay":
        return lambda: Relay(to=options.to)
    # uvloop has no sendfile.
    if name == "sendfile" and options.loop == "asyncio":
        return lambda: SendFile(options.file)
    raise UnknownWorkload(name)


def tls_context(options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(options.cert, options.key)
    return context


async def listen(loop, options, make):
    """Announces the port, and returns what must be kept while it serves."""
    if options.transport == "tcp":
        tls = tls_context(options) if options.workload.startswith("tls_") else None
        server = await loop.create_server(make, "127.0.0.1", 0, backlog=BACKLOG, ssl=tls)
        print("listening", server.sockets[0].getsockname()[1], flush=True)
        return server
    if options.transport == "unix":
        server = await loop.create_unix_server(make, options.path, backlog=BACKLOG)
        print("listening 0", flush=True)
        return server
    if options.transport == "pipe":
        print("listening 0", flush=True)
        # Each waits for the reader of the FIFO.
        fifos = [open(f"{options.path}.{number}", "wb", buffering=0) for number in range(options.pipes)]
        return [await loop.connect_write_pipe(make, fifo) for fifo in fifos]
    raise UnknownWorkload(f"{options.workload} --transport {options.transport}")


async def serve(options):
    make = find_workload(options)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def read_stdin():
        if not os.read(0, 256):
            ended.set()

    loop.add_reader(0, read_stdin)
    listening = await listen(loop, options, make)
    await ended.wait()
    del listening
    if options.transport == "unix":
        os.unlink(options.path)


def run(options):
    if options.loop == "asyncio":
        asyncio.run(serve(options))
        return
    try:
        import uvloop
    except ImportError as error:
        raise OSError("uvloop is absent (Debian: python3-uvloop)") from error
    uvloop.install()
    asyncio.run(serve(options))


def positive(text):
    number = int(text)
    if number <= 0:
        raise ValueError
    return number


def parse():
    parser = argparse.ArgumentParser(description="the server on asyncio or uvloop")
    parser.add_argument("workload")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--transport", default="tcp")
    parser.add_argument("--path")
    parser.add_argument("--size", type=positive)
    parser.add_argument("--pieces", type=int, choices=sorted(PIECES), default=2)
    parser.add_argument("--owned", action="store_true", help="bytes are shared here in any case")
    parser.add_argument("--pipes", type=positive, default=1)
    parser.add_argument("--to", type=positive)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--file")
    return parser.parse_args()


def main():
    options = parse()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    # asyncio warns of every write to a peer that is gone.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    try:
        run(options)
    except UnknownWorkload as error:
        print("unknown workload", error, file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(f"{sys.argv[0]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
