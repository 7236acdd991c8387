#pragma once

#include <signal.h>

#include "sys/system_calls.hpp"

namespace sluice::sys {

/// Turns signals into bytes on a descriptor. What a process does on a signal is one setting for the
/// whole process, so this is the one place of the library with state that is not owned by a loop.
class SignalRelay {
 public:
  /// Each delivery of the signal writes its number as one byte to `fd`, which must not block.
  /// Interrupted calls are restarted (SA_RESTART). Replaces an earlier watch. Any thread.
  static Status watch(int number, int fd) noexcept;
  /// Restores the default action if the signal is still watched for `fd`; does nothing if somebody
  /// else has taken it over. Any thread.
  static Status unwatch(int number, int fd) noexcept;
  /// The signals that found `fd` full since the last call, as bits: number 1 is the lowest. After
  /// one of them `fd` becomes readable, if it was not.
  static std::uint64_t take_missed(int fd) noexcept;
  /// For threads of ours: the program's signals are for the program's threads.
  static void block_in_this_thread() noexcept;
};

/// Blocks all signals in this thread as long as it lives, then restores what was. A thread that is
/// started meanwhile has them blocked from its first instruction on.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept;
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked();

 private:
  sigset_t before_{};
};

}  // namespace sluice::sys
