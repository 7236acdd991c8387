"""The table of deliberate differences: where Sluice does not do what CPython does, and that is meant.

Each entry names the clause of docs/contract.md, says in a sentence what Sluice does instead, and has an
amendment: a class that is put in front of CPython's transport and changes it to that rule, as little as
possible. What CPython with these amendments does, Sluice must do exactly; what no entry explains is a bug.

An amendment calls note() whenever it makes a difference. The oracle takes that as a hint which entries a
scenario may need; which it does need is found by leaving them out.
"""
import errno
import functools
import os
import socket
import sys
from asyncio import selector_events, unix_events
from typing import NamedTuple, Optional

fired = set()
ALWAYS = (0, 0), (99, 0)
BEFORE_3_12 = (0, 0), (3, 12)
SINCE_3_12 = (3, 12), (99, 0)
DROP_THRESHOLD = 5


def note(clause):
    fired.add(clause)


# ---- What amendments need to know; changes nothing ----


class Observed:
    """Keeps track of where a transport stands."""

    flushing = False  # inside _write_ready
    callouts = 0  # how many of pause_writing and resume_writing are on the stack
    loss_scheduled = False  # connection_lost is queued
    losing = False  # connection_lost is running or has run
    resume_checks = 0

    @property
    def alive(self):
        return not (self.loss_scheduled or self.losing)

    def _call_connection_lost(self, error):
        self.losing = True
        super()._call_connection_lost(error)

    def _maybe_pause_protocol(self):
        self.callouts += 1
        try:
            super()._maybe_pause_protocol()
        finally:
            self.callouts -= 1

    def _maybe_resume_protocol(self):
        self.resume_checks += 1
        self.callouts += 1
        try:
            super()._maybe_resume_protocol()
        finally:
            self.callouts -= 1


class ObservedSocket(Observed, selector_events._SelectorSocketTransport):
    @property
    def alive(self):
        return not (self._conn_lost or self.losing)

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.__dict__.pop("_write_ready", None)  # since 3.12 it hides the method

    def _write_ready(self):
        flush = getattr(super(), "_write_sendmsg", None) or super()._write_ready
        outer, self.flushing = self.flushing, True
        try:
            flush()
        finally:
            self.flushing = outer


class ObservedPipe(Observed, unix_events._UnixWritePipeTransport):
    def _write_ready(self):
        outer, self.flushing = self.flushing, True
        try:
            super()._write_ready()
        finally:
            self.flushing = outer

    def write_eof(self):
        if not self._closing and not self._buffer:
            self.loss_scheduled = True
        super().write_eof()

    def _close(self, error=None):
        super()._close(error)
        self.loss_scheduled = True


# ---- The amendments ----


class LossIsScheduledOnce:
    def _call_connection_lost(self, error):
        if self.flushing and (self.loss_scheduled or getattr(self, "_conn_lost", 0) and self.is_socket):
            note("Q-2")
            return
        super()._call_connection_lost(error)


class PipeAbortsOnce:
    def _close(self, error=None):
        if not self.alive and self._loop is not None:
            note("Q-3")
            return
        super()._close(error)


class SocketUsableAfterLoss:
    def _call_connection_lost(self, error):
        if not self._conn_lost:
            note("Q-4")
            self._conn_lost = 1
        super()._call_connection_lost(error)


class PipeUsableAfterLoss:
    def _close(self, error=None):
        if self._loop is None:
            note("Q-4")
            return
        super()._close(error)


class PipeDrainsWhatResumeWrote:
    def _call_connection_lost(self, error):
        if self.flushing and self._buffer:
            note("Q-5")
            self._loop._add_reader(self._fileno, self._read_ready)
            return
        super()._call_connection_lost(error)


class PipeWatchesOnlyIfAlive:
    def __init__(self, loop, *arguments):
        super().__init__(loop, *arguments)
        for handle in loop._ready:
            if handle._callback == loop._add_reader:
                handle._callback = self.watch

    def watch(self, *arguments):
        if self.alive:
            self._loop._add_reader(*arguments)
        else:
            note("Q-6")


class PipeResumesAtLowMark:
    def _write_ready(self):
        size, checks = len(self._buffer), self.resume_checks
        super()._write_ready()
        if self.alive and checks == self.resume_checks and 0 < len(self._buffer) < size:
            if self._protocol_paused and len(self._buffer) <= self._low_water:
                note("Q-10")
            self._maybe_resume_protocol()


class LimitsResume:
    def set_write_buffer_limits(self, high=None, low=None):
        super().set_write_buffer_limits(high, low)
        self.check_resume(self.callouts > 0)

    def check_resume(self, later=False):
        if self.alive and self._protocol_paused and self.get_write_buffer_size() <= self._low_water:
            note("Q-11")
            if later:
                self._loop.call_soon(self.check_resume)
            else:
                self._maybe_resume_protocol()


class FailedShutdownLosesConnection:
    def write_eof(self):
        self.or_lose(super().write_eof)

    def _write_ready(self):
        self.or_lose(super()._write_ready)

    def or_lose(self, call):
        try:
            call()
        except OSError as error:
            note("Q-12")
            # A reset that nobody has read yet is why the socket is not connected any more.
            reason = (self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                      if error.errno == errno.ENOTCONN else 0)
            self._fatal_error(OSError(reason, os.strerror(reason)) if reason else error)


class BrokenPipeHasNumber:
    def _close(self, error=None):
        if isinstance(error, BrokenPipeError) and error.errno is None:
            note("Q-17")
            error = BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        super()._close(error)


class EndIsRemembered:
    ended = False

    def _read_ready__on_eof(self):
        self.ended = True
        note("Q-25")
        super()._read_ready__on_eof()

    def is_reading(self):
        return super().is_reading() and not self.ended

    def pause_reading(self):
        if not self.ended:
            super().pause_reading()

    def resume_reading(self):
        if not self.ended:
            super().resume_reading()


class ClosedSocketDrops:
    """As if close() had lost the connection, which counts as the first of the drops."""

    drops = 0

    def dropped(self, size):
        if not self._closing or self._eof or self._conn_lost or not size:
            return False
        note("W-16")
        if self.drops + 1 >= DROP_THRESHOLD:
            selector_events.logger.warning("socket.send() raised exception.")
        self.drops += 1
        return True

    def add_drops(self):
        self._conn_lost += self.drops
        self.drops = 0

    def write(self, data):
        if not self.dropped(len(data)):
            super().write(data)

    def writelines(self, pieces):
        if not self.dropped(sum(map(len, pieces))):
            super().writelines(pieces)

    def _force_close(self, error):
        super()._force_close(error)
        self.add_drops()

    def _call_connection_lost(self, error):
        if self._conn_lost:
            self.add_drops()
        super()._call_connection_lost(error)


class ClosedBeforeHalfClosed:
    def write(self, data):
        self.forgetting_eof(super().write, data)

    def writelines(self, pieces):
        self.forgetting_eof(super().writelines, pieces)

    def forgetting_eof(self, call, argument):
        if not self._eof or not self._closing:
            call(argument)
            return
        note("W-6")
        self._eof = False
        try:
            call(argument)
        finally:
            self._eof = True


class WritelinesTriesAtOnce:
    """Also where older bytes wait."""

    def writelines(self, pieces):
        data = b"".join(pieces)
        if not data or not self._buffer or self._closing or getattr(self, "_eof", False):
            super().writelines(pieces)
            return
        note("W-25")
        self._buffer += data
        self._write_ready()
        if self._buffer:
            self.wait_for_room()
            self._maybe_pause_protocol()

    def wait_for_room(self):
        """As 3.12 does; this also forgets readiness that is older than the attempt."""
        self._loop._add_writer(self._sock_fd if self.is_socket else self._fileno, self._write_ready)


class WritelinesNamesItself:
    def writelines(self, pieces):
        if self._eof:
            note("W-26")
            raise RuntimeError("Cannot call writelines() after write_eof()")
        super().writelines(pieces)


class EmptyPiecesAreSkipped:
    def writelines(self, pieces):
        filled = [piece for piece in pieces if piece]
        if len(filled) < len(pieces):
            note("W-28")
        super().writelines(filled)


class LostWritelinesIsDropped:
    def writelines(self, pieces):
        if self._conn_lost and not self._eof:
            note("W-30")
            super().write(b"".join(pieces))
        else:
            super().writelines(pieces)


class WritelinesPauses:
    def writelines(self, pieces):
        super().writelines(pieces)
        if self.alive and not self._protocol_paused and self.get_write_buffer_size() > self._high_water:
            note("W-66")
            self._maybe_pause_protocol()


class HalfCloseHappensOnce:
    """Not again after the flush in which resume_writing called write_eof()."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._sock = OneShutdown(self._sock)


class OneShutdown:
    def __init__(self, sock):
        self.sock = sock
        self.done = False

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def shutdown(self, how):
        if self.done:
            note("W-34")
        else:
            self.done = True
            self.sock.shutdown(how)


class ResumeIsNeverNested:
    def _maybe_resume_protocol(self):
        if self.callouts == 0:
            super()._maybe_resume_protocol()
        elif self._protocol_paused and self.get_write_buffer_size() <= self._low_water:
            note("W-71")
            self._loop.call_soon(self.resume_later)

    def resume_later(self):
        if self.alive:
            self._maybe_resume_protocol()


class PauseReadingHoldsFromBirth:
    def _add_reader(self, *arguments):
        if self._paused:
            note("W-83")
        else:
            super()._add_reader(*arguments)


class Difference(NamedTuple):
    clause: str
    sentence: str
    socket: Optional[type]
    pipe: Optional[type]
    versions: tuple = ALWAYS


# The order is that in which they stand before CPython's class: the first sees a call first.
DIFFERENCES = (
    Difference("Q-2", "What resume_writing does to end the connection is done once: connection_lost "
               "comes once, like call_soon, with the first reason.",
               LossIsScheduledOnce, LossIsScheduledOnce),
    Difference("Q-5", "What resume_writing wrote before it closed a pipe is delivered.",
               None, PipeDrainsWhatResumeWrote),
    Difference("Q-3", "abort() of a pipe that is being lost does nothing.",
               None, PipeAbortsOnce),
    Difference("Q-4", "During and after connection_lost writes are dropped and abort() does nothing.",
               SocketUsableAfterLoss, PipeUsableAfterLoss),
    Difference("Q-6", "A pipe that connection_made left with nothing to send but its end does not watch its peer.",
               None, PipeWatchesOnlyIfAlive),
    Difference("Q-10", "A pipe resumes at the low mark, not only when empty.",
               None, PipeResumesAtLowMark),
    Difference("Q-11", "set_write_buffer_limits resumes when the size is low enough already; inside "
               "pause_writing and resume_writing, soon.",
               LimitsResume, LimitsResume),
    Difference("Q-12", "A half-close that fails loses the connection, with the reset if there was one, and throws nothing.",
               FailedShutdownLosesConnection, None),
    Difference("Q-17", "A pipe whose reader has gone is lost with EPIPE.",
               None, BrokenPipeHasNumber),
    Difference("Q-25", "The end of the stream is remembered: not reading from then on, told once.",
               EndIsRemembered, None),
    Difference("W-6", "A write on a closing transport is dropped even after write_eof(), and does not raise.",
               ClosedBeforeHalfClosed, None),
    Difference("W-16", "Writes after close() are dropped and counted, also while older bytes drain.",
               ClosedSocketDrops, None),
    Difference("W-26", "writelines() names itself when it refuses (CPython since 3.12).",
               WritelinesNamesItself, None, BEFORE_3_12),
    Difference("W-28", "Empty pieces are skipped (they may keep CPython 3.12 to 3.14 from ever closing).",
               EmptyPiecesAreSkipped, None, SINCE_3_12),
    Difference("W-30", "writelines() after the loss is dropped and counted (CPython 3.12 lost the check).",
               LostWritelinesIsDropped, None, SINCE_3_12),
    Difference("W-66", "writelines() pauses like write() (CPython 3.12 lost the check).",
               WritelinesPauses, None, SINCE_3_12),
    Difference("W-25", "writelines() tries to send at once even if older bytes wait (CPython since 3.12, "
               "sockets only).",
               WritelinesTriesAtOnce if sys.version_info < (3, 12) else None, WritelinesTriesAtOnce),
    Difference("W-34", "The half-close is done once, also if resume_writing asked for it.",
               HalfCloseHappensOnce, None),
    Difference("W-71", "resume_writing is never called inside pause_writing or resume_writing; the check "
               "is made soon.",
               ResumeIsNeverNested, ResumeIsNeverNested),
    Difference("W-83", "pause_reading() in connection_made holds (CPython since 3.12).",
               PauseReadingHoldsFromBirth, None, BEFORE_3_12),
)


def applicable():
    version = sys.version_info[:2]
    return [entry for entry in DIFFERENCES if entry.versions[0] <= version < entry.versions[1]]


def fired_in_order():
    return [entry.clause for entry in applicable() if entry.clause in fired]


@functools.lru_cache(maxsize=None)
def transport_classes(clauses):
    """The classes to run: CPython's own for '', with all amendments for '*', else with those named."""
    if not clauses:
        return None
    wanted = [entry for entry in applicable() if clauses == "*" or entry.clause in clauses.split(",")]
    socket_parts = [entry.socket for entry in wanted if entry.socket]
    pipe_parts = [entry.pipe for entry in wanted if entry.pipe]
    return {
        "socket": type("Socket", (*socket_parts, ObservedSocket), {"is_socket": True}),
        "pipe": type("Pipe", (*pipe_parts, ObservedPipe), {"is_socket": False}),
    }
