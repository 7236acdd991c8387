#pragma once

#include <poll.h>

#include <cstddef>
#include <span>
#include <string_view>

#include "connection.hpp"

namespace bench {

/// Sends all of `bytes`, receives all of `bytes`, as on a blocking socket. Both throw when nothing
/// moves for a minute, or the peer is gone.
inline void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    wait_until_ready(fd, POLLOUT);
    bytes.remove_prefix(send_some(fd, bytes));
  }
}
inline void receive_all(int fd, std::span<char> bytes) {
  while (!bytes.empty()) {
    wait_until_ready(fd, POLLIN);
    bytes = bytes.subspan(receive_some(fd, bytes));
  }
}

}  // namespace bench
