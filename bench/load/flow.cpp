#include "flow.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <string_view>

#include "common/require.hpp"
#include "connection.hpp"

namespace bench {
namespace {

// For TCP, MSG_TRUNC throws the bytes away where they are.
std::size_t discard_some(int fd, std::size_t most) {
  const ssize_t got = recv(fd, nullptr, most, MSG_TRUNC | MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) {
    return 0;
  }
  if (require(got, "receiving from the server") == 0) {
    throw std::runtime_error("the server has closed a connection");
  }
  return static_cast<std::size_t>(got);
}

}  // namespace

void Flow::run(std::size_t bytes_each) {
  for (End& end : ends_) {
    end.rest = bytes_each;
  }
  const auto is_through = [](const End& end) { return end.rest == 0; };
  while (!std::all_of(ends_.begin(), ends_.end(), is_through)) {
    bool moved = false;
    for (End& end : ends_) {
      moved = move(end) || moved;
    }
    if (!moved) {
      wait();
    }
  }
}

bool Flow::move(End& end) {
  if (end.rest == 0) {
    return false;
  }
  const std::size_t count = end.sends
                                ? send_some(end.fd, std::string_view(block_).substr(0, end.rest))
                                : discard_some(end.fd, end.rest);
  end.rest -= count;
  return count > 0;
}

void Flow::wait() const {
  std::vector<pollfd> waiting;
  for (const End& end : ends_) {
    if (end.rest > 0) {
      waiting.push_back({end.fd, end.sends ? short{POLLOUT} : short{POLLIN}, 0});
    }
  }
  if (require(poll(waiting.data(), waiting.size(), static_cast<int>(patience.count())), "poll") ==
      0) {
    throw std::runtime_error("the server did nothing for a minute");
  }
}

}  // namespace bench
