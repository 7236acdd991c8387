#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/external.hpp"
#include "sys/error_table.hpp"
#include "sys/system_calls.hpp"

namespace sluice::transports {

/// Bytes behind a descriptor. Transports queue no other external ranges, so channels know what they
/// are offered.
class DescriptorRange : public core::External {
 public:
  /// `sys` must outlive the range's time in a queue.
  DescriptorRange(sys::SystemCalls& sys, std::uint64_t count) noexcept
      : External(count), sys_(&sys) {}

  /// The next bytes, at most `most`, go to a stream socket in one attempt.
  virtual core::ExternalResult to_socket(int fd, std::size_t most) noexcept = 0;
  /// The same to a pipe.
  virtual core::ExternalResult to_pipe(int fd, std::size_t most) noexcept = 0;

 protected:
  [[nodiscard]] sys::SystemCalls& sys() const noexcept { return *sys_; }

  /// Whether an error of sendfile or splice says that the bytes must be moved in another way.
  [[nodiscard]] static bool no_such_way(int error) noexcept;
  /// Makes a call of ours again as long as only a signal was in the way, and says what its outcome
  /// means (P-2).
  template <class Attempt>
  [[nodiscard]] static core::ExternalResult judged(sys::Call call, Attempt attempt) noexcept {
    sys::Result<std::size_t> result = attempt();
    while (!result.ok() && sys::judge(call, result.error) == sys::Verdict::retry) {
      result = attempt();
    }
    if (result.ok()) {
      return result.value > 0 ? core::ExternalResult::moved(result.value)
                              : core::ExternalResult::ended();
    }
    return failure(call, result.error);
  }

 private:
  [[nodiscard]] static core::ExternalResult failure(sys::Call call, int error) noexcept;

  sys::SystemCalls* sys_;
};

}  // namespace sluice::transports
