// ScriptedKernel: reading, writing, waiting and names.
#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "testing/scripted_kernel.hpp"

namespace sluice::testing {

using scripted::Kind;
using scripted::Link;

namespace {

// Writes stay together up to this many pieces: IOV_MAX.
constexpr std::size_t most_pieces = 1024;
// How long other threads may take, in real time: to begin, and to finish.
constexpr auto time_to_begin = std::chrono::milliseconds(200);
constexpr auto time_to_finish = std::chrono::seconds(5);

std::size_t total(std::span<const iovec> pieces) {
  std::size_t bytes = 0;
  for (const iovec& piece : pieces) {
    bytes += piece.iov_len;
  }
  return bytes;
}

iovec vector_of(Bytes bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

AddressFamily family_of(const SocketAddress& address) {
  return address.family();
}

}  // namespace

void ScriptedKernel::note_blocking(std::string_view call, int fd, const Object& object) {
  if ((object.flags & O_NONBLOCK) == 0 && object.kind != Kind::file) {
    add_violation(std::string(call) + " on " + std::to_string(fd) + ", which blocks");
  }
}

sys::Result<std::size_t> ScriptedKernel::transmit(std::string_view call, int fd,
                                                  std::span<const iovec> pieces,
                                                  bool needs_socket) {
  const Lock lock(mutex_);
  const std::size_t offered = total(pieces);
  sys::Result<std::size_t> result;
  Object* object = nullptr;
  result.error = enter(call, fd, object);
  if (result.ok()) {
    if (needs_socket && !object->socket()) {
      result.error = ENOTSOCK;
    } else if (!object->can_write()) {
      result.error = EBADF;
    } else if (pieces.size() > most_pieces) {
      add_violation(std::string(call) + " of more than IOV_MAX pieces");
      result.error = needs_socket ? EMSGSIZE : EINVAL;
    } else {
      if (!needs_socket) {
        note_blocking(call, fd, *object);
      }
      if (offered == 0) {
        add_violation(std::string(call) + " of nothing");
      }
      result = offer(*object, pieces, offered);
    }
  }
  record({call, fd, offered, pieces.size(), 0,
          result.ok() ? static_cast<long>(result.value) : -result.error});
  return result;
}

sys::Result<std::size_t> ScriptedKernel::offer(Object& object, std::span<const iovec> pieces,
                                               std::size_t offered) {
  if (object.kind == Kind::eventfd) {
    std::uint64_t value = 0;
    std::memcpy(&value, pieces.front().iov_base, std::min(offered, sizeof value));
    object.counter += value;
    wake(object, EPOLLIN);
    if (std::this_thread::get_id() != owner_ && unannounced_ > 0) {
      --unannounced_;
    }
    changed_.notify_all();
    return {sizeof value};
  }
  if (object.kind == Kind::stream && object.link != Link::established) {
    return {0, object.link == Link::connecting ? EAGAIN : EPIPE};
  }
  if (!object.script.empty()) {
    const WriteAnswer answer = object.script.front();
    object.script.pop_front();
    switch (answer.kind) {
      case WriteAnswer::Kind::accept:
        object.full = answer.count < offered;
        return {take(object, pieces, std::min(answer.count, offered))};
      case WriteAnswer::Kind::block:
        object.full = true;
        return {0, EAGAIN};
      case WriteAnswer::Kind::fail:
        return {0, answer.error};
      case WriteAnswer::Kind::interrupt:
        return {0, EINTR};
    }
  }
  if (object.socket_error != 0) {
    return {0, std::exchange(object.socket_error, 0)};
  }
  if (object.write_error != 0) {
    return {0, object.write_error};
  }
  if (object.write_shut || object.hung_up) {
    return {0, object.kind == Kind::device ? EIO : EPIPE};
  }
  if (!object.has_room()) {
    return {0, EAGAIN};
  }
  return {take(object, pieces, std::min(object.room, offered))};
}

std::size_t ScriptedKernel::take(Object& object, std::span<const iovec> pieces, std::size_t count) {
  const auto other_end = object.other_end.lock();
  std::size_t left = count;
  for (const iovec& piece : pieces) {
    const std::string_view part(static_cast<const char*>(piece.iov_base),
                                std::min(left, piece.iov_len));
    left -= part.size();
    if (other_end != nullptr) {
      other_end->in.append(part);
    } else {
      object.sent += part;
    }
  }
  if (object.room != no_limit) {
    object.room -= std::min(object.room, count);
  }
  if (other_end != nullptr) {
    wake(*other_end, EPOLLIN);
    changed_.notify_all();
  }
  return count;
}

sys::Result<std::size_t> ScriptedKernel::receive(std::string_view call, int fd,
                                                 std::span<std::byte> memory, bool needs_socket) {
  const Lock lock(mutex_);
  sys::Result<std::size_t> result;
  Object* object = nullptr;
  result.error = enter(call, fd, object);
  if (result.ok()) {
    if (needs_socket && !object->socket()) {
      result.error = ENOTSOCK;
    } else if (!object->can_read()) {
      result.error = EBADF;
    } else {
      if (!needs_socket) {
        note_blocking(call, fd, *object);
      }
      result = fetch(*object, memory);
    }
  }
  record({call, fd, memory.size(), 0, 0,
          result.ok() ? static_cast<long>(result.value) : -result.error});
  return result;
}

sys::Result<std::size_t> ScriptedKernel::fetch(Object& object, std::span<std::byte> memory) {
  if (object.kind == Kind::eventfd) {
    if (object.counter == 0) {
      return {0, EAGAIN};
    }
    const std::uint64_t value = std::exchange(object.counter, 0);
    std::memcpy(memory.data(), &value, std::min(memory.size(), sizeof value));
    return {sizeof value};
  }
  if (object.kind == Kind::stream && object.link != Link::established) {
    return {0, ENOTCONN};
  }
  if (!object.in.empty()) {
    const std::size_t count = object.in.take(memory);
    const auto other_end = object.other_end.lock();
    if (other_end != nullptr) {
      const bool was_full = other_end->room == 0;
      other_end->room += count;
      if (was_full) {
        wake(*other_end, EPOLLOUT);
      }
    }
    return {count};
  }
  if (object.socket_error != 0) {
    return {0, std::exchange(object.socket_error, 0)};
  }
  if (object.read_error != 0) {
    return {0, object.read_error};
  }
  if (object.end || object.hung_up) {
    return object.kind == Kind::device && object.hung_up ? sys::Result<std::size_t>{0, EIO}
                                                         : sys::Result<std::size_t>{};
  }
  return {0, EAGAIN};
}

sys::Result<std::size_t> ScriptedKernel::read(int fd, std::span<std::byte> memory) noexcept {
  return receive("read", fd, memory, false);
}

sys::Result<std::size_t> ScriptedKernel::recv(int fd, std::span<std::byte> memory) noexcept {
  return receive("recv", fd, memory, true);
}

sys::Result<std::size_t> ScriptedKernel::write(int fd, Bytes bytes) noexcept {
  const iovec piece = vector_of(bytes);
  return transmit("write", fd, {&piece, 1}, false);
}

sys::Result<std::size_t> ScriptedKernel::writev(int fd, std::span<const iovec> pieces) noexcept {
  return transmit("writev", fd, pieces, false);
}

sys::Result<std::size_t> ScriptedKernel::send(int fd, Bytes bytes) noexcept {
  const iovec piece = vector_of(bytes);
  return transmit("send", fd, {&piece, 1}, true);
}

sys::Result<std::size_t> ScriptedKernel::sendmsg(int fd, std::span<const iovec> pieces) noexcept {
  return transmit("sendmsg", fd, pieces, true);
}

// ---- Waiting ----

sys::Result<std::size_t> ScriptedKernel::epoll_wait(int epoll_fd, std::span<epoll_event> events,
                                                    int timeout_ms) noexcept {
  Lock lock(mutex_);
  owner_ = std::this_thread::get_id();
  sys::Result<std::size_t> result;
  Object* epoll = nullptr;
  result.error = enter("epoll_wait", epoll_fd, epoll);
  if (result.ok() && (epoll->kind != Kind::epoll || events.empty())) {
    result.error = EINVAL;
  }
  if (result.ok() && ++waits_ > most_waits) {
    give_up("epoll_wait was called too often: an endless loop");
  }
  if (result.ok()) {
    run_due(now_);
    result.value = epoll->set.collect(events);
    if (result.value == 0 && timeout_ms != 0) {
      result = wait_idle(lock, *epoll, events, timeout_ms);
    }
  }
  record({"epoll_wait", epoll_fd, 0, events.size(), timeout_ms,
          result.ok() ? static_cast<long>(result.value) : -result.error});
  return result;
}

sys::Result<std::size_t> ScriptedKernel::wait_idle(Lock& lock, Object& epoll,
                                                   std::span<epoll_event> events, int timeout_ms) {
  const Clock::time_point deadline =
      timeout_ms < 0 ? Clock::time_point::max() : now_ + std::chrono::milliseconds(timeout_ms);
  if (on_idle_) {
    const std::function<bool()> hook = on_idle_;
    lock.unlock();
    const bool did_something = hook();
    lock.lock();
    run_due(now_);
    const std::size_t count = epoll.set.collect(events);
    if (count > 0 || did_something) {
      return {count};
    }
  }
  for (;;) {
    await_threads(lock);
    if (const std::size_t count = epoll.set.collect(events); count > 0) {
      return {count};
    }
    if (!scheduled_.empty() && scheduled_.begin()->first <= deadline) {
      run_due(scheduled_.begin()->first);
    } else if (timeout_ms > 0) {
      run_due(deadline);
      return {0};
    } else {
      return {0, stuck(lock)};
    }
    if (const std::size_t count = epoll.set.collect(events); count > 0) {
      return {count};
    }
  }
}

// The loop is told an error rather than nothing: a loop that believes it ends, and any other is
// ended.
int ScriptedKernel::stuck(Lock& lock) {
  add_violation("the loop would sleep for ever");
  if (++stuck_waits_ > most_stuck_waits) {
    give_up("the loop does not end although it would sleep for ever");
  }
  if (on_stuck_) {
    const std::function<void()> hook = on_stuck_;
    lock.unlock();
    hook();
    lock.lock();
  }
  return EDEADLK;
}

void ScriptedKernel::give_up(std::string_view why) {
  std::fprintf(stderr, "ScriptedKernel: %.*s\n", static_cast<int>(why.size()), why.data());
  std::abort();
}

void ScriptedKernel::run_due(Clock::time_point until) {
  while (!scheduled_.empty() && scheduled_.begin()->first <= until) {
    const auto first = scheduled_.begin();
    now_ = std::max(now_, first->first);
    const std::function<void()> action = std::move(first->second);
    scheduled_.erase(first);
    action();
  }
  now_ = std::max(now_, until);
  changed_.notify_all();
}

bool ScriptedKernel::threads_at_work() const {
  return unannounced_ > 0 ||
         std::ranges::any_of(resolving_, [this](Clock::time_point until) { return until <= now_; });
}

// The clock stands still while a thread that was asked for a name is under way in real time.
void ScriptedKernel::await_threads(Lock& lock) {
  const bool may_begin =
      std::ranges::any_of(names_, [](const auto& entry) { return !entry.second.used; });
  if (may_begin && resolving_.empty() && unannounced_ == 0) {
    changed_.wait_for(lock, time_to_begin,
                      [this] { return !resolving_.empty() || unannounced_ > 0; });
  }
  if (!changed_.wait_for(lock, time_to_finish, [this] { return !threads_at_work(); })) {
    // Whoever asked does not want to know any more.
    unannounced_ = 0;
  }
}

ScriptedKernel::Clock::time_point ScriptedKernel::now() noexcept {
  const Lock lock(mutex_);
  return now_;
}

// ---- Names ----

sys::Resolved ScriptedKernel::resolve(const std::string& host, std::uint16_t port,
                                      AddressFamily family, bool passive) noexcept {
  Lock lock(mutex_);
  sys::Resolved resolved;
  const auto found = names_.find(host);
  const Name name = found == names_.end() ? Name{{}, {}, EAI_NONAME, 0, true} : found->second;
  const Clock::time_point until = now_ + name.delay;
  const bool other_thread = std::this_thread::get_id() != owner_;
  if (other_thread) {
    resolving_.push_back(until);
    scheduled_.emplace(until, [] {});
  }
  if (found != names_.end()) {
    found->second.used = true;
  }
  changed_.notify_all();
  if (other_thread) {
    changed_.wait(lock, [&] { return ending_ || now_ >= until; });
    resolving_.erase(std::ranges::find(resolving_, until));
    unannounced_ += 1;
  }
  resolved.error = name.error;
  resolved.system_error = name.system_error;
  for (const std::string& numeric : name.addresses) {
    const auto address = SocketAddress::from_numeric(numeric, port);
    if (!address) {
      add_violation("script_resolve: not a numeric host: " + numeric);
    } else if (family == AddressFamily::unspecified || family == family_of(*address)) {
      resolved.addresses.push_back(*address);
    }
  }
  if (resolved.error == 0 && resolved.addresses.empty()) {
    resolved.error = EAI_NONAME;
  }
  record({"resolve", -1, host.size(), 0, passive ? 1 : 0, resolved.error});
  changed_.notify_all();
  return resolved;
}

}  // namespace sluice::testing
