#pragma once

#include <cstddef>
#include <cstring>

#include "sluice/bytes.hpp"

namespace sluice::core {

/// What most messages are long, in bytes: they are worth copying in place, for calling memcpy()
/// takes longer than its work.
struct ShortMessage {
  static constexpr std::size_t least = 16;
  static constexpr std::size_t most = 128;
  [[nodiscard]] static constexpr bool is(std::size_t size) noexcept {
    return size - least <= most - least;
  }
};

/// Copies `from`, a short message, to `to`, which does not overlap it: from both ends, by moves of
/// a constant size that overlap in the middle.
inline void copy_short_message(std::byte* to, Bytes from) noexcept {
  constexpr std::size_t step = 16;
  const std::byte* const begin = from.data();
  const std::size_t size = from.size();
  const auto from_both_ends = [&](std::size_t at) {
    std::memcpy(to + at, begin + at, step);
    std::memcpy(to + size - step - at, begin + size - step - at, step);
  };
  if (size > 2 * step) {
    if (size > 4 * step) {
      from_both_ends(3 * step);
      from_both_ends(2 * step);
    }
    from_both_ends(step);
  }
  from_both_ends(0);
}

}  // namespace sluice::core
