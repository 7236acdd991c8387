#include "loop/inbox.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <utility>

#include "sys/error_table.hpp"

namespace sluice::loop {

Inbox::Inbox(sys::SystemCalls& sys, Reactor& reactor) : sys_(&sys), reactor_(&reactor) {
  const sys::Result<int> created = sys.eventfd();
  if (!created.ok()) {
    throw std::system_error(sys::to_error_code(created.error), "eventfd for an event loop");
  }
  event_fd_ = created.value;
  if (const std::error_code error = reactor.add(event_fd_, *this)) {
    static_cast<void>(sys.close(event_fd_));
    throw std::system_error(error, "epoll_ctl for the wake-up of an event loop");
  }
}

bool Inbox::post(detail::Callback& callback) {
  const std::lock_guard lock(mutex_);
  if (closed_) {
    return false;
  }
  posted_.push_back(std::move(callback));
  // The first one since take() has seen to the wake-up, and one serves all.
  if (has_posted_.load(std::memory_order_relaxed)) {
    return true;
  }
  has_posted_.store(true);
  // Under the lock: close() must not pull the descriptor away in between.
  if (wake_up_expected_.load() && wake_up_expected_.exchange(false)) {
    wake();
  }
  return true;
}

// Whoever posts sets the one and looks at the other, here it is the other way round. All four are
// in one order, so at least one of the two sees the other.
bool Inbox::expect_wake_up() noexcept {
  wake_up_expected_.store(true);
  return !has_posted_.load();
}

void Inbox::tell_what_is_posted() noexcept {
  if (!expect_wake_up() && wake_up_expected_.exchange(false)) {
    wake();
  }
}

std::vector<detail::Callback> Inbox::take(std::vector<detail::Callback> empty) {
  const std::lock_guard lock(mutex_);
  has_posted_.store(false, std::memory_order_relaxed);
  return std::exchange(posted_, std::move(empty));
}

void Inbox::close() {
  std::vector<detail::Callback> dropped;
  const std::lock_guard lock(mutex_);
  if (std::exchange(closed_, true)) {
    return;
  }
  dropped.swap(posted_);
  reactor_->remove(event_fd_);
  static_cast<void>(sys_->close(event_fd_));
}

void Inbox::wake() noexcept {
  const std::uint64_t one = 1;
  std::array<std::byte, sizeof one> bytes{};
  std::memcpy(bytes.data(), &one, sizeof one);
  // It cannot fail but for a counter at its maximum, and then the loop is awake already.
  static_cast<void>(sys_->write(event_fd_, bytes));
}

// The event itself has done it: the turn that it began takes what was posted. The counter is never
// read, since every write is an edge of its own, and a read could swallow a wake-up that came after
// that.
void Inbox::on_io(IoEvents /*events*/) {}

}  // namespace sluice::loop
