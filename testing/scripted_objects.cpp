#include "testing/scripted_objects.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sluice::testing {

ConnectAnswer connected() noexcept {
  return {};
}

ConnectAnswer refused(int error) noexcept {
  return {error};
}

ConnectAnswer connects_after(std::chrono::nanoseconds delay, int outcome) noexcept {
  return {EINPROGRESS, delay, outcome};
}

ConnectAnswer never_connects() noexcept {
  return {EINPROGRESS};
}

}  // namespace sluice::testing

namespace sluice::testing::scripted {
namespace {

// epoll reports these whether asked or not.
constexpr std::uint32_t always = EPOLLERR | EPOLLHUP;

}  // namespace

void Stream::clear() noexcept {
  bytes_.clear();
  taken_ = 0;
}

std::size_t Stream::take(std::span<std::byte> memory) noexcept {
  const std::size_t count = std::min(memory.size(), size());
  std::memcpy(memory.data(), bytes_.data() + taken_, count);
  taken_ += count;
  if (empty()) {
    clear();
  }
  return count;
}

bool Object::has_room() const noexcept {
  return !full && (room > 0 || !script.empty());
}

std::uint32_t Object::stream_readiness() const noexcept {
  if (link == Link::connecting) {
    return 0;
  }
  std::uint32_t mask = 0;
  if (link == Link::none || hung_up || (end && write_shut)) {
    mask |= EPOLLHUP;
  }
  if (socket_error != 0) {
    mask |= EPOLLERR;
  }
  if (!in.empty() || end || hung_up || read_error != 0 || socket_error != 0) {
    mask |= EPOLLIN;
  }
  if (end || hung_up) {
    mask |= EPOLLRDHUP;
  }
  if (has_room() || write_shut || hung_up || write_error != 0 || socket_error != 0) {
    mask |= EPOLLOUT;
  }
  return mask;
}

std::uint32_t Object::readiness() const noexcept {
  const std::uint32_t writable = has_room() || write_error != 0 ? EPOLLOUT : 0U;
  const std::uint32_t readable = !in.empty() || read_error != 0 ? EPOLLIN : 0U;
  switch (kind) {
    case Kind::stream:
      return stream_readiness();
    case Kind::datagram:
      return writable | (datagrams_in.empty() ? 0U : EPOLLIN) | (socket_error != 0 ? EPOLLERR : 0U);
    case Kind::listener:
      return backlog.empty() ? 0U : EPOLLIN;
    case Kind::pipe_write:
      return writable | (hung_up ? EPOLLERR : 0U);
    case Kind::pipe_read:
      return readable | (end || hung_up ? EPOLLHUP : 0U);
    case Kind::device:
      return writable | readable | (end ? EPOLLIN : 0U) |
             (hung_up ? EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP : 0U);
    case Kind::eventfd:
      return EPOLLOUT | (counter > 0 ? EPOLLIN : 0U);
    case Kind::pidfd:
      return counter > 0 ? EPOLLIN : 0U;
    case Kind::file:
    case Kind::epoll:
      break;
  }
  return 0;
}

Registration* EpollSet::find(int fd, const Object& object) {
  const auto found = std::ranges::find_if(
      items_, [&](const auto& item) { return item->fd == fd && item->object == &object; });
  return found == items_.end() ? nullptr : found->get();
}

bool EpollSet::contains(int fd) const {
  return std::ranges::any_of(items_, [&](const auto& item) { return item->fd == fd; });
}

void EpollSet::enqueue(Registration& registration) {
  if (!registration.queued && !registration.disabled) {
    registration.queued = true;
    ready_.push_back(&registration);
  }
}

void EpollSet::erase(const Registration& registration) {
  std::erase(ready_, &registration);
  std::erase_if(items_, [&](const auto& item) { return item.get() == &registration; });
}

int EpollSet::control(int operation, int fd, Object& object, const epoll_event& event) {
  if (!object.pollable) {
    return EPERM;
  }
  Registration* known = find(fd, object);
  if (operation == EPOLL_CTL_ADD) {
    if (known != nullptr) {
      return EEXIST;
    }
    items_.push_back(std::make_unique<Registration>());
    known = items_.back().get();
    known->fd = fd;
    known->object = &object;
  } else if (known == nullptr) {
    return ENOENT;
  }
  if (operation == EPOLL_CTL_DEL) {
    erase(*known);
    return 0;
  }
  known->event = event;
  known->disabled = false;
  if ((object.readiness() & (event.events | always)) != 0) {
    enqueue(*known);
  }
  return 0;
}

void EpollSet::wake(const Object& object, std::uint32_t key) {
  for (const auto& item : items_) {
    if (item->object == &object && (key == 0 || (key & (item->event.events | always)) != 0)) {
      enqueue(*item);
    }
  }
}

void EpollSet::forget(const Object& object) {
  std::erase_if(ready_, [&](const Registration* item) { return item->object == &object; });
  std::erase_if(items_, [&](const auto& item) { return item->object == &object; });
}

std::size_t EpollSet::collect(std::span<epoll_event> events) {
  std::size_t count = 0;
  std::deque<Registration*> pending;
  pending.swap(ready_);
  std::deque<Registration*> again;
  while (!pending.empty() && count < events.size()) {
    Registration* item = pending.front();
    pending.pop_front();
    item->queued = false;
    const std::uint32_t mask = item->object->readiness() & (item->event.events | always);
    if (mask == 0) {
      continue;
    }
    events[count++] = {mask, item->event.data};
    if ((item->event.events & EPOLLONESHOT) != 0) {
      item->disabled = true;
    } else if ((item->event.events & EPOLLET) == 0) {
      item->queued = true;
      again.push_back(item);
    }
  }
  // What did not fit stays first, what is still ready by level comes last.
  ready_.swap(pending);
  ready_.insert(ready_.end(), again.begin(), again.end());
  return count;
}

}  // namespace sluice::testing::scripted
