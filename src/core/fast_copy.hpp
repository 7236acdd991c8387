#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace sluice::core {

/// Where bytes best begin that the system copies in large pieces: from elsewhere its copy takes up
/// to a seventh longer.
inline constexpr std::size_t fast_copy_alignment = 64;
/// With so much to spare, any memory has room to begin there.
inline constexpr std::size_t fast_copy_slack = fast_copy_alignment - 1;

/// The first such place in memory that has fast_copy_slack to spare.
[[nodiscard]] inline std::byte* fast_copy_begin(std::byte* memory) noexcept {
  const auto rest = reinterpret_cast<std::uintptr_t>(memory) % fast_copy_alignment;
  return rest == 0 ? memory : memory + (fast_copy_alignment - rest);
}

/// Memory that begins there.
struct FreeFastCopyMemory {
  void operator()(std::byte* memory) const noexcept {
    ::operator delete[](memory, std::align_val_t(fast_copy_alignment));
  }
};
using FastCopyMemory = std::unique_ptr<std::byte[], FreeFastCopyMemory>;
/// Throws std::bad_alloc.
[[nodiscard]] inline FastCopyMemory make_fast_copy_memory(std::size_t bytes) {
  return FastCopyMemory(
      static_cast<std::byte*>(::operator new[](bytes, std::align_val_t(fast_copy_alignment))));
}

}  // namespace sluice::core
