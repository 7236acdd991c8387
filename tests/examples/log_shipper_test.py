#!/usr/bin/env python3
"""The log shipper with an asyncio server that acknowledges, one that breaks off, and openssl s_server."""
import asyncio
import contextlib
import fcntl
import os
import pathlib
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import termios
import unittest.mock

sys.dont_write_bytecode = True
import support


class Collector:
    """An asyncio TLS server that stores lines and acknowledges them, and cuts off as it is told."""

    def __init__(self, test, cut_after=()):
        self.test = test
        self.cut_after = list(cut_after)
        self.lines = []
        self.connections = 0
        self.news = asyncio.Event()

    async def __aenter__(self):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.test.certificate, self.test.key)
        self.server = await asyncio.start_server(self.collect, "127.0.0.1", 0, ssl=context)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def collect(self, reader, writer):
        self.connections += 1
        limit = self.cut_after.pop(0) if self.cut_after else None
        stored = 0
        try:
            while line := await reader.readline():
                self.lines.append(line)
                self.news.set()
                stored += len(line)
                if limit is not None and stored > limit:
                    break  # the last line is stored, but never acknowledged
                writer.write(b"%d\n" % stored)
        except ConnectionError:
            pass
        writer.transport.abort()

    async def until(self, condition, what):
        """Looks at the condition after each line that comes."""
        async def wait():
            while not condition():
                self.news.clear()
                await self.news.wait()
        try:
            await asyncio.wait_for(wait(), support.PATIENCE)
        except asyncio.TimeoutError:
            raise AssertionError(f"{what}: not within {support.PATIENCE} s; {len(self.lines)} lines came"
                                 f" over {self.connections} connections") from None


def numbered(first, last, length=0):
    return [b"line %d %s\n" % (number, b"x" * length) for number in range(first, last)]


def without_repeats(lines):
    return list(dict.fromkeys(lines))


def unread(connection):
    """How many bytes wait in the kernel to be received."""
    return struct.unpack("i", fcntl.ioctl(connection, termios.FIONREAD, bytes(4)))[0]


def sleeps(process):
    return pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def field_of(path, name):
    return next(int(line.split()[1]) for line in pathlib.Path(path).read_text().splitlines()
                if line.startswith(f"{name}:"))


def bytes_read(process):
    return field_of(f"/proc/{process.pid}/io", "rchar")


class LogShipperTest(support.ExampleTest):
    def setUp(self):
        self.folder = self.temporary_folder()
        self.certificate, self.key = support.make_certificate(self.folder)
        self.log = self.folder / "log"

    def append(self, lines):
        with open(self.log, "ab") as log:
            log.write(b"".join(lines))

    def ship(self, port, *mode):
        return self.start("example_log_shipper", str(self.log), "localhost", str(port),
                          self.certificate, *mode, stderr=subprocess.PIPE)

    @contextlib.contextmanager
    def telling_what_wrote(self, **outputs):
        """A failure in the block says what the programs have written that nobody has read."""
        try:
            yield
        except AssertionError as failure:
            wrote = "".join(f"\nthe {name} wrote: {support.said(output) or 'nothing'}"
                            for name, output in outputs.items())
            raise AssertionError(f"{failure}{wrote}") from failure

    def with_collector(self, scenario, cut_after=()):
        async def run():
            async with Collector(self, cut_after) as server:
                shipper = self.ship(server.port, "acknowledged")
                with self.telling_what_wrote(shipper=shipper.stderr):
                    await scenario(server)
                shipper.send_signal(signal.SIGTERM)
                self.assertEqual(await asyncio.to_thread(shipper.wait, support.PATIENCE), 0)
            return server
        return asyncio.run(run())

    def test_lines_are_shipped_as_they_are_written_and_only_whole(self):
        async def scenario(server):
            self.append(numbered(0, 3))
            await server.until(lambda: len(server.lines) == 3, "3 lines")
            self.append([b"hal"])
            self.append([b"f\nnext\n"])
            await server.until(lambda: len(server.lines) == 5, "5 lines")
        server = self.with_collector(scenario)
        self.assertEqual(server.lines, numbered(0, 3) + [b"half\n", b"next\n"])
        self.assertEqual(server.connections, 1)

    def test_no_line_is_lost_when_connections_break(self):
        lines = numbered(0, 20000, 100)
        self.append(lines)

        async def scenario(server):
            await server.until(lambda: server.lines and server.lines[-1] == lines[-1], "the last line")
        server = self.with_collector(scenario, [100000, 0, 500000])
        self.assertEqual(server.connections, 4)
        self.assertEqual(without_repeats(server.lines), lines)
        self.assertGreater(len(server.lines), len(lines))  # what was not acknowledged came twice

    def test_a_file_that_was_renamed_is_shipped_to_its_end(self):
        async def scenario(server):
            self.append(numbered(0, 3) + [b"without an end"])
            await server.until(lambda: len(server.lines) == 3, "3 lines")
            os.rename(self.log, self.folder / "log.1")
            self.append(numbered(3, 6))
            await server.until(lambda: len(server.lines) == 7, "7 lines")
        server = self.with_collector(scenario)
        self.assertEqual(server.lines, numbered(0, 3) + [b"without an end\n"] + numbered(3, 6))

    def test_a_file_that_was_truncated_is_begun_again(self):
        async def scenario(server):
            self.append(numbered(0, 50))
            await server.until(lambda: len(server.lines) == 50, "50 lines")
            os.truncate(self.log, 0)
            self.append(numbered(50, 53))
            await server.until(lambda: len(server.lines) == 53, "53 lines")
        server = self.with_collector(scenario)
        self.assertEqual(server.lines, numbered(0, 53))

    def test_it_tries_again_until_the_server_is_there_with_pauses_that_grow(self):
        self.append(numbered(0, 1))
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            shipper = self.ship(port)
            for _ in range(3):
                self.assertIn("Connection refused", support.read_line(shipper.stderr))
            unused.listen()
            unused.accept()[0].close()

    def test_a_server_that_does_not_read_stops_the_reading_of_the_file(self):
        lines = [b"x" * 1000 + b"\n"] * (64 << 10)
        self.append(lines)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            shipper = self.ship(listener.getsockname()[1])
            with self.telling_what_wrote(shipper=shipper.stderr):
                support.wait_until(lambda: select.select([listener], [], [], 0)[0], "the shipper to connect")
            connection = listener.accept()[0]
            connection.settimeout(support.PATIENCE)
            secured = context.wrap_socket(connection, server_side=True)
            self.addCleanup(secured.close)
            support.wait_until(lambda: unread(secured) > 0 and sleeps(shipper), "the shipper to wait")
            # With more to ship it waits for nobody but us.
            self.assertLess(bytes_read(shipper), len(lines) * len(lines[0]) // 2)
            received = 0
            while received < len(lines) * len(lines[0]):
                received += len(secured.recv(1 << 20))
                # What is on its way is in its buffer, bounded by the marks, and in the sockets'.
                self.assertLess(bytes_read(shipper) - received, 16 << 20)

    def test_openssl_s_server_gets_the_lines(self):
        server = subprocess.Popen(
            ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", self.certificate,
             "-key", self.key], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(server.stdin.close)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        while not (line := support.read_line(server.stdout)).startswith("ACCEPT"):
            pass
        self.append(numbered(0, 3))
        shipper = self.ship(int(line.rpartition(":")[2]))
        with self.telling_what_wrote(shipper=shipper.stderr, server=server.stdout):
            while support.read_line(server.stdout, "line 0 from s_server") != "line 0 ":
                pass
            self.assertEqual(support.read_line(server.stdout, "line 1 from s_server"), "line 1 ")

    def test_a_wait_in_vain_says_what_for_and_what_the_shipper_wrote(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            shipper = self.ship(unused.getsockname()[1])
            support.wait_until(lambda: select.select([shipper.stderr], [], [], 0)[0], "the shipper to write")

            async def wait():
                async with Collector(self) as server:
                    with self.telling_what_wrote(shipper=shipper.stderr):
                        await server.until(lambda: server.lines, "a line of the log")
            with unittest.mock.patch.object(support, "PATIENCE", 0.01), \
                    self.assertRaisesRegex(AssertionError, "(?s)^a line of the log: not within 0.01 s; 0 lines came "
                                           "over 0 connections\nthe shipper wrote: .*Connection refused"):
                asyncio.run(wait())


if __name__ == "__main__":
    support.main()
