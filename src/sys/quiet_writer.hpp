#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sys/system_calls.hpp"

namespace sluice::sys {

/// RWF_NOSIGNAL of Linux 6.18: what MSG_NOSIGNAL is for send(2). Headers are older than kernels.
inline constexpr int write_without_signal = 0x100;

/// Writes to whatever is no socket, and raises no SIGPIPE: the kernel is asked not to; where it
/// does not know how, the signal is blocked around each write. Any thread.
class QuietWriter {
 public:
  using Pwritev2 = ssize_t (*)(int fd, const iovec* pieces, int count, off_t offset, int flags);

  /// `pwritev2` is that of the system but in tests.
  explicit QuietWriter(Pwritev2 pwritev2) noexcept : pwritev2_(pwritev2) {}

  [[nodiscard]] Result<std::size_t> write(int fd, std::span<const iovec> pieces) noexcept;

 private:
  /// What is known of the flag.
  enum class Flag : std::uint8_t {
    untried,
    known,    ///< The kernel took it once; single devices may refuse it even so.
    refused,  ///< It is not tried again.
  };

  Result<std::size_t> write_guarded(int fd, std::span<const iovec> pieces) noexcept;

  Pwritev2 pwritev2_;
  std::atomic<Flag> flag_ = Flag::untried;
};

}  // namespace sluice::sys
