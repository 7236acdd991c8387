#pragma once

#include <sys/epoll.h>
#include <sys/stat.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/socket_address.hpp"

namespace sluice::testing {

/// What the kernel answers to one attempt to write.
struct WriteAnswer {
  enum class Kind : std::uint8_t { accept, block, fail, interrupt };
  Kind kind = Kind::accept;
  std::size_t count = 0;
  int error = 0;
};

/// Takes the first `count` bytes; fewer than offered leave the descriptor full.
[[nodiscard]] inline WriteAnswer accept(std::size_t count) noexcept {
  return {WriteAnswer::Kind::accept, count};
}
/// EAGAIN; the descriptor is full.
[[nodiscard]] inline WriteAnswer block() noexcept {
  return {WriteAnswer::Kind::block};
}
/// This one attempt fails with `error`.
[[nodiscard]] inline WriteAnswer fail(int error) noexcept {
  return {WriteAnswer::Kind::fail, 0, error};
}
/// EINTR; nothing changes.
[[nodiscard]] inline WriteAnswer interrupt() noexcept {
  return {WriteAnswer::Kind::interrupt};
}

/// What becomes of one connect().
struct ConnectAnswer {
  int error = 0;                                    ///< Returned at once; 0 for success.
  std::optional<std::chrono::nanoseconds> delay{};  ///< After EINPROGRESS; none: it never ends.
  int outcome = 0;                                  ///< What SO_ERROR tells at the end.
};

/// Connected when connect() returns.
[[nodiscard]] ConnectAnswer connected() noexcept;
/// connect() itself fails.
[[nodiscard]] ConnectAnswer refused(int error) noexcept;
/// EINPROGRESS, and `outcome` after `delay`.
[[nodiscard]] ConnectAnswer connects_after(std::chrono::nanoseconds delay,
                                           int outcome = 0) noexcept;
/// EINPROGRESS for ever, or until finish_connect.
[[nodiscard]] ConnectAnswer never_connects() noexcept;

/// A datagram that the kernel took.
struct SentDatagram {
  std::string bytes;
  SocketAddress to;  ///< unspecified: to the peer of a connected socket

  friend bool operator==(const SentDatagram&, const SentDatagram&) = default;
};

}  // namespace sluice::testing

namespace sluice::testing::scripted {

enum class Kind : std::uint8_t {
  stream,
  datagram,
  listener,
  pipe_read,
  pipe_write,
  device,  // readable and writable, such as a tty
  file,    // regular; cannot be polled
  epoll,
  eventfd,
  pidfd,
};

enum class Link : std::uint8_t { none, connecting, established };

struct Object;

/// One descriptor's entry in an epoll.
struct Registration {
  int fd = -1;
  Object* object = nullptr;
  epoll_event event{};
  bool queued = false;
  bool disabled = false;  // EPOLLONESHOT has fired
};

/// The interest list and the ready list of an epoll; the rules of fs/eventpoll.c.
class EpollSet {
 public:
  /// EPOLL_CTL_*; returns an errno.
  int control(int operation, int fd, Object& object, const epoll_event& event);
  /// Something happened to `object`: `key` says what, 0 means anything.
  void wake(const Object& object, std::uint32_t key);
  /// The last descriptor of `object` was closed.
  void forget(const Object& object);
  /// Fills `events` from the ready list; level-triggered entries go back to its end.
  std::size_t collect(std::span<epoll_event> events);
  [[nodiscard]] bool contains(int fd) const;

 private:
  [[nodiscard]] Registration* find(int fd, const Object& object);
  void enqueue(Registration& registration);
  void erase(const Registration& registration);

  std::vector<std::unique_ptr<Registration>> items_;
  std::deque<Registration*> ready_;
};

/// Bytes on their way to a reader; taking from the front is cheap.
class Stream {
 public:
  [[nodiscard]] bool empty() const noexcept { return taken_ == bytes_.size(); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size() - taken_; }
  void append(std::string_view bytes) { bytes_ += bytes; }
  void clear() noexcept;
  /// The first `count` bytes, which stay, or what there is of them.
  [[nodiscard]] std::string_view peek(std::size_t count) const noexcept {
    return std::string_view(bytes_).substr(taken_, count);
  }
  /// Moves as much as fits into `memory`; returns how much.
  std::size_t take(std::span<std::byte> memory) noexcept;

 private:
  std::string bytes_;
  std::size_t taken_ = 0;
};

/// A datagram that waits to be received.
struct Datagram {
  std::string bytes;
  SocketAddress from;
};

/// An open file description.
struct Object {
  static constexpr std::size_t no_limit = static_cast<std::size_t>(-1);

  Kind kind = Kind::stream;
  mode_t mode = S_IFSOCK;
  ino_t inode = 0;
  int flags = 0;
  int descriptors = 0;
  bool pollable = true;

  Stream in;
  bool end = false;  // nothing comes after `in`
  int read_error = 0;
  std::string content;  // of a file, for those who read at a place of their own
  int content_error = 0;

  std::string sent;
  std::size_t room = no_limit;
  std::deque<WriteAnswer> script;
  bool full = false;  // a scripted answer said so
  int write_error = 0;
  int shutdown_error = 0;
  bool write_shut = false;
  bool hung_up = false;

  Link link = Link::none;
  int socket_error = 0;  // SO_ERROR
  SocketAddress local;
  SocketAddress peer;
  std::map<std::pair<int, int>, int> options;
  std::deque<std::pair<int, std::shared_ptr<Object>>> backlog;

  std::deque<Datagram> datagrams_in;
  std::vector<SentDatagram> datagrams_out;

  std::weak_ptr<Object> other_end;  // of pipe()
  std::uint64_t counter = 0;        // of an eventfd; of a pidfd 1 once the child has ended
  EpollSet set;                     // of an epoll

  [[nodiscard]] bool socket() const noexcept {
    return kind == Kind::stream || kind == Kind::datagram || kind == Kind::listener;
  }
  [[nodiscard]] bool can_read() const noexcept {
    return kind != Kind::pipe_write && kind != Kind::listener;
  }
  [[nodiscard]] bool can_write() const noexcept {
    return kind != Kind::pipe_read && kind != Kind::listener;
  }
  /// Whether a write would be taken, at least in part.
  [[nodiscard]] bool has_room() const noexcept;
  /// What poll(2) says.
  [[nodiscard]] std::uint32_t readiness() const noexcept;

 private:
  [[nodiscard]] std::uint32_t stream_readiness() const noexcept;
};

}  // namespace sluice::testing::scripted
