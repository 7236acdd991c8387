#include "transports/file_opener.hpp"

#include <new>
#include <system_error>
#include <utility>

#include "sluice/event_loop.hpp"
#include "sys/constants.hpp"
#include "transports/birth.hpp"
#include "transports/file_channel.hpp"

namespace sluice {
namespace transports {
namespace {

// Whether the descriptor is one whose readiness can be awaited: a terminal, but not /dev/null.
bool pollable(loop::LoopCore& loop, int fd, const std::string& name) {
  class Nobody final : public loop::Watcher {
   public:
    void on_io(loop::IoEvents /*events*/) override {}
  };
  Nobody nobody;
  const std::error_code error = loop.reactor().add(fd, nobody);
  if (error == std::errc::operation_not_permitted) {
    return false;
  }
  if (error) {
    throw std::system_error(error, "finding out whether " + name + " has to be waited for");
  }
  loop.reactor().remove(fd);
  return true;
}

const char* what_it_is(sys::FileKind kind) noexcept {
  switch (kind) {
    case sys::FileKind::fifo:
      return "a pipe or FIFO";
    case sys::FileKind::socket:
      return "a socket";
    case sys::FileKind::character_device:
      return "a terminal or another device that has to be waited for";
    case sys::FileKind::directory:
      return "a directory";
    default:
      return "of another kind";
  }
}

}  // namespace

void require_file(loop::LoopCore& loop, int fd, mode_t mode, const std::string& name) {
  const sys::FileKind kind = sys::file_kind(mode);
  if (kind == sys::FileKind::regular || kind == sys::FileKind::block_device ||
      (kind == sys::FileKind::character_device && !pollable(loop, fd, name))) {
    return;
  }
  throw std::system_error(
      std::make_error_code(kind == sys::FileKind::directory ? std::errc::is_a_directory
                                                            : std::errc::invalid_argument),
      "File transport is only for regular files and devices that are always ready (the others are "
      "written by connect_write_pipe); " +
          name + " is " + what_it_is(kind));
}

Birth file_birth(loop::LoopCore& loop, WritableFile file) {
  Birth birth{.kind = TransportKind::file};
  const int fd = file.fd;
  birth.channel = std::make_unique<FileChannel>(loop.file_workers(), loop.sys(), std::move(file));
  birth.fd = Fd(fd);
  return birth;
}

void FileOpener::open(loop::LoopCore& loop, detail::ProtocolFactory factory, std::string path,
                      FileOptions options, const Result& result) {
  std::make_shared<FileOpener>(loop, std::move(factory), std::move(path), options, result)
      ->submit();
}

void FileOpener::submit() {
  loop_->file_workers().submit({shared_from_this(), static_cast<loop::Workers::Job*>(this)});
}

void FileOpener::run() noexcept {
  if (task_ == Task::closing) {
    close_file(file_);
    return;
  }
  try {
    file_ = open_writable(loop_->sys(), path_, options_, failure_);
  } catch (...) {
    failure_.error = std::make_error_code(std::errc::not_enough_memory);
  }
}

void FileOpener::done() {
  if (task_ == Task::closing) {
    return;
  }
  try {
    // Cancelled meanwhile: nobody wants the file.
    if (!result_.done()) {
      establish_transport();
    }
  } catch (...) {
    if (!result_.done()) {
      result_.set_exception(std::current_exception());
    }
  }
  close_again();
}

// The last link to a file can take its time to go.
void FileOpener::close_again() noexcept {
  if (file_.temporary.empty()) {
    close_file(file_);
    return;
  }
  task_ = Task::closing;
  try {
    submit();
  } catch (...) {
    close_file(file_);
  }
}

void FileOpener::establish_transport() {
  if (failure_.error) {
    throw std::system_error(failure_.error, failure_.attempt);
  }
  require_file(*loop_, file_.fd, file_.mode, path_);
  std::shared_ptr<BaseProtocol> protocol = factory_();
  // The factory may have cancelled: then nobody will use the transport (W-87).
  if (result_.done()) {
    return;
  }
  establish<WriteTransport>(*loop_, file_birth(*loop_, std::move(file_)), std::move(protocol),
                            result_);
}

}  // namespace transports

Future<detail::Established<WriteTransport>> EventLoop::open_file(detail::ProtocolFactory factory,
                                                                 std::string path,
                                                                 FileOptions options) {
  core_->check_usable();
  auto future = transports::make_future<detail::Established<WriteTransport>>(*core_);
  try {
    transports::FileOpener::open(*core_, std::move(factory), std::move(path), options, future);
  } catch (...) {
    future.set_exception(std::current_exception());
  }
  return future;
}

}  // namespace sluice
