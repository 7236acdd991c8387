#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <system_error>
#include <vector>

#include "loop/watcher.hpp"
#include "sys/system_calls.hpp"

namespace sluice::loop {

/// Readiness of descriptors by epoll: edge-triggered, registered once per descriptor for
/// everything, so that waiting for room costs no system call. Each registration has a generation;
/// an event of an older one is never delivered to a successor that got the same number (P-4).
class Reactor {
 public:
  /// Most events taken from the system at once; the rest is reported in the next turn.
  static constexpr std::size_t batch = 256;

  /// Throws std::system_error when the system has no descriptors left.
  explicit Reactor(sys::SystemCalls& sys);
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  ~Reactor() { close(); }

  /// Reports everything about `fd` to `watcher` from now on, beginning with what is true already.
  /// Failure: ENOMEM, ENOSPC; EPERM for a file that is always ready.
  [[nodiscard]] std::error_code add(int fd, Watcher& watcher);
  /// Reports nothing more about `fd`; call it before closing. Does nothing if `fd` was not added.
  void remove(int fd) noexcept;
  [[nodiscard]] bool watches(int fd) const noexcept;

  /// Marks `fd` as the descriptor of a transport, of which it has at most one (W-93), or as free
  /// again.
  void claim(int fd);
  void disclaim(int fd) noexcept;
  [[nodiscard]] bool claimed(int fd) const noexcept;

  /// Closes the epoll descriptor; every watcher must be out.
  void close() noexcept;

  /// Waits for events, at most until `timeout` has passed (none: for ever), and keeps them for
  /// next().
  void poll(std::optional<std::chrono::nanoseconds> timeout);
  /// The next event of the last poll() whose watcher is still registered; none when all are told.
  struct Ready {
    Watcher* watcher;
    IoEvents events;
  };
  [[nodiscard]] std::optional<Ready> next() noexcept;

 private:
  struct Slot {
    Watcher* watcher = nullptr;
    std::uint32_t generation = 0;
    bool claimed = false;
  };
  [[nodiscard]] Slot& slot_of(int fd);
  void fetch_next() const noexcept;

  sys::SystemCalls* sys_;
  int epoll_fd_ = -1;
  std::size_t ready_count_ = 0;
  std::size_t next_ready_ = 0;
  std::vector<Slot> slots_;  // by descriptor
  std::array<epoll_event, batch> ready_{};
};

}  // namespace sluice::loop
