// ScriptedKernel: files that are read at an offset, and bytes that go from one descriptor to
// another without passing through the program.
#include <fcntl.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "testing/scripted_kernel.hpp"

namespace sluice::testing {

using scripted::Kind;

int ScriptedKernel::open_write_only_file() {
  const Lock lock(mutex_);
  const auto object = make(Kind::file, S_IFREG | 0600, O_WRONLY);
  object->pollable = false;
  return install(object);
}

void ScriptedKernel::set_file(int fd, std::string_view content) {
  const Lock lock(mutex_);
  known(fd).content = content;
}

void ScriptedKernel::fail_file(int fd, int error) {
  const Lock lock(mutex_);
  known(fd).content_error = error;
}

// What is there of `count` bytes; nothing behind the end.
sys::Result<std::string_view> ScriptedKernel::content_at(const Object& object, std::uint64_t offset,
                                                         std::size_t count) const {
  if (object.kind != Kind::file) {
    return {{}, ESPIPE};
  }
  if (object.content_error != 0) {
    return {{}, object.content_error};
  }
  const std::string_view content = object.content;
  return {content.substr(std::min<std::uint64_t>(offset, content.size()), count), 0};
}

// Offers bytes to a descriptor as write(2) would.
sys::Result<std::size_t> ScriptedKernel::pass(int to, std::string_view bytes) {
  Object* object = use("splice", to);
  if (object == nullptr || !object->can_write()) {
    return {0, EBADF};
  }
  note_blocking("splice", to, *object);
  if (bytes.empty()) {
    return {};
  }
  const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  return offer(*object, {&piece, 1}, bytes.size());
}

sys::Result<std::size_t> ScriptedKernel::pread(int fd, std::span<std::byte> memory,
                                               std::uint64_t offset) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  sys::Result<std::size_t> result;
  result.error = enter("pread", fd, object);
  if (result.ok()) {
    const sys::Result<std::string_view> found = content_at(*object, offset, memory.size());
    const Bytes bytes = std::as_bytes(std::span(found.value));
    std::copy(bytes.begin(), bytes.end(), memory.begin());
    result = {found.value.size(), found.error};
  }
  record({"pread", fd, memory.size(), 0, static_cast<long>(offset),
          result.ok() ? static_cast<long>(result.value) : -result.error});
  return result;
}

sys::Result<std::size_t> ScriptedKernel::sendfile(int to, int file, std::uint64_t offset,
                                                  std::size_t count) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  sys::Result<std::size_t> result;
  result.error = enter("sendfile", file, object);
  if (result.ok()) {
    const sys::Result<std::string_view> found = content_at(*object, offset, count);
    result = found.ok() ? pass(to, found.value) : sys::Result<std::size_t>{0, found.error};
  }
  record({"sendfile", to, count, 0, static_cast<long>(offset),
          result.ok() ? static_cast<long>(result.value) : -result.error});
  return result;
}

sys::Result<std::size_t> ScriptedKernel::splice(int from, std::optional<std::uint64_t> offset,
                                                int to, std::size_t count) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  sys::Result<std::size_t> result;
  result.error = enter("splice", from, object);
  const Object* other = result.ok() ? use("splice", to) : nullptr;
  if (other == nullptr) {
    result.error = result.ok() ? EBADF : result.error;
  } else if (object->kind != Kind::pipe_read && other->kind != Kind::pipe_write) {
    result.error = EINVAL;
  } else if (offset) {
    const sys::Result<std::string_view> found = content_at(*object, *offset, count);
    result = found.ok() ? pass(to, found.value) : sys::Result<std::size_t>{0, found.error};
  } else {
    result = splice_stream(*object, to, count);
  }
  record({"splice", offset ? to : from, count, 0, offset ? static_cast<long>(*offset) : to,
          result.ok() ? static_cast<long>(result.value) : -result.error});
  return result;
}

sys::Result<std::size_t> ScriptedKernel::splice_stream(Object& from, int to, std::size_t count) {
  std::byte none{};
  if (from.in.empty()) {
    // Nothing there: an end, an error, or not yet.
    return fetch(from, {&none, 1});
  }
  const std::string bytes(from.in.peek(count));
  const sys::Result<std::size_t> passed = pass(to, bytes);
  if (passed.ok()) {
    std::vector<std::byte> gone(passed.value);
    static_cast<void>(fetch(from, gone));
  }
  return passed;
}

sys::Result<std::size_t> ScriptedKernel::set_pipe_size(int fd, std::size_t bytes) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  const int error = enter("set_pipe_size", fd, object);
  if (error == 0 && object->room == pipe_capacity) {
    object->room = bytes;
  }
  record({"set_pipe_size", fd, bytes, 0, 0, error == 0 ? static_cast<long>(bytes) : -error});
  return {error == 0 ? bytes : 0, error};
}

}  // namespace sluice::testing
