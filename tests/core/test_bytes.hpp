#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "sluice/bytes.hpp"

namespace sluice::testing {

/// `count` bytes of a stream in which neighbours, and neighbouring slabs, differ: those from
/// `start` on.
inline std::string pattern(std::size_t start, std::size_t count) {
  std::string text(count, '\0');
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = start + i;
    text[i] = static_cast<char>('!' + (at * 7 + at / 251) % 90);
  }
  return text;
}

/// The bytes of all pieces, in order.
inline std::string joined(std::span<const Bytes> pieces) {
  std::string text;
  for (const Bytes piece : pieces) {
    text += as_text(piece);
  }
  return text;
}

}  // namespace sluice::testing
