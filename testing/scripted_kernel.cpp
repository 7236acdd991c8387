// ScriptedKernel: descriptors, sockets and registrations.
#include "testing/scripted_kernel.hpp"

#include <fcntl.h>
#include <netinet/udp.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

namespace sluice::testing {

using scripted::Kind;
using scripted::Link;

// ---- Descriptors ----

int ScriptedKernel::free_number() {
  if (!reuse_) {
    return next_number_++;
  }
  // Numbers promised to waiting connections are taken, too.
  const auto promised = [this](int number) {
    return std::ranges::any_of(open_, [&](const auto& entry) {
      return std::ranges::any_of(entry.second->backlog,
                                 [&](const auto& waiting) { return waiting.first == number; });
    });
  };
  int number = 100;
  while (open_.contains(number) || promised(number)) {
    ++number;
  }
  return number;
}

std::shared_ptr<scripted::Object> ScriptedKernel::make(Kind kind, mode_t mode, int flags) {
  auto object = std::make_shared<Object>();
  object->kind = kind;
  object->mode = mode;
  object->flags = flags;
  object->inode = next_inode_++;
  return object;
}

int ScriptedKernel::install(const std::shared_ptr<Object>& object) {
  const int number = free_number();
  open_[number] = object;
  known_[number] = object;
  ++object->descriptors;
  return number;
}

scripted::Object* ScriptedKernel::use(std::string_view call, int fd) {
  const auto found = open_.find(fd);
  if (found != open_.end()) {
    return found->second.get();
  }
  if (known_.contains(fd)) {
    add_violation(std::string(call) + " on " + std::to_string(fd) + ", which is closed");
  }
  return nullptr;
}

scripted::Object& ScriptedKernel::known(int fd) const {
  return *known_.at(fd);
}

void ScriptedKernel::wake(const Object& object, std::uint32_t key) {
  for (const auto& entry : open_) {
    if (entry.second->kind == Kind::epoll) {
      entry.second->set.wake(object, key);
    }
  }
  changed_.notify_all();
}

void ScriptedKernel::destroy(Object& object) {
  for (const auto& entry : open_) {
    entry.second->set.forget(object);
  }
  if (object.kind == Kind::epoll) {
    ending_ = true;
    changed_.notify_all();
  }
  if (const auto other_end = object.other_end.lock()) {
    (other_end->kind == Kind::pipe_read ? other_end->end : other_end->hung_up) = true;
    wake(*other_end, 0);
  }
}

sys::Status ScriptedKernel::close(int fd) noexcept {
  const Lock lock(mutex_);
  Object* object = use("close", fd);
  if (object == nullptr) {
    return record_status("close", fd, 0, EBADF);
  }
  // As on Linux, the number is free even if close fails.
  const std::shared_ptr<Object> kept = open_.at(fd);
  open_.erase(fd);
  if (--kept->descriptors == 0) {
    destroy(*kept);
  }
  return record_status("close", fd, 0, planned_failure("close"));
}

// ---- Every call ----

int ScriptedKernel::planned_failure(std::string_view call) {
  const auto planned = failures_.find(call);
  if (planned == failures_.end() || planned->second.empty()) {
    return 0;
  }
  const int error = planned->second.front();
  planned->second.pop_front();
  return error;
}

int ScriptedKernel::enter(std::string_view call, int fd, Object*& object) {
  object = use(call, fd);
  return object == nullptr ? EBADF : planned_failure(call);
}

void ScriptedKernel::record(const CallRecord& call) {
  calls_.push_back(call);
}

sys::Status ScriptedKernel::record_status(std::string_view call, int fd, long argument, int error) {
  record({call, fd, 0, 0, argument, -error});
  return {error};
}

sys::Result<sys::FileStatus> ScriptedKernel::fstat(int fd) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  const int error = enter("fstat", fd, object);
  static_cast<void>(record_status("fstat", fd, 0, error));
  if (error != 0) {
    return {{}, error};
  }
  return {{object->mode, 1, object->inode}};
}

sys::Result<int> ScriptedKernel::get_status_flags(int fd) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  const int error = enter("get_status_flags", fd, object);
  const int flags = error == 0 ? object->flags : 0;
  record({"get_status_flags", fd, 0, 0, 0, error == 0 ? flags : -error});
  return {flags, error};
}

sys::Status ScriptedKernel::set_status_flags(int fd, int flags) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  const int error = enter("set_status_flags", fd, object);
  if (error == 0) {
    object->flags = (object->flags & O_ACCMODE) | (flags & ~O_ACCMODE);
  }
  return record_status("set_status_flags", fd, flags, error);
}

sys::Result<bool> ScriptedKernel::same_open_file(int left, int right) noexcept {
  const Lock lock(mutex_);
  const Object* one = use("same_open_file", left);
  const Object* other = use("same_open_file", right);
  int error = planned_failure("same_open_file");
  if (one == nullptr || other == nullptr) {
    error = EBADF;
  }
  const bool same = error == 0 && one == other;
  record({"same_open_file", left, 0, 0, right, error == 0 ? (same ? 1 : 0) : -error});
  return {same, error};
}

sys::Result<sys::FileStatus> ScriptedKernel::stat(const std::string& path) noexcept {
  const Lock lock(mutex_);
  int error = planned_failure("stat");
  const auto found = paths_.find(path);
  if (error == 0 && found == paths_.end()) {
    error = ENOENT;
  }
  static_cast<void>(record_status("stat", -1, 0, error));
  if (error != 0) {
    return {{}, error};
  }
  return {found->second};
}

sys::Status ScriptedKernel::unlink(const std::string& path) noexcept {
  const Lock lock(mutex_);
  int error = planned_failure("unlink");
  if (error == 0 && paths_.erase(path) == 0) {
    error = ENOENT;
  }
  return record_status("unlink", -1, 0, error);
}

// ---- Sockets ----

sys::Result<int> ScriptedKernel::socket(int domain, int type) noexcept {
  const Lock lock(mutex_);
  const int error = planned_failure("socket");
  int number = 0;
  if (error == 0) {
    const auto object = make(type == SOCK_DGRAM ? Kind::datagram : Kind::stream, S_IFSOCK | 0777,
                             O_RDWR | O_NONBLOCK);
    object->options[{SOL_SOCKET, SO_TYPE}] = type;
    object->options[{SOL_SOCKET, SO_DOMAIN}] = domain;
    number = install(object);
  }
  record({"socket", -1, 0, 0, domain, error == 0 ? number : -error});
  return {number, error};
}

sys::Status ScriptedKernel::connect(int fd, const SocketAddress& address) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  int error = enter("connect", fd, object);
  if (error == 0) {
    error = begin_connect(open_.at(fd), address);
  }
  return record_status("connect", fd, 0, error);
}

int ScriptedKernel::begin_connect(const std::shared_ptr<Object>& object,
                                  const SocketAddress& address) {
  if (object->kind != Kind::stream && object->kind != Kind::datagram) {
    return ENOTSOCK;
  }
  if (object->link != Link::none) {
    return object->link == Link::connecting ? EALREADY : EISCONN;
  }
  ConnectAnswer answer;
  const auto scripted = connects_to_.find(address.to_string());
  if (scripted != connects_to_.end()) {
    answer = scripted->second;
  } else if (!connects_.empty()) {
    answer = connects_.front();
    connects_.pop_front();
  }
  object->peer = address;
  if (answer.error == 0) {
    object->link = Link::established;
    wake(*object, EPOLLOUT);
  } else if (answer.error == EINPROGRESS) {
    object->link = Link::connecting;
    if (answer.delay) {
      scheduled_.emplace(now_ + *answer.delay, [this, answer, weak = std::weak_ptr(object)] {
        if (const auto alive = weak.lock()) {
          settle_connect(*alive, answer.outcome);
        }
      });
    }
  }
  return answer.error;
}

void ScriptedKernel::settle_connect(Object& object, int outcome) {
  if (object.link != Link::connecting) {
    return;
  }
  object.link = Link::established;
  if (outcome != 0) {
    object.socket_error = outcome;
    object.hung_up = true;
    object.end = true;
  }
  wake(object, 0);
}

sys::Status ScriptedKernel::bind(int fd, const SocketAddress& address) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  int error = enter("bind", fd, object);
  if (error == 0) {
    error = bind_to(*object, address);
  }
  return record_status("bind", fd, 0, error);
}

int ScriptedKernel::bind_to(Object& object, const SocketAddress& address) {
  if (!object.socket()) {
    return ENOTSOCK;
  }
  if (address.family() == AddressFamily::unix_path) {
    if (paths_.contains(address.path())) {
      return EADDRINUSE;
    }
    put_path(address.path(), S_IFSOCK | 0777);
    object.local = address;
    return 0;
  }
  const bool any_port =
      (address.family() == AddressFamily::ipv4 || address.family() == AddressFamily::ipv6) &&
      address.port() == 0;
  const SocketAddress wanted =
      any_port ? SocketAddress::from_numeric(address.host(), next_port_++).value_or(address)
               : address;
  const std::pair reuse_port(SOL_SOCKET, SO_REUSEPORT);
  const bool taken = std::ranges::any_of(open_, [&](const auto& entry) {
    return (entry.second->kind == Kind::listener || entry.second->kind == Kind::datagram) &&
           entry.second->local == wanted &&
           !(entry.second->options[reuse_port] != 0 && object.options[reuse_port] != 0);
  });
  if (taken) {
    return EADDRINUSE;
  }
  object.local = wanted;
  return 0;
}

sys::Status ScriptedKernel::listen(int fd, int backlog) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  int error = enter("listen", fd, object);
  if (error == 0 && !object->socket()) {
    error = ENOTSOCK;
  }
  if (error == 0) {
    object->kind = Kind::listener;
  }
  return record_status("listen", fd, backlog, error);
}

sys::Result<sys::Accepted> ScriptedKernel::accept(int fd) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  int error = enter("accept", fd, object);
  sys::Accepted accepted;
  if (error == 0 && object->kind != Kind::listener) {
    error = object->socket() ? EINVAL : ENOTSOCK;
  } else if (error == 0 && object->backlog.empty()) {
    error = EAGAIN;
  } else if (error == 0) {
    const auto [number, connection] = object->backlog.front();
    object->backlog.pop_front();
    open_[number] = connection;
    ++connection->descriptors;
    accepted = {number, connection->peer};
  } else if (error == ECONNABORTED && object->kind == Kind::listener && !object->backlog.empty()) {
    object->backlog.pop_front();
  }
  record({"accept", fd, 0, 0, 0, error == 0 ? accepted.fd : -error});
  return {accepted, error};
}

sys::Status ScriptedKernel::shutdown(int fd, int how) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  int error = enter("shutdown", fd, object);
  if (error == 0 && !object->socket()) {
    error = ENOTSOCK;
  } else if (error == 0) {
    error = object->shutdown_error;
  }
  if (error == 0 && object->link != Link::established) {
    error = ENOTCONN;
  }
  if (error == 0) {
    object->write_shut = object->write_shut || how != SHUT_RD;
    object->end = object->end || how != SHUT_WR;
    wake(*object, 0);
  }
  return record_status("shutdown", fd, how, error);
}

sys::Result<SocketAddress> ScriptedKernel::getsockname(int fd) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  int error = enter("getsockname", fd, object);
  if (error == 0 && !object->socket()) {
    error = ENOTSOCK;
  }
  static_cast<void>(record_status("getsockname", fd, 0, error));
  return {error == 0 ? object->local : SocketAddress(), error};
}

sys::Result<SocketAddress> ScriptedKernel::getpeername(int fd) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  int error = enter("getpeername", fd, object);
  if (error == 0 && !object->socket()) {
    error = ENOTSOCK;
  } else if (error == 0 && object->link != Link::established) {
    error = ENOTCONN;
  }
  static_cast<void>(record_status("getpeername", fd, 0, error));
  return {error == 0 ? object->peer : SocketAddress(), error};
}

sys::Result<int> ScriptedKernel::getsockopt(int fd, int level, int name) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  int error = enter("getsockopt", fd, object);
  int value = 0;
  if (error == 0 && !object->socket()) {
    error = ENOTSOCK;
  } else if (error == 0 && level == SOL_SOCKET && name == SO_ERROR) {
    value = std::exchange(object->socket_error, 0);
  } else if (error == 0) {
    const auto found = object->options.find({level, name});
    const bool type = level == SOL_SOCKET && name == SO_TYPE;
    // Only a kernel of which a test says so can cut segments.
    const bool missing = found == object->options.end() && level == SOL_UDP && name == UDP_SEGMENT;
    error = missing ? ENOPROTOOPT : 0;
    value = found != object->options.end() ? found->second : (type ? SOCK_STREAM : 0);
  }
  record({"getsockopt", fd, 0, 0, name, error == 0 ? value : -error});
  return {value, error};
}

sys::Status ScriptedKernel::setsockopt(int fd, int level, int name, int value) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  int error = enter("setsockopt", fd, object);
  if (error == 0 && !object->socket()) {
    error = ENOTSOCK;
  }
  if (error == 0) {
    object->options[{level, name}] = value;
  }
  return record_status("setsockopt", fd, name, error);
}

// ---- Readiness and signals ----

sys::Result<int> ScriptedKernel::epoll_create() noexcept {
  const Lock lock(mutex_);
  const int error = planned_failure("epoll_create");
  const int number = error == 0 ? install(make(Kind::epoll, 0600, O_RDWR)) : 0;
  ending_ = false;
  unannounced_ = 0;
  record({"epoll_create", -1, 0, 0, 0, error == 0 ? number : -error});
  return {number, error};
}

sys::Status ScriptedKernel::epoll_ctl(int epoll_fd, int operation, int fd,
                                      epoll_event event) noexcept {
  const Lock lock(mutex_);
  Object* epoll = nullptr;
  int error = enter("epoll_ctl", epoll_fd, epoll);
  Object* object = error == 0 ? use("epoll_ctl", fd) : nullptr;
  if (error == 0 && object == nullptr) {
    error = EBADF;
  } else if (error == 0 && (epoll->kind != Kind::epoll || epoll == object)) {
    error = EINVAL;
  } else if (error == 0) {
    error = epoll->set.control(operation, fd, *object, event);
  }
  return record_status("epoll_ctl", fd, operation, error);
}

sys::Result<int> ScriptedKernel::eventfd() noexcept {
  const Lock lock(mutex_);
  const int error = planned_failure("eventfd");
  const int number = error == 0 ? install(make(Kind::eventfd, 0600, O_RDWR | O_NONBLOCK)) : 0;
  record({"eventfd", -1, 0, 0, 0, error == 0 ? number : -error});
  return {number, error};
}

sys::Result<std::pair<int, int>> ScriptedKernel::pipe() noexcept {
  const Lock lock(mutex_);
  const int error = planned_failure("pipe");
  std::pair<int, int> ends(-1, -1);
  if (error == 0) {
    const auto reading = make(Kind::pipe_read, S_IFIFO | 0600, O_RDONLY | O_NONBLOCK);
    const auto writing = make(Kind::pipe_write, S_IFIFO | 0600, O_WRONLY | O_NONBLOCK);
    writing->room = pipe_capacity;
    reading->other_end = writing;
    writing->other_end = reading;
    ends.first = install(reading);
    ends.second = install(writing);
  }
  static_cast<void>(record_status("pipe", -1, 0, error));
  return {ends, error};
}

sys::Status ScriptedKernel::watch_signal(int number, int fd) noexcept {
  const Lock lock(mutex_);
  int error = planned_failure("watch_signal");
  if (error == 0 && (number <= 0 || number >= NSIG || number == SIGKILL || number == SIGSTOP)) {
    error = EINVAL;
  }
  if (error == 0) {
    signals_[number] = fd;
  }
  return record_status("watch_signal", fd, number, error);
}

sys::Status ScriptedKernel::unwatch_signal(int number, int fd) noexcept {
  const Lock lock(mutex_);
  int error = planned_failure("unwatch_signal");
  if (error == 0 && (number <= 0 || number >= NSIG)) {
    error = EINVAL;
  }
  const auto watched = signals_.find(number);
  if (error == 0 && watched != signals_.end() && watched->second == fd) {
    signals_.erase(watched);
  }
  return record_status("unwatch_signal", fd, number, error);
}

std::uint64_t ScriptedKernel::take_missed_signals(int fd) noexcept {
  const Lock lock(mutex_);
  return std::exchange(missed_signals_[fd], 0);
}

}  // namespace sluice::testing
