#pragma once

#include <cstddef>
#include <new>
#include <span>
#include <type_traits>

#include "sluice/bytes.hpp"

namespace sluice::core {

/// Room on the stack for N pieces, which is not filled before it is used: a flush that has one
/// piece does not pay for the many that another one may have.
template <std::size_t N>
class PieceRoom {
 public:
  // Memory of this kind needs no constructor to hold pieces.
  static_assert(std::is_trivially_copy_constructible_v<Bytes> &&
                std::is_trivially_destructible_v<Bytes>);
  // One that is there, so that no pair of braces clears the room.
  PieceRoom() noexcept {}

  /// Each is to be assigned before it is read.
  [[nodiscard]] std::span<Bytes> slots() noexcept {
    return {std::launder(reinterpret_cast<Bytes*>(memory_)), N};
  }

 private:
  alignas(Bytes) std::byte memory_[N * sizeof(Bytes)];
};

}  // namespace sluice::core
