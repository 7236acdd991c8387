#pragma once

#include <optional>
#include <utility>

#include "loop/loop_core.hpp"
#include "sys/spawn.hpp"

namespace sluice::transports {

/// A child process and the pidfd that it is known by. What dies with one that has not ended kills
/// and collects it.
class OwnedChild {
 public:
  /// `pidfd` is -1 for a child that ended and was collected by somebody else before anybody could
  /// look.
  OwnedChild(loop::LoopCore& loop, int pid, int pidfd) noexcept
      : loop_(&loop), pid_(pid), pidfd_(pidfd) {}
  OwnedChild(OwnedChild&& other) noexcept
      : loop_(other.loop_), pid_(other.pid_), pidfd_(std::exchange(other.pidfd_, -1)) {}
  OwnedChild& operator=(OwnedChild&&) = delete;
  ~OwnedChild() { end(); }

  [[nodiscard]] int pid() const noexcept { return pid_; }
  /// Until the end; then -1.
  [[nodiscard]] int pidfd() const noexcept { return pidfd_; }
  [[nodiscard]] sys::Result<std::optional<int>> wait(sys::ChildWait how) noexcept;
  /// It has ended, and was collected: only the pidfd is left.
  void release() noexcept;
  /// Kills and collects, if it has not ended. Waiting is short: a killed process ends by itself.
  void end() noexcept;

 private:
  loop::LoopCore* loop_;  // not to be used after the end: the loop may be gone
  int pid_;
  int pidfd_;
};

}  // namespace sluice::transports
