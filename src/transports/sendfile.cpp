// EventLoop::sendfile.
#include <algorithm>
#include <cerrno>
#include <limits>
#include <stdexcept>
#include <string>
#include <system_error>

#include "loop/loop_core.hpp"
#include "sluice/event_loop.hpp"
#include "sys/constants.hpp"
#include "transports/birth.hpp"
#include "transports/conduit.hpp"
#include "transports/file_range.hpp"

namespace sluice {
namespace {

using transports::Conduit;
using transports::FileRange;

// The largest offset that the system knows.
constexpr auto last_offset = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

// What could not be sent is found out before anything is queued: later, it costs the connection.
void require_readable(loop::LoopCore& loop, int fd) {
  const std::string file = "file descriptor " + std::to_string(fd);
  const sys::Result<sys::FileStatus> status = loop.sys().fstat(fd);
  if (!status.ok()) {
    throw std::system_error(sys::to_error_code(status.error), "fstat of " + file);
  }
  switch (sys::file_kind(status.value.mode)) {
    case sys::FileKind::regular:
    case sys::FileKind::block_device:
    case sys::FileKind::character_device:
      break;
    default:
      throw std::system_error(
          std::make_error_code(std::errc::invalid_argument),
          "sendfile is for files that can be read at an offset; " + file + " is none");
  }
  const sys::Result<int> flags = loop.sys().get_status_flags(fd);
  if (!flags.ok() || !sys::opened_for_reading(flags.value)) {
    throw std::system_error(sys::to_error_code(flags.ok() ? EBADF : flags.error),
                            file + " is not open for reading");
  }
}

// The queue of `transport`. Throws std::invalid_argument when it has none of ours, std::logic_error
// when it is closing (W-193).
Conduit& queue_of(loop::LoopCore& loop, WriteTransport* transport) {
  auto* const conduit = dynamic_cast<Conduit*>(transport);
  if (conduit == nullptr) {
    throw std::invalid_argument("sendfile is not supported for this transport");
  }
  if (conduit->serves() == transports::ServedProtocols::read) {
    throw std::invalid_argument("sendfile is not supported for a transport that only reads");
  }
  if (transport->is_closing()) {
    throw std::logic_error("Transport is closing");
  }
  if (&conduit->loop() != &loop) {
    throw std::invalid_argument("sendfile: the transport belongs to another loop");
  }
  return *conduit;
}

// What is cancelled before its first byte has never been there; afterwards the stream has a hole,
// which the peer must not take for the end of the file.
void cancel_range(WriteTransport& transport, const FileRange& range) {
  if (!dynamic_cast<Conduit&>(transport).remove_range(range)) {
    transport.abort();
  }
}

}  // namespace

Future<std::uint64_t> EventLoop::sendfile(const std::shared_ptr<WriteTransport>& transport,
                                          std::shared_ptr<const Fd> file, std::uint64_t offset,
                                          std::optional<std::uint64_t> count) {
  core_->check_usable();
  auto future = transports::make_future<std::uint64_t>(*core_);
  try {
    Conduit& queue = queue_of(*core_, transport.get());
    if (!file || !*file) {
      throw std::invalid_argument("sendfile: there is no file");
    }
    if (offset > last_offset) {
      throw std::invalid_argument("sendfile: the offset is too large");
    }
    require_readable(*core_, file->get());
    const std::uint64_t most = std::min(count.value_or(last_offset), last_offset - offset);
    const auto range =
        std::make_shared<FileRange>(core_->sys(), std::move(file), offset, most, future);
    queue.write_range(range, "sendfile()");
    future.set_on_cancel([weak = std::weak_ptr(range), of = std::weak_ptr(transport)] {
      const auto alive = of.lock();
      const auto queued = weak.lock();
      if (alive && queued) {
        cancel_range(*alive, *queued);
      }
    });
  } catch (...) {
    future.set_exception(std::current_exception());
  }
  return future;
}

Future<std::uint64_t> EventLoop::sendfile(const std::shared_ptr<WriteTransport>& transport, Fd file,
                                          std::uint64_t offset,
                                          std::optional<std::uint64_t> count) {
  return sendfile(transport, std::make_shared<const Fd>(std::move(file)), offset, count);
}

}  // namespace sluice
