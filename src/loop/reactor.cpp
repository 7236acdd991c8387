#include "loop/reactor.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/check.hpp"
#include "sys/error_table.hpp"

namespace sluice::loop {
namespace {

constexpr std::chrono::hours longest_wait{24};

// Rounded up, so that a timer is never found not yet due and waited for in a spin.
int to_milliseconds(std::optional<std::chrono::nanoseconds> timeout) noexcept {
  if (!timeout) {
    return -1;
  }
  const auto bounded = std::clamp<std::chrono::nanoseconds>(
      *timeout, std::chrono::nanoseconds::zero(), longest_wait);
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(bounded).count());
}

std::uint64_t token(int fd, std::uint32_t generation) noexcept {
  return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
}

IoEvents decode(std::uint32_t events) noexcept {
  return {(events & EPOLLIN) != 0, (events & EPOLLOUT) != 0,
          (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) != 0,
          (events & (EPOLLHUP | EPOLLERR)) != 0};
}

}  // namespace

Reactor::Reactor(sys::SystemCalls& sys) : sys_(&sys) {
  const sys::Result<int> created = sys.epoll_create();
  if (!created.ok()) {
    throw std::system_error(sys::to_error_code(created.error), "epoll_create1 for an event loop");
  }
  epoll_fd_ = created.value;
}

void Reactor::close() noexcept {
  if (epoll_fd_ >= 0) {
    static_cast<void>(sys_->close(std::exchange(epoll_fd_, -1)));
  }
}

Reactor::Slot& Reactor::slot_of(int fd) {
  const auto index = static_cast<std::size_t>(fd);
  if (index >= slots_.size()) {
    slots_.resize(index + 1);  // what it reserves beyond is not touched, so it takes no memory
  }
  return slots_[index];
}

void Reactor::claim(int fd) {
  slot_of(fd).claimed = true;
}

void Reactor::disclaim(int fd) noexcept {
  if (claimed(fd)) {
    slots_[static_cast<std::size_t>(fd)].claimed = false;
  }
}

bool Reactor::claimed(int fd) const noexcept {
  const auto index = static_cast<std::size_t>(fd);
  return index < slots_.size() && slots_[index].claimed;
}

std::error_code Reactor::add(int fd, Watcher& watcher) {
  Slot& slot = slot_of(fd);
  core::check(slot.watcher == nullptr, "a descriptor has one watcher");
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
  event.data.u64 = token(fd, ++slot.generation);
  const sys::Status status = sys_->epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, event);
  if (!status.ok()) {
    static_cast<void>(sys::judge(sys::Call::epoll_ctl, status.error));
    return sys::to_error_code(status.error);
  }
  slot.watcher = &watcher;
  return {};
}

void Reactor::remove(int fd) noexcept {
  if (!watches(fd)) {
    return;
  }
  Slot& slot = slots_[static_cast<std::size_t>(fd)];
  slot.watcher = nullptr;
  ++slot.generation;
  // Not left to close(2): another process may hold the same open file, and it would stay
  // registered.
  const sys::Status status = sys_->epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, epoll_event{});
  static_cast<void>(sys::judge(sys::Call::epoll_ctl, status.error));
}

bool Reactor::watches(int fd) const noexcept {
  const auto index = static_cast<std::size_t>(fd);
  return index < slots_.size() && slots_[index].watcher != nullptr;
}

void Reactor::poll(std::optional<std::chrono::nanoseconds> timeout) {
  const sys::Result<std::size_t> got =
      sys_->epoll_wait(epoll_fd_, ready_, to_milliseconds(timeout));
  if (!got.ok()) {
    // A signal ends the wait early; the loop computes the rest of it anew.
    static_cast<void>(sys::judge(sys::Call::epoll_wait, got.error));
  }
  ready_count_ = got.ok() ? got.value : 0;
  next_ready_ = 0;
}

// In place, or the compiler takes a call that changes nothing for one that does nothing.
[[gnu::always_inline]] inline void Reactor::fetch_next() const noexcept {
  if (next_ready_ == ready_count_) {
    return;
  }
  const auto index = static_cast<std::size_t>(ready_[next_ready_].data.u64 & 0xffffffffU);
  if (index < slots_.size() && slots_[index].watcher != nullptr) {
    fetch_ahead(*slots_[index].watcher);
  }
}

std::optional<Reactor::Ready> Reactor::next() noexcept {
  while (next_ready_ < ready_count_) {
    const epoll_event& event = ready_[next_ready_++];
    const auto index = static_cast<std::size_t>(event.data.u64 & 0xffffffffU);
    const auto generation = static_cast<std::uint32_t>(event.data.u64 >> 32);
    if (index < slots_.size() && slots_[index].generation == generation &&
        slots_[index].watcher != nullptr) {
      fetch_next();
      return Ready{slots_[index].watcher, decode(event.events)};
    }
  }
  return std::nullopt;
}

}  // namespace sluice::loop
