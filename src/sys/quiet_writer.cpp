#include "sys/quiet_writer.hpp"

#include <cerrno>

#include "sys/count_of.hpp"
#include "sys/sigpipe_guard.hpp"

namespace sluice::sys {
namespace {

constexpr off_t current_position = -1;

// What an older kernel, a device or a sandbox may say of the flag, or of the whole call.
constexpr bool may_mean_the_flag(int error) noexcept {
  return error == EOPNOTSUPP || error == EINVAL || error == EPERM || error == ENOSYS;
}

}  // namespace

Result<std::size_t> QuietWriter::write(int fd, std::span<const iovec> pieces) noexcept {
  const Flag flag = flag_.load(std::memory_order_relaxed);
  if (flag == Flag::refused) {
    return write_guarded(fd, pieces);
  }
  const Result<std::size_t> result = count_of(pwritev2_(
      fd, pieces.data(), static_cast<int>(pieces.size()), current_position, write_without_signal));
  if (!may_mean_the_flag(result.error)) {
    if (flag == Flag::untried && result.ok()) {
      flag_.store(Flag::known, std::memory_order_relaxed);
    }
    return result;
  }
  const Result<std::size_t> without_flag = write_guarded(fd, pieces);
  // One error both ways is about the bytes or the descriptor.
  if (flag == Flag::untried && without_flag.error != result.error) {
    flag_.store(Flag::refused, std::memory_order_relaxed);
  }
  return without_flag;
}

Result<std::size_t> QuietWriter::write_guarded(int fd, std::span<const iovec> pieces) noexcept {
  SigpipeGuard guard;
  std::size_t asked = 0;
  for (const iovec& piece : pieces) {
    asked += piece.iov_len;
  }
  return guard.watch(count_of(::writev(fd, pieces.data(), static_cast<int>(pieces.size()))), asked);
}

}  // namespace sluice::sys
