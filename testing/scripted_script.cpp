// The half of ScriptedKernel that tests talk to.
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "testing/scripted_kernel.hpp"

namespace sluice::testing {

using scripted::Kind;
using scripted::Link;

std::string CallRecord::text() const {
  std::string text(name);
  text += '(';
  const auto part = [&](const std::string& what) {
    text += (text.back() == '(' ? "" : ", ") + what;
  };
  if (fd >= 0) {
    part(std::to_string(fd));
  }
  if (pieces > 0) {
    part(std::to_string(pieces) + " pieces");
  }
  if (length > 0) {
    part(std::to_string(length) + " bytes");
  }
  if (argument != 0) {
    part(std::to_string(argument));
  }
  text += ") = ";
  const char* error = result < 0 ? ::strerrorname_np(static_cast<int>(-result)) : nullptr;
  return text + (error != nullptr ? std::string(error) : std::to_string(result));
}

ScriptedKernel::ScriptedKernel() : owner_(std::this_thread::get_id()) {}

ScriptedKernel::~ScriptedKernel() {
  Lock lock(mutex_);
  ending_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return resolving_.empty(); });
}

int ScriptedKernel::open_stream(const SocketAddress& local, const SocketAddress& peer) {
  const Lock lock(mutex_);
  const auto object = make(Kind::stream, S_IFSOCK | 0777, O_RDWR | O_NONBLOCK);
  object->link = Link::established;
  object->local = local;
  object->peer = peer;
  return install(object);
}

int ScriptedKernel::open_write_pipe() {
  const Lock lock(mutex_);
  return install(make(Kind::pipe_write, S_IFIFO | 0600, O_WRONLY));
}

int ScriptedKernel::open_read_pipe() {
  const Lock lock(mutex_);
  return install(make(Kind::pipe_read, S_IFIFO | 0600, O_RDONLY));
}

int ScriptedKernel::open_device() {
  const Lock lock(mutex_);
  return install(make(Kind::device, S_IFCHR | 0600, O_RDWR));
}

int ScriptedKernel::open_file(std::string_view content) {
  const Lock lock(mutex_);
  const auto object = make(Kind::file, S_IFREG | 0600, O_RDWR);
  object->in.append(content);
  object->content = content;
  object->end = true;
  object->pollable = false;
  return install(object);
}

int ScriptedKernel::open_listener(const SocketAddress& local) {
  const Lock lock(mutex_);
  const auto object = make(Kind::listener, S_IFSOCK | 0777, O_RDWR | O_NONBLOCK);
  object->local = local;
  return install(object);
}

int ScriptedKernel::duplicate(int fd) {
  const Lock lock(mutex_);
  return install(open_.at(fd));
}

void ScriptedKernel::set_unpollable(int fd) {
  const Lock lock(mutex_);
  known(fd).pollable = false;
}

void ScriptedKernel::reuse_descriptors() {
  const Lock lock(mutex_);
  reuse_ = true;
}

std::size_t ScriptedKernel::open_descriptors() const {
  const Lock lock(mutex_);
  return open_.size();
}

bool ScriptedKernel::is_open(int fd) const {
  const Lock lock(mutex_);
  return open_.contains(fd);
}

bool ScriptedKernel::registered(int fd) const {
  const Lock lock(mutex_);
  return std::ranges::any_of(open_,
                             [&](const auto& entry) { return entry.second->set.contains(fd); });
}

void ScriptedKernel::set_room(int fd, std::size_t bytes) {
  const Lock lock(mutex_);
  Object& object = known(fd);
  const bool had = object.has_room();
  object.room = bytes;
  object.full = object.full && bytes == 0;
  if (!had && object.has_room()) {
    wake(object, EPOLLOUT);
  }
}

void ScriptedKernel::add_room(int fd, std::size_t bytes) {
  const Lock lock(mutex_);
  const std::size_t room = known(fd).room;
  set_room(fd, bytes > no_limit - room ? no_limit : room + bytes);
}

void ScriptedKernel::script_write(int fd, std::initializer_list<WriteAnswer> answers) {
  script_write(fd, std::span(answers.begin(), answers.size()));
}

void ScriptedKernel::script_write(int fd, std::span<const WriteAnswer> answers) {
  const Lock lock(mutex_);
  Object& object = known(fd);
  object.script.insert(object.script.end(), answers.begin(), answers.end());
}

void ScriptedKernel::make_writable(int fd) {
  const Lock lock(mutex_);
  Object& object = known(fd);
  object.full = false;
  if (object.has_room()) {
    wake(object, EPOLLOUT);
  }
}

void ScriptedKernel::fail_writes(int fd, int error) {
  const Lock lock(mutex_);
  Object& object = known(fd);
  object.write_error = error;
  wake(object, EPOLLOUT);
}

void ScriptedKernel::fail_shutdown(int fd, int error) {
  const Lock lock(mutex_);
  known(fd).shutdown_error = error;
}

std::string ScriptedKernel::sent(int fd) const {
  const Lock lock(mutex_);
  return known(fd).sent;
}

std::string ScriptedKernel::sent(int fd, std::size_t offset, std::size_t most) const {
  const Lock lock(mutex_);
  return known(fd).sent.substr(offset, most);
}

bool ScriptedKernel::write_shut(int fd) const {
  const Lock lock(mutex_);
  return known(fd).write_shut;
}

void ScriptedKernel::deliver(int fd, std::string_view bytes) {
  const Lock lock(mutex_);
  Object& object = known(fd);
  object.in.append(bytes);
  wake(object, EPOLLIN);
}

void ScriptedKernel::deliver_eof(int fd) {
  const Lock lock(mutex_);
  Object& object = known(fd);
  object.end = true;
  wake(object, 0);
}

void ScriptedKernel::fail_reads(int fd, int error) {
  const Lock lock(mutex_);
  Object& object = known(fd);
  object.read_error = error;
  wake(object, EPOLLIN);
}

void ScriptedKernel::hang_up(int fd) {
  const Lock lock(mutex_);
  Object& object = known(fd);
  object.hung_up = true;
  object.end = true;
  wake(object, 0);
}

void ScriptedKernel::reset(int fd, int error) {
  const Lock lock(mutex_);
  Object& object = known(fd);
  object.in.clear();
  object.socket_error = error;
  hang_up(fd);
}

int ScriptedKernel::push_connection(int listener, const SocketAddress& peer) {
  const Lock lock(mutex_);
  Object& object = known(listener);
  const auto connection = make(Kind::stream, S_IFSOCK | 0777, O_RDWR | O_NONBLOCK);
  connection->link = Link::established;
  connection->local = object.local;
  connection->peer = peer;
  const int number = free_number();
  known_[number] = connection;
  object.backlog.emplace_back(number, connection);
  wake(object, EPOLLIN);
  return number;
}

void ScriptedKernel::script_connect(const ConnectAnswer& answer) {
  const Lock lock(mutex_);
  connects_.push_back(answer);
}

void ScriptedKernel::script_connect(const SocketAddress& address, const ConnectAnswer& answer) {
  const Lock lock(mutex_);
  connects_to_[address.to_string()] = answer;
}

void ScriptedKernel::finish_connect(int fd, int outcome) {
  const Lock lock(mutex_);
  settle_connect(known(fd), outcome);
}

void ScriptedKernel::script_resolve(const std::string& host, std::vector<std::string> addresses,
                                    Duration delay) {
  const Lock lock(mutex_);
  names_[host] = {std::move(addresses), delay};
}

void ScriptedKernel::fail_resolve(const std::string& host, int error, int system_error) {
  const Lock lock(mutex_);
  names_[host] = {{}, {}, error, system_error};
}

void ScriptedKernel::set_option(int fd, int level, int name, int value) {
  const Lock lock(mutex_);
  known(fd).options[{level, name}] = value;
}

int ScriptedKernel::option(int fd, int level, int name) const {
  const Lock lock(mutex_);
  const auto& options = known(fd).options;
  const auto found = options.find({level, name});
  return found == options.end() ? 0 : found->second;
}

void ScriptedKernel::put_path(const std::string& path, mode_t mode) {
  const Lock lock(mutex_);
  paths_[path] = {mode, 1, next_inode_++};
}

bool ScriptedKernel::path_exists(const std::string& path) const {
  const Lock lock(mutex_);
  return paths_.contains(path);
}

void ScriptedKernel::fail_next(std::string_view call, int error, int times) {
  const Lock lock(mutex_);
  std::deque<int>& planned = failures_[std::string(call)];
  planned.insert(planned.end(), static_cast<std::size_t>(times), error);
}

void ScriptedKernel::raise_signal(int number) {
  const Lock lock(mutex_);
  const auto watched = signals_.find(number);
  if (watched == signals_.end()) {
    add_violation("signal " + std::to_string(number) + " is not watched");
    return;
  }
  Object* writing = use("raise_signal", watched->second);
  const auto reading = writing == nullptr ? nullptr : writing->other_end.lock();
  if (reading == nullptr) {
    return;
  }
  if (reading->in.size() >= pipe_capacity) {
    missed_signals_[watched->second] |= std::uint64_t{1} << (number - 1);
    return;
  }
  const char byte = static_cast<char>(number);
  reading->in.append({&byte, 1});
  wake(*reading, EPOLLIN);
}

void ScriptedKernel::advance(Duration by) {
  const Lock lock(mutex_);
  run_due(now_ + by);
}

void ScriptedKernel::after(Duration delay, std::function<void()> action) {
  const Lock lock(mutex_);
  scheduled_.emplace(now_ + delay, std::move(action));
}

void ScriptedKernel::on_idle(std::function<bool()> hook) {
  const Lock lock(mutex_);
  on_idle_ = std::move(hook);
}

void ScriptedKernel::on_stuck(std::function<void()> hook) {
  const Lock lock(mutex_);
  on_stuck_ = std::move(hook);
}

std::vector<std::string> ScriptedKernel::calls_on(int fd) const {
  const Lock lock(mutex_);
  std::vector<std::string> texts;
  for (const CallRecord& call : calls_) {
    if (call.fd == fd) {
      texts.push_back(call.text());
    }
  }
  return texts;
}

std::size_t ScriptedKernel::count_calls(std::string_view name) const {
  const Lock lock(mutex_);
  return static_cast<std::size_t>(
      std::ranges::count_if(calls_, [&](const CallRecord& call) { return call.name == name; }));
}

std::vector<std::string> ScriptedKernel::violations() const {
  const Lock lock(mutex_);
  return violations_;
}

void ScriptedKernel::add_violation(std::string what) {
  const Lock lock(mutex_);
  violations_.push_back(std::move(what));
}

}  // namespace sluice::testing
