"""A kernel with one descriptor, and what asyncio sees of it: a socket, a pipe, a selector and `os`."""
import errno
import os
import selectors
import socket
import stat
import zlib

FD = 1_000_000
KERNEL_OPERATIONS = frozenset(
    ("room", "fail", "hangup", "receive", "end", "reset", "shutdown_fails"))
PATTERN = bytes(number % 251 for number in range(1_100_000))


def pattern(number, size):
    """The bytes of the write with this number; no two neighbours look the same."""
    start = number * 37 % 251
    return PATTERN[start:start + size]


def system_error(number):
    return OSError(number, os.strerror(number))


class Kernel:
    """What the kernel knows of the one descriptor; tells the trace what is tried on it."""

    def __init__(self, trace):
        self.trace = trace
        self.room = 0
        self.send_error = 0
        self.shutdown_error = 0
        self.socket_error = 0  # told once, then forgotten
        self.peer_gone = False
        self.inbox = b""
        self.deliveries = 0
        self.ended = False
        self.closed = False

    def apply(self, operation):
        name, numbers = operation.name, operation.numbers
        if name == "room":
            self.room += numbers[0]
        elif name == "fail":
            self.send_error = numbers[0]
        elif name == "hangup":
            self.peer_gone = True
        elif name == "receive" and not self.ended:
            self.deliveries += 1
            self.inbox += pattern(self.deliveries, numbers[0])
        elif name == "end":
            self.ended = True
        elif name == "reset" and not self.peer_gone:
            self.inbox = b""
            self.socket_error = errno.ECONNRESET
            self.peer_gone = self.ended = True
        elif name == "shutdown_fails":
            self.shutdown_error = errno.ENOTCONN

    def readiness(self):
        if self.closed:
            return 0
        ready = 0
        if self.inbox or self.ended or self.peer_gone:
            ready |= selectors.EVENT_READ
        if self.room or self.send_error or self.peer_gone:
            ready |= selectors.EVENT_WRITE
        return ready

    def take_socket_error(self):
        error, self.socket_error = self.socket_error, 0
        return error

    def why_not_send(self):
        if self.socket_error:
            return self.take_socket_error()
        if self.send_error:
            return self.send_error
        if self.peer_gone:
            return errno.EPIPE
        return 0 if self.room else errno.EAGAIN

    def send(self, data):
        size = len(data)
        error = self.why_not_send()
        if error:
            self.trace(f"send {size} -> {errno.errorcode[error]}")
            raise system_error(error)
        count = min(size, self.room)
        self.room -= count
        self.trace(f"send {size} -> {count} [{zlib.adler32(data[:count]):08x}]")
        return count

    def receive(self, limit):
        if self.inbox:
            data, self.inbox = self.inbox[:limit], self.inbox[limit:]
            return data
        if self.socket_error:
            raise system_error(self.take_socket_error())
        if self.ended:
            return b""
        raise system_error(errno.EAGAIN)

    def shutdown(self):
        if self.shutdown_error:
            self.trace(f"shutdown -> {errno.errorcode[self.shutdown_error]}")
            raise system_error(self.shutdown_error)
        self.trace("shutdown -> ok")

    def close(self):
        if not self.closed:
            self.closed = True
            self.trace("close")


class FakeSocket:
    family, type, proto = socket.AF_UNIX, socket.SOCK_STREAM, 0

    def __init__(self, kernel):
        self.kernel = kernel
        self.send = kernel.send
        self.recv = kernel.receive
        self.close = kernel.close

    def fileno(self):
        return FD

    def getsockopt(self, level, name):
        assert (level, name) == (socket.SOL_SOCKET, socket.SO_ERROR)
        return self.kernel.take_socket_error()

    def gettimeout(self):
        return 0

    def getsockname(self):
        return ""

    def getpeername(self):
        return ""

    def sendmsg(self, pieces):
        return self.kernel.send(b"".join(pieces))

    def shutdown(self, _how):
        self.kernel.shutdown()


class FakePipe:
    """The file object that a write pipe transport owns."""

    def __init__(self, kernel):
        self.close = kernel.close

    def fileno(self):
        return FD


class FakeOs:
    """What asyncio.unix_events knows as `os`: our descriptor here, all else there."""

    def __init__(self):
        self.kernel = None

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, fd, data):
        return self.kernel.send(bytes(data)) if fd == FD else os.write(fd, data)

    def fstat(self, fd):
        if fd != FD:
            return os.fstat(fd)
        return os.stat_result((stat.S_IFIFO | 0o600,) + (0,) * 9)

    def set_blocking(self, fd, blocking):
        if fd != FD:
            os.set_blocking(fd, blocking)


class FakeSelector(selectors._BaseSelectorImpl):
    """Level-triggered as asyncio's; when it would block, the next step of the scenario is taken."""

    def __init__(self, kernel, advance):
        super().__init__()
        self.kernel = kernel
        self.advance = advance

    def ready(self):
        key = self._fd_to_key.get(FD)
        if key is None:
            return []
        events = key.events & self.kernel.readiness()
        return [(key, events)] if events else []

    def select(self, timeout=None):
        ready = self.ready()
        self.advance(bool(ready) or timeout is not None)
        return ready or self.ready()
