#include "exchange.hpp"

#include <poll.h>

#include <algorithm>
#include <span>
#include <vector>

#include "connection.hpp"

namespace bench {

void exchange(int fd, std::string_view bytes, std::size_t awaited, Sha256& sum) {
  std::vector<char> in(std::min<std::size_t>(awaited, 256 * 1024));
  while (!bytes.empty() || awaited > 0) {
    wait_until_ready(fd, (bytes.empty() ? 0 : POLLOUT) | (awaited == 0 ? 0 : POLLIN));
    if (awaited > 0) {
      const std::span room(in.data(), std::min(in.size(), awaited));
      const std::size_t got = receive_some(fd, room);
      sum.update(room.first(got));
      awaited -= got;
    }
    if (!bytes.empty()) {
      bytes.remove_prefix(send_some(fd, bytes));
    }
  }
}

std::string repeat(std::string_view text, std::size_t times) {
  std::string all;
  all.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) {
    all += text;
  }
  return all;
}

}  // namespace bench
