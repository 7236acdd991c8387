#pragma once

#include <cerrno>
#include <cstddef>

#include "sys/system_calls.hpp"

namespace sluice::sys {

/// The result of a system call that returns how many bytes it has moved, or less than 0. To be
/// called before anything else sets errno.
template <class T>
[[nodiscard]] Result<std::size_t> count_of(T returned) noexcept {
  if (returned < 0) {
    return {0, errno};
  }
  return {static_cast<std::size_t>(returned), 0};
}

}  // namespace sluice::sys
