"""What is tried in place of what the library does: changes of its text, each by itself."""
import dataclasses
import pathlib

from .processes import RunFailed


class Stale(RunFailed):
    """A change that the library's text does not allow any more."""


@dataclasses.dataclass(frozen=True)
class Change:
    """`old` stands exactly once in `file`."""
    label: str
    file: str
    old: str
    new: str

    def applied(self, root):
        """The text of the file with the change."""
        text = pathlib.Path(root, self.file).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise Stale(f"{self.label}: {self.file} has {self.old!r} {text.count(self.old)} times, not once")
        return text.replace(self.old, self.new)


@dataclasses.dataclass(frozen=True)
class Trial:
    """`cases` are pairs of a workload and the label of one of its cases."""
    name: str
    title: str
    about: str
    changes: tuple
    cases: tuple


def constant(file, name, now, values):
    """A change for each other value of a constant."""
    return tuple(Change(label, file, f"{name} = {now};", f"{name} = {value};") for label, value in values)


EPOLL_BATCH = Trial(
    "epoll_batch", "Events of one epoll_wait", "As it is, one call brings 256 events at most.",
    constant("src/loop/reactor.hpp", "batch", "256", (("16", "16"), ("64", "64"), ("1024", "1024"))),
    (("echo", "1 KiB × 500"), ("echo", "64 B × 5000"), ("replies", "depth 16")))

READ_BUFFER = Trial(
    "read_buffer", "Memory of one read", "As it is, all connections of a loop share 256 KiB.",
    constant("src/loop/loop_core.hpp", "max_read_bytes", "256 * 1024",
             (("16 KiB", "16 * 1024"), ("64 KiB", "64 * 1024"), ("1 MiB", "1024 * 1024"))),
    (("echo", "1 KiB × 50"), ("echo", "16 KiB × 50"), ("replies", "depth 256")))

SLAB = Trial(
    "slab", "Size of a slab", "As it is, short messages are copied into slabs of 32 KiB.",
    constant("src/core/segment_pool.hpp", "allocated_bytes", "32 * 1024",
             (("20 KiB", "20 * 1024"), ("64 KiB", "64 * 1024"))),
    (("replies", "depth 64"), ("replies", "depth 256"), ("echo", "1 KiB × 500"), ("pieces", "5 writes")))

COPY_LIMIT = Trial(
    "copy_limit", "Below which size a Buffer is copied", "As it is, a Buffer of more than 512 B is linked, so one of "
    "1 KiB is an iovec of its own; with a limit above it, it is copied behind the one before.",
    constant("src/core/write_queue.hpp", "copy_limit", "512", (("1 KiB", "1024"),)),
    (("growth_iovecs", "1 iovec"), ("growth_iovecs", "16 iovecs"), ("growth_iovecs", "256 iovecs")))

DIRECT_SEND = Trial(
    "direct_send", "From which size a write goes out at once", "As it is, a write of less than 16 KiB is copied and "
    "leaves with what follows it; a longer one is offered at once from the caller's memory.",
    constant("src/core/write_side.hpp", "direct_send_bytes", "16 * 1024",
             (("1 KiB", "1024"), ("4 KiB", "4 * 1024"), ("64 KiB", "64 * 1024"))),
    (("echo", "1 KiB × 50"), ("echo", "1 KiB × 500"), ("echo", "16 KiB × 50"), ("stream", "tcp, 64 KiB × 1")))

PROBE = Trial(
    "probe", "Reading until nothing is there", "As it is, a read that did not fill its memory is the last one until "
    "epoll tells of more.",
    (Change("one more read", "src/transports/channel.hpp",
            "short_read_empties() const noexcept override { return edge_tells_all_; }",
            "short_read_empties() const noexcept override { return false; }"),),
    (("echo", "1 KiB × 50"), ("echo", "1 KiB × 500"), ("replies", "depth 64")))

FLUSH = Trial(
    "flush", "When what was written leaves", "As it is, a connection is flushed after its own event, and what others "
    "write to it at the end of the turn.",
    (Change("at the end of the turn", "src/transports/fd_transport.cpp",
            "    loop_->flush_early(*this);\n", ""),),
    (("echo", "1 KiB × 50"), ("echo", "1 KiB × 500"), ("replies", "depth 16"), ("fanout", "1000 connections")))

ALL = (FLUSH, SLAB, COPY_LIMIT, DIRECT_SEND, READ_BUFFER, PROBE, EPOLL_BATCH)
BY_NAME = {trial.name: trial for trial in ALL}
