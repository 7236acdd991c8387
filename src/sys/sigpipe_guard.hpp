#pragma once

#include <signal.h>

#include <cerrno>
#include <cstddef>

#include "sys/system_calls.hpp"

namespace sluice::sys {

/// Blocks SIGPIPE in this thread for the time of one write(2), and takes back the one that write
/// raised, so that the process neither dies of it nor loses one that was meant for somebody else.
class SigpipeGuard {
 public:
  SigpipeGuard() noexcept {
    ::sigemptyset(&sigpipe_);
    ::sigaddset(&sigpipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
    // Where it was blocked already, one may be waiting that is not ours to take.
    if (::sigismember(&before_, SIGPIPE) == 1) {
      sigset_t pending;
      ::sigpending(&pending);
      pending_before_ = ::sigismember(&pending, SIGPIPE) == 1;
    }
  }
  SigpipeGuard(const SigpipeGuard&) = delete;
  SigpipeGuard& operator=(const SigpipeGuard&) = delete;
  ~SigpipeGuard() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  /// Looks at the result of a call that was to move `asked` bytes. A peer that goes away in the
  /// middle raises the signal too, and then the call succeeds with what it had moved before.
  Result<std::size_t> watch(Result<std::size_t> result, std::size_t asked) const noexcept {
    const bool cut_short = result.error == 0 && result.value < asked;
    if ((result.error == EPIPE || cut_short) && !pending_before_) {
      const timespec at_once{};
      while (::sigtimedwait(&sigpipe_, nullptr, &at_once) < 0 && errno == EINTR) {
      }
    }
    return result;
  }

 private:
  sigset_t sigpipe_{};
  sigset_t before_{};
  bool pending_before_ = false;
};

}  // namespace sluice::sys
