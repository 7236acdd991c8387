#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>

namespace bench {

/// What the kernel did not take of a connection's output, in order.
class Unsent {
 public:
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }

  /// Sends `bytes` and keeps the rest; while there is such a rest nothing may be sent. False: the
  /// peer is gone.
  [[nodiscard]] bool send(int fd, std::string_view bytes) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
      return false;
    }
    if (const auto taken = static_cast<std::size_t>(sent < 0 ? 0 : sent); taken < bytes.size()) {
      keep(bytes.substr(taken));
    }
    return true;
  }

  void keep(std::string_view bytes) { bytes_.append(bytes); }

  /// Offers the rest again. False: the peer is gone.
  [[nodiscard]] bool flush(int fd) {
    if (empty()) {
      return true;
    }
    const ssize_t sent = ::send(fd, bytes_.data() + taken_, bytes_.size() - taken_, MSG_NOSIGNAL);
    if (sent < 0) {
      return errno == EAGAIN;
    }
    taken_ += static_cast<std::size_t>(sent);
    if (taken_ == bytes_.size()) {
      bytes_.clear();
      taken_ = 0;
    }
    return true;
  }

 private:
  std::string bytes_;
  std::size_t taken_ = 0;
};

}  // namespace bench
