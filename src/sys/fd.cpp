#include "sluice/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace sluice {

void Fd::reset(int fd) noexcept {
  const int old = std::exchange(fd_, fd < 0 ? -1 : fd);
  if (old >= 0) {
    ::close(old);
  }
}

Fd Fd::duplicate() const {
  const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) {
    throw std::system_error(errno, std::system_category(),
                            "duplicate of file descriptor " + std::to_string(fd_));
  }
  return Fd(copy);
}

}  // namespace sluice
