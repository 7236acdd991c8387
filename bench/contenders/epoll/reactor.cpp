#include "reactor.hpp"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstddef>

#include "common/require.hpp"

namespace bench {

const std::uint32_t edges = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
const std::uint32_t hang_up = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

Reactor::Reactor() : epoll_(require(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}

void Reactor::watch(std::unique_ptr<Watched> watched, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = watched.get();
  const int fd = watched->fd();
  require(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  const auto place = static_cast<std::size_t>(fd);
  if (place >= watched_.size()) {
    watched_.resize(place + 1);
  }
  watched_[place] = std::move(watched);
}

void Reactor::run() {
  std::array<epoll_event, 512> events;
  while (!stopping_) {
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    if (count < 0 && errno != EINTR) {
      require(count, "epoll_wait");
    }
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      auto* const watched = static_cast<Watched*>(event.data.ptr);
      if (!watched->ready(event.events)) {
        watched_[static_cast<std::size_t>(watched->fd())].reset();
      }
    }
  }
}

}  // namespace bench
