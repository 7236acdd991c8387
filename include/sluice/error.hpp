#pragma once

#include <string>
#include <system_error>

namespace sluice {

/// What can go wrong that the operating system has no number for. Everything the system reports
/// arrives as std::system_category(), comparable with std::errc.
enum class Errc {
  /// A protocol callback threw; the exception itself went to the exception handler.
  callback_failed = 1,
  /// The loop was stopped or closed before the operation ended.
  loop_stopped,
  /// The operation was cancelled with Future::cancel().
  cancelled,
  /// Name resolution gave no usable address.
  no_address,
  /// Several addresses were tried and all failed; the message lists each.
  all_attempts_failed,
};

/// The category of Errc; its messages are whole sentences.
[[nodiscard]] const std::error_category& sluice_category() noexcept;

/// The category of getaddrinfo's error numbers.
[[nodiscard]] const std::error_category& resolver_category() noexcept;

[[nodiscard]] inline std::error_code make_error_code(Errc code) noexcept {
  return {static_cast<int>(code), sluice_category()};
}

}  // namespace sluice

template <>
struct std::is_error_code_enum<sluice::Errc> : std::true_type {};

namespace sluice {

/// What a cancelled future throws, and what a cancelled task is thrown where it waits: a
/// std::system_error whose code is Errc::cancelled. Whoever catches it cleans up and throws it on.
/// asyncio: CancelledError.
class CancelledError : public std::system_error {
 public:
  CancelledError() : std::system_error(Errc::cancelled) {}
};

}  // namespace sluice
