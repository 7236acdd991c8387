"""Runs a scenario on CPython's own asyncio transports and returns the trace, a list of lines."""
import asyncio
import errno
import logging
import zlib
from asyncio import selector_events, unix_events

from scenario_text import parse
from scripted_world import (KERNEL_OPERATIONS, FakeOs, FakePipe, FakeSelector, FakeSocket, Kernel,
                            pattern)

TURN_LIMIT = 500
fake_os = FakeOs()
unix_events.os = fake_os


class Thrown(Exception):
    """What the operation `throw` throws."""


def describe(error):
    """What connection_lost was told."""
    if error is None:
        return "ok"
    if isinstance(error, Thrown):
        return "exception"
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno, f"{type(error).__name__} without errno")
    return type(error).__name__


class Recorder(asyncio.Protocol):
    """Writes every callback down and does what the scenario has put there."""

    def __init__(self, run):
        self.run = run

    def connection_made(self, transport):
        self.run.transport = transport
        self.run.called_back("connection_made", "made")

    def pause_writing(self):
        self.run.called_back("pause_writing", "pause")

    def resume_writing(self):
        self.run.called_back("resume_writing", "resume")

    def data_received(self, data):
        self.run.called_back(f"data_received {len(data)} [{zlib.adler32(data):08x}]", "data")

    def eof_received(self):
        self.run.keep_open = False
        self.run.called_back("eof_received", "end")
        return self.run.keep_open

    def connection_lost(self, error):
        self.run.called_back(f"connection_lost({describe(error)})", "lost")


class Run:
    """One scenario on one loop."""

    def __init__(self, text, transport_classes):
        self.kind, self.steps = parse(text)
        self.lines = []
        self.programs = {}
        self.transport = None
        self.keep_open = False
        self.next_step = 0
        self.writes = 0
        self.soons = 0
        self.turns = 0
        self.finished = False
        self.kernel = Kernel(self.trace)
        fake_os.kernel = self.kernel
        selector = FakeSelector(self.kernel, self.advance)
        self.loop = unix_events._UnixSelectorEventLoop(selector)
        self.loop.set_exception_handler(self.handle_exception)
        self.transport_class = transport_classes[self.kind]

    def trace(self, line):
        if not self.finished:
            self.lines.append(line)

    def execute(self):
        for operation in self.steps[0] if self.steps else ():
            self.do(operation)
        self.next_step = 1
        owned = (FakeSocket if self.kind == "socket" else FakePipe)(self.kernel)
        asyncio._set_running_loop(None)
        transport = self.transport_class(self.loop, owned, Recorder(self))
        self.loop.run_forever()
        self.finished = True
        self.loop._ready.clear()
        self.loop.close()
        self.transport = None
        del transport
        return self.lines

    def advance(self, busy):
        """Called at each poll; takes the next step when there is nothing else to do."""
        self.turns += 1
        if self.turns > TURN_LIMIT:
            self.trace("spins")
            self.loop.stop()
        if busy:
            return
        self.trace(f"= {self.state()}")
        if self.next_step >= len(self.steps):
            self.loop.stop()
            return
        step = self.steps[self.next_step]
        self.trace(f"step {self.next_step}")
        self.next_step += 1
        if all(operation.name in KERNEL_OPERATIONS for operation in step):
            self.run_program(step)
        else:
            self.loop.call_soon(self.run_program, step)

    def state(self):
        transport = self.transport
        if transport is None:
            return "unborn"
        low, high = transport.get_write_buffer_limits()
        reading = ""
        if self.kind == "socket":
            reading = ", reading" if transport.is_reading() else ", not reading"
        closing = "closing" if transport.is_closing() else "open"
        return f"{transport.get_write_buffer_size()} of {low}..{high}, {closing}{reading}"

    def called_back(self, line, slot):
        self.trace(line)
        programs = self.programs.get(slot)
        if programs:
            self.run_program(programs.pop(0))

    def run_program(self, program):
        for operation in program:
            self.do(operation)

    def do(self, operation):
        name = operation.name
        if name in KERNEL_OPERATIONS:
            self.kernel.apply(operation)
        elif name.startswith("on_"):
            self.programs.setdefault(name[3:], []).append(operation.body)
        elif name == "soon":
            self.soons += 1
            self.loop.call_soon(self.run_soon, self.soons, operation.body)
        elif name == "throw":
            raise Thrown
        elif name == "keep_open":
            self.keep_open = True
        else:
            self.call(operation)

    def run_soon(self, number, program):
        self.trace(f"soon {number}")
        self.run_program(program)

    def call(self, operation):
        """Calls the transport and writes down how that went."""
        outcome = "ok"
        try:
            CALLS[operation.name](self, operation.numbers)
        except (RuntimeError, ValueError, AttributeError) as error:
            outcome = f"{type(error).__name__} {error}"
        except OSError as error:
            outcome = f"OSError {describe(error)}"
        self.trace(f"{operation.text}: {outcome}; {self.state()}")

    def data(self, size):
        self.writes += 1
        return pattern(self.writes, size)

    def handle_exception(self, _loop, context):
        message = context["message"]
        if message.startswith("Exception in callback"):
            message = "Exception in callback"
        error = context.get("exception")
        kind = "exception" if isinstance(error, Thrown) else type(error).__name__
        self.trace(f"handler: {message}: {kind}")


def limits(run, numbers):
    high, low = numbers
    run.transport.set_write_buffer_limits(high=high, low=low)


CALLS = {
    "write": lambda run, numbers: run.transport.write(run.data(numbers[0])),
    "writelines": lambda run, numbers: run.transport.writelines([run.data(n) for n in numbers]),
    "eof": lambda run, numbers: run.transport.write_eof(),
    "close": lambda run, numbers: run.transport.close(),
    "abort": lambda run, numbers: run.transport.abort(),
    "limits": limits,
    "sizes": lambda run, numbers: None,
    "pause_reading": lambda run, numbers: run.transport.pause_reading(),
    "resume_reading": lambda run, numbers: run.transport.resume_reading(),
}

PURE = {
    "socket": selector_events._SelectorSocketTransport,
    "pipe": unix_events._UnixWritePipeTransport,
}


class WarningCatcher(logging.Handler):
    """asyncio's log: what a dropped write leaves there belongs to the trace."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.run = None

    def emit(self, record):
        if "raised exception" in record.getMessage():
            self.run.trace("warning: dropped write")
        else:
            self.run.trace(f"log: {record.getMessage()}")


catcher = WarningCatcher()
asyncio.log.logger.handlers = [catcher]
asyncio.log.logger.propagate = False


def run_scenario(text, transport_classes=None):
    run = Run(text, transport_classes or PURE)
    catcher.run = run
    return run.execute()
