#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "sluice/buffer.hpp"

namespace sluice::cli {

/// Memory to read into. What was read becomes a Buffer that all sinks share, without a copy where
/// that pays: a few bytes do not keep a large block alive.
class ReadBlock {
 public:
  /// The memory for the next read, `size` bytes, at least one.
  [[nodiscard]] std::span<std::byte> prepare(std::size_t size) {
    if (!memory_ || capacity_ < size) {
      memory_ = std::make_shared_for_overwrite<std::byte[]>(size);
      capacity_ = size;
    }
    return {memory_.get(), size};
  }

  /// The first `count` bytes of that memory.
  [[nodiscard]] Buffer take(std::size_t count) {
    const Bytes bytes(memory_.get(), count);
    if (count < capacity_ / 4) {
      return Buffer::copy_of(bytes);
    }
    return Buffer::share(std::exchange(memory_, nullptr), bytes);
  }

 private:
  std::shared_ptr<std::byte[]> memory_;
  std::size_t capacity_ = 0;
};

}  // namespace sluice::cli
