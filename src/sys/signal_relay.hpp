#pragma once

#include "sys/system_calls.hpp"

namespace sluice::sys {

/// Turns signals into bytes on a descriptor. What a process does on a signal is one setting for the
/// whole process, so this is the one place of the library with state that is not owned by a loop.
class SignalRelay {
 public:
  /// Each delivery of the signal writes its number as one byte to `fd`, which must not block.
  /// Interrupted calls are restarted (SA_RESTART). Replaces an earlier watch.
  static Status watch(int number, int fd) noexcept;
  /// Restores the default action.
  static Status unwatch(int number) noexcept;
  /// For threads of ours: the program's signals are for the program's threads.
  static void block_in_this_thread() noexcept;
};

}  // namespace sluice::sys
