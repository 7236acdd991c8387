#include "testing/throttled_file.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <utility>
#include <vector>

namespace sluice::testing {
namespace {

using Lock = std::unique_lock<std::mutex>;

constexpr std::chrono::seconds patience{1};
constexpr std::chrono::milliseconds completion_patience{500};
constexpr std::chrono::milliseconds moment{1};

// The first `count` bytes of the pieces.
std::vector<iovec> front_of(std::span<const iovec> pieces, std::size_t count) {
  std::vector<iovec> front;
  for (const iovec& piece : pieces) {
    const std::size_t part = std::min(piece.iov_len, count);
    if (part == 0) {
      break;
    }
    front.push_back({piece.iov_base, part});
    count -= part;
  }
  return front;
}

}  // namespace

ThrottledFile::ThrottledFile() : FaultySystemCalls(sys::linux_system_calls(), {}, 0) {}

void ThrottledFile::choose(int fd) {
  const Lock lock(mutex_);
  fd_ = fd;
}

void ThrottledFile::fill(std::size_t bytes) {
  const Lock lock(mutex_);
  room_ -= std::min(room_, bytes);
}

void ThrottledFile::add_room(std::size_t bytes) {
  const Lock lock(mutex_);
  room_ += bytes;
  changed_.notify_all();
}

void ThrottledFile::fail_writes(int error) {
  const Lock lock(mutex_);
  error_ = error;
  changed_.notify_all();
}

void ThrottledFile::let_go() {
  const Lock lock(mutex_);
  room_ = static_cast<std::size_t>(-1) / 2;
  changed_.notify_all();
}

bool ThrottledFile::is_closed() {
  const Lock lock(mutex_);
  return closed_;
}

std::size_t ThrottledFile::taken() {
  const Lock lock(mutex_);
  return taken_;
}

void ThrottledFile::settle(std::uint64_t calls) {
  Lock lock(mutex_);
  changed_.wait_for(lock, patience,
                    [&] { return entered_ >= calls && (waits_ || announced_ == entered_); });
}

void ThrottledFile::await_completion() {
  Lock lock(mutex_);
  changed_.wait_for(lock, completion_patience, [this] { return complete_; });
}

std::thread::id ThrottledFile::unlinked_on() {
  const std::lock_guard lock(mutex_);
  return unlinked_on_;
}

sys::Status ThrottledFile::unlink(const std::string& path) noexcept {
  {
    const std::lock_guard lock(mutex_);
    unlinked_on_ = std::this_thread::get_id();
  }
  return FaultySystemCalls::unlink(path);
}

sys::Result<int> ThrottledFile::dup(int fd) noexcept {
  {
    const Lock lock(mutex_);
    completing_ = completing_ || fd == fd_;
  }
  return FaultySystemCalls::dup(fd);
}

sys::Status ThrottledFile::close(int fd) noexcept {
  {
    const Lock lock(mutex_);
    closed_ = closed_ || fd == fd_;
    fd_ = fd == fd_ ? -1 : fd_;
  }
  return FaultySystemCalls::close(fd);
}

// The only writes of single pieces are those that wake the loop; by then a write has returned.
sys::Result<std::size_t> ThrottledFile::write(int fd, Bytes bytes) noexcept {
  const sys::Result<std::size_t> result = FaultySystemCalls::write(fd, bytes);
  const Lock lock(mutex_);
  announced_ = returned_;
  complete_ = completing_;
  changed_.notify_all();
  return result;
}

sys::Result<std::size_t> ThrottledFile::writev(int fd, std::span<const iovec> pieces) noexcept {
  Lock lock(mutex_);
  if (fd != fd_) {
    lock.unlock();
    return FaultySystemCalls::writev(fd, pieces);
  }
  ++entered_;
  waits_ = room_ == 0 && error_ == 0;
  changed_.notify_all();
  changed_.wait(lock, [this] { return room_ > 0 || error_ != 0; });
  waits_ = false;
  ++returned_;
  if (error_ != 0) {
    return {0, error_};
  }
  const sys::Result<std::size_t> result = FaultySystemCalls::writev(fd, front_of(pieces, room_));
  room_ -= result.value;
  taken_ += result.value;
  return result;
}

void FilePeer::send(std::string_view /*bytes*/) {
  throw std::logic_error("a file sends nothing");
}

void FilePeer::send_eof() {
  throw std::logic_error("a file sends nothing");
}

void FilePeer::close() {
  system_->fail_writes(ENOSPC);
}

void FilePeer::clog(int /*fd*/) {
  system_->fill(ThrottledFile::capacity);
  clogged_ = ThrottledFile::capacity;
}

void FilePeer::wait() {
  ::poll(nullptr, 0, static_cast<int>(moment.count()));
}

Peer::ReadResult FilePeer::take(std::size_t most) {
  // Closed is looked at before the file is read: nothing comes after it.
  const bool closed = system_->is_closed();
  // What has clogged the file is nowhere; whoever reads reads over it.
  system_->add_room(std::exchange(clogged_, 0));
  std::string bytes(std::min(most, ThrottledFile::capacity), '\0');
  const ssize_t count = ::read(fd_.get(), bytes.data(), bytes.size());
  if (count < 0) {
    return {{}, true, {errno, std::system_category()}};
  }
  bytes.resize(static_cast<std::size_t>(count));
  system_->add_room(bytes.size());
  return {bytes, count == 0 && closed};
}

}  // namespace sluice::testing
