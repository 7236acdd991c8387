#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "sluice/bytes.hpp"

namespace sluice::streams {

/// Bytes that were received and not read yet, in one piece. Whoever takes all of them gets them
/// without a copy. Taking from the front is free but for the copy that is given away; what is left
/// is moved only when at least as much has been taken since, so each byte is moved at most once in
/// the long run.
class ReceiveBuffer {
 public:
  /// What an empty buffer keeps for later at most, in bytes.
  static constexpr std::size_t kept_bytes = 1024;

  [[nodiscard]] std::size_t size() const noexcept { return memory_.size() - begin_; }
  [[nodiscard]] bool empty() const noexcept { return memory_.size() == begin_; }
  /// Valid until the next call that is not const.
  [[nodiscard]] std::string_view view() const noexcept { return {memory_.data() + begin_, size()}; }
  /// Throws std::bad_alloc, with nothing changed.
  void append(Bytes data);
  /// Takes `count` bytes off the front, at most all. Throws std::bad_alloc, with nothing changed.
  [[nodiscard]] std::string take(std::size_t count);
  [[nodiscard]] std::size_t capacity() const noexcept { return memory_.capacity(); }

 private:
  void make_room(std::size_t count);
  void consume(std::size_t count) noexcept;

  std::string memory_;
  std::size_t begin_ = 0;
};

}  // namespace sluice::streams
