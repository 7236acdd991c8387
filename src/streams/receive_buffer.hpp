#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "sluice/bytes.hpp"

namespace sluice::streams {

/// Bytes that were received and not read yet, in one piece. Taking from the front is free; what is
/// left is moved only when at least as much has been taken since, so each byte is moved at most
/// once in the long run.
class ReceiveBuffer {
 public:
  /// What an empty buffer keeps for later, in bytes.
  static constexpr std::size_t kept_bytes = 64 * 1024;

  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  /// Valid until the next call that is not const.
  [[nodiscard]] std::string_view view() const noexcept { return {memory_.get() + begin_, size()}; }
  /// Throws std::bad_alloc, with nothing changed.
  void append(Bytes data);
  /// Forgets `count` bytes at the front, at most all.
  void consume(std::size_t count) noexcept;
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

 private:
  void make_room(std::size_t count);

  std::unique_ptr<char[]> memory_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace sluice::streams
