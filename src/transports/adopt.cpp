// EventLoop's calls that make a transport of a descriptor the user brings.

#include <string>
#include <system_error>
#include <utility>

#include "loop/loop_core.hpp"
#include "sluice/event_loop.hpp"
#include "sys/constants.hpp"
#include "sys/error_table.hpp"
#include "transports/birth.hpp"
#include "transports/file_opener.hpp"
#include "transports/secure.hpp"

namespace sluice {
namespace {

using transports::Birth;
using transports::TransportKind;

std::string describe(int fd) {
  return "file descriptor " + std::to_string(fd);
}

const char* name_of(sys::FileKind kind) noexcept {
  switch (kind) {
    case sys::FileKind::regular:
      return "a regular file";
    case sys::FileKind::directory:
      return "a directory";
    case sys::FileKind::block_device:
      return "a block device";
    default:
      return "of another kind";
  }
}

// One transport per descriptor (W-93). The descriptor is that transport's, and so not closed here.
void require_unused(loop::LoopCore& loop, transports::OwnedFd& fd) {
  if (loop.reactor().claimed(fd.get()) || loop.reactor().watches(fd.get())) {
    const int number = fd.release().release();
    throw std::logic_error("File descriptor " + std::to_string(number) +
                           " is used by another transport");
  }
}

[[nodiscard]] loop::NonBlockingLoan borrow(loop::LoopCore& loop, int fd) {
  if (const std::error_code error = loop.shared_descriptions().borrow(fd)) {
    throw std::system_error(error, "making " + describe(fd) + " non-blocking");
  }
  return {loop.shared_descriptions(), fd};
}

sys::FileKind probe(loop::LoopCore& loop, int fd, const char* refusal) {
  const sys::Result<sys::FileStatus> status = loop.sys().fstat(fd);
  if (!status.ok()) {
    throw std::system_error(sys::to_error_code(status.error), "fstat of " + describe(fd));
  }
  const sys::FileKind kind = sys::file_kind(status.value.mode);
  if (kind != sys::FileKind::fifo && kind != sys::FileKind::socket &&
      kind != sys::FileKind::character_device) {
    throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                            std::string(refusal) + "; " + describe(fd) + " is " + name_of(kind));
  }
  return kind;
}

Birth file_birth_of(loop::LoopCore& loop, transports::OwnedFd& fd, const FileOptions& options) {
  require_unused(loop, fd);
  const sys::Result<sys::FileStatus> status = loop.sys().fstat(fd.get());
  if (!status.ok()) {
    throw std::system_error(sys::to_error_code(status.error), "fstat of " + describe(fd.get()));
  }
  transports::WritableFile file(loop.sys());
  file.mode = status.value.mode;
  file.fsync_on_close = options.fsync_on_close;
  transports::require_file(loop, fd.get(), file.mode, describe(fd.get()));
  file.fd = fd.release().release();
  return transports::file_birth(loop, std::move(file));
}

Birth pipe_birth(loop::LoopCore& loop, TransportKind kind, transports::OwnedFd& fd,
                 const char* refusal) {
  require_unused(loop, fd);
  const sys::FileKind file = probe(loop, fd.get(), refusal);
  Birth birth{.kind = kind};
  if (file == sys::FileKind::socket) {
    // Its calls can be told not to wait, so the open file stays as it is for those who share it.
    birth.calls = transports::DescriptorCalls::socket_as_pipe;
  } else {
    birth.loan = borrow(loop, fd.get());
  }
  birth.hangup_is_loss = file != sys::FileKind::character_device;
  birth.edge_tells_all = file == sys::FileKind::fifo;
  birth.fd = fd.release();
  return birth;
}

Birth socket_birth(loop::LoopCore& loop, transports::OwnedFd& fd) {
  require_unused(loop, fd);
  const sys::Result<int> type =
      loop.sys().getsockopt(fd.get(), sys::socket_type.level, sys::socket_type.name);
  if (!type.ok() || type.value != sys::stream_type) {
    throw std::system_error(type.ok() ? std::make_error_code(std::errc::wrong_protocol_type)
                                      : sys::to_error_code(type.error),
                            "A Stream Socket was expected, got " + describe(fd.get()));
  }
  loop::NonBlockingLoan loan = borrow(loop, fd.get());
  Birth birth = stream_birth(loop, fd, transports::SocketOrigin::adopted, std::nullopt);
  birth.loan = std::move(loan);
  return birth;
}

template <class Kind, class MakeBirth>
Future<detail::Established<Kind>> adopt(loop::LoopCore& loop, detail::ProtocolFactory factory,
                                        Fd fd, MakeBirth make_birth) {
  loop.check_usable();
  auto future = transports::make_future<detail::Established<Kind>>(loop);
  transports::OwnedFd owned(loop, fd.release());
  try {
    // Before anything is done to the descriptor, as in asyncio: a factory may throw (W-185).
    std::shared_ptr<BaseProtocol> protocol = factory();
    transports::establish<Kind>(loop, make_birth(owned), std::move(protocol), future);
  } catch (...) {
    future.set_exception(std::current_exception());
  }
  return future;
}

}  // namespace

Future<detail::Established<Transport>> EventLoop::adopt_socket(detail::ProtocolFactory factory,
                                                               Fd socket, AcceptOptions options) {
  const transports::TlsSettings settings = transports::settings_of(options);
  check_settings(settings, transports::TlsRole::server);
  return adopt<Transport>(
      *core_, std::move(factory), std::move(socket), [&](transports::OwnedFd& fd) {
        Birth birth = socket_birth(*core_, fd);
        secure(*core_, birth, settings,
               birth.peername ? birth.peername->to_string() : describe(birth.fd.get()));
        return birth;
      });
}

Future<detail::Established<WriteTransport>> EventLoop::open_write_pipe(
    detail::ProtocolFactory factory, Fd pipe) {
  return adopt<WriteTransport>(
      *core_, std::move(factory), std::move(pipe), [this](transports::OwnedFd& fd) {
        return pipe_birth(*core_, TransportKind::write_pipe, fd,
                          "Pipe transport is only for pipes, sockets and character devices (a "
                          "regular file is written by connect_file)");
      });
}

Future<detail::Established<WriteTransport>> EventLoop::adopt_file(detail::ProtocolFactory factory,
                                                                  Fd file, FileOptions options) {
  return adopt<WriteTransport>(
      *core_, std::move(factory), std::move(file),
      [this, &options](transports::OwnedFd& fd) { return file_birth_of(*core_, fd, options); });
}

Future<detail::Established<ReadTransport>> EventLoop::open_read_pipe(
    detail::ProtocolFactory factory, Fd pipe) {
  return adopt<ReadTransport>(
      *core_, std::move(factory), std::move(pipe), [this](transports::OwnedFd& fd) {
        return pipe_birth(*core_, TransportKind::read_pipe, fd,
                          "Pipe transport is for pipes, sockets and character devices only");
      });
}

}  // namespace sluice
