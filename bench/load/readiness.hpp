#pragma once

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "common/descriptor.hpp"
#include "common/require.hpp"

namespace bench {

/// Tells which of many connections can go on.
class Readiness {
 public:
  Readiness() : epoll_(require(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}

  /// `events` as of epoll_ctl.
  void add(int fd, std::size_t place, std::uint32_t events) const {
    epoll_event event{};
    event.events = events | EPOLLRDHUP;
    event.data.u64 = place;
    require(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  }

  /// Calls `handle(place)` for each that is ready. Throws when the server has left one.
  template <class Handle>
  void wait(int timeout_ms, Handle handle) {
    const int count =
        epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), timeout_ms);
    if (count < 0 && errno != EINTR) {
      require(count, "epoll_wait");
    }
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events_[static_cast<std::size_t>(i)];
      if ((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        throw std::runtime_error("the server has closed a connection");
      }
      handle(static_cast<std::size_t>(event.data.u64));
    }
  }

 private:
  Descriptor epoll_;
  std::array<epoll_event, 512> events_{};
};

}  // namespace bench
