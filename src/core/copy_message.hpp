#pragma once

#include <cstddef>
#include <cstring>

#include "sluice/bytes.hpp"

namespace sluice::core {

/// Copies `from`, not empty, to `to`, which does not overlap it. What most messages are, 16 to 64
/// bytes, is copied in place, by halves that overlap: calling memcpy() takes longer than its work.
inline void copy_message(std::byte* to, Bytes from) noexcept {
  constexpr std::size_t step = 16;
  const std::size_t size = from.size();
  if (size < step || size > 4 * step) {
    std::memcpy(to, from.data(), size);
    return;
  }
  // Each of a constant size, which the compiler makes one move.
  const std::byte* const begin = from.data();
  std::memcpy(to, begin, step);
  if (size > 2 * step) {
    std::memcpy(to + step, begin + step, step);
    std::memcpy(to + size - 2 * step, begin + size - 2 * step, step);
  }
  std::memcpy(to + size - step, begin + size - step, step);
}

}  // namespace sluice::core
