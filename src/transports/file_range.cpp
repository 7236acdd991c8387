#include "transports/file_range.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace sluice::transports {

using core::ExternalEnd;
using core::ExternalResult;

ExternalResult FileRange::to_socket(int fd, std::size_t most) noexcept {
  return judged(sys::Call::sendfile,
                [&] { return sys().sendfile(fd, file_->get(), position(), most); });
}

ExternalResult FileRange::to_pipe(int fd, std::size_t most) noexcept {
  return judged(sys::Call::splice,
                [&] { return sys().splice(file_->get(), position(), fd, most); });
}

ExternalResult FileRange::read(std::span<std::byte> memory) noexcept {
  return judged(sys::Call::pread, [&] { return sys().pread(file_->get(), memory, position()); });
}

// whatever comes first is the outcome.
void FileRange::left(ExternalEnd end, std::error_code error) noexcept {
  if (sent_.done()) {
    return;
  }
  const std::string file = "file descriptor " + std::to_string(file_->get());
  switch (end) {
    case ExternalEnd::sent:
      sent_.set_result(moved());
      return;
    case ExternalEnd::unreadable:
      sent_.set_exception(std::make_exception_ptr(std::system_error(
          error, "reading " + file + " at offset " + std::to_string(position()))));
      return;
    case ExternalEnd::lost:
      // W-195
      sent_.set_exception(std::make_exception_ptr(
          std::system_error(error ? error : std::make_error_code(std::errc::connection_aborted),
                            "sending " + file + ": the connection was lost after " +
                                std::to_string(moved()) + " bytes")));
      return;
  }
}

}  // namespace sluice::transports
