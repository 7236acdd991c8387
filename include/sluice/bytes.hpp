#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace sluice {

/// A borrowed view of bytes. Whoever receives one may use it until the call returns, not longer.
using Bytes = std::span<const std::byte>;

/// Views text as bytes. Borrows: the result is valid as long as `text` is.
[[nodiscard]] inline Bytes as_bytes(std::string_view text) noexcept {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// 0 and nullptr are no text.
Bytes as_bytes(std::nullptr_t) = delete;

/// Views bytes as text. Borrows: the result is valid as long as `bytes` is.
[[nodiscard]] inline std::string_view as_text(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace sluice
