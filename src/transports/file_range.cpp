#include "transports/file_range.hpp"

#include <algorithm>
#include <cerrno>
#include <exception>
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

std::exception_ptr FileRange::failure(ExternalEnd end, std::error_code error) const noexcept {
  try {
    const std::string file = "file descriptor " + std::to_string(file_->get());
    if (end == ExternalEnd::unreadable) {
      throw std::system_error(error,
                              "reading " + file + " at offset " + std::to_string(position()));
    }
    // W-195
    throw std::system_error(error ? error : std::make_error_code(std::errc::connection_aborted),
                            "sending " + file + ": the connection was lost after " +
                                std::to_string(moved()) + " bytes");
  } catch (const std::exception&) {
    // Without memory for the words it is the want of memory.
    return std::current_exception();
  }
}

// whatever comes first is the outcome.
void FileRange::left(ExternalEnd end, std::error_code error) noexcept {
  if (sent_.done()) {
    return;
  }
  if (end == ExternalEnd::sent) {
    sent_.set_result(moved());
  } else {
    sent_.set_exception(failure(end, error));
  }
}

}  // namespace sluice::transports
