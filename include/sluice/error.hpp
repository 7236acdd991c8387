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
