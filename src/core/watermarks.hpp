#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "sluice/transport.hpp"

namespace sluice::core {

/// Two marks and whether the producer is paused: the whole of flow control, as a machine that is
/// told sizes and answers with transitions. It flips before it answers, so whoever calls the user
/// afterwards may be entered again (W-69, W-71).
class Watermarks {
 public:
  enum class State : std::uint8_t {
    flowing,  ///< The producer may write; the size has not passed the high mark.
    paused,   ///< The producer was told to stop and has not been told to go on.
  };

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] bool paused() const noexcept { return state_ == State::paused; }
  [[nodiscard]] WriteBufferLimits limits() const noexcept { return limits_; }

  /// Resolves defaults as asyncio does and sets the marks; the state does not change. Throws
  /// std::invalid_argument, with the old marks kept, when high < low (W-56).
  void set_limits(std::optional<std::size_t> high, std::optional<std::size_t> low);

  /// True, once, when `size` is strictly above the high mark (W-66, W-67): tell the producer to
  /// pause.
  [[nodiscard]] bool crossed_high(std::size_t size) noexcept {
    if (size <= limits_.high || paused()) {
      return false;
    }
    state_ = State::paused;
    return true;
  }

  /// True, once, when paused and `size` is at or below the low mark (W-70): tell it to go on.
  [[nodiscard]] bool crossed_low(std::size_t size) noexcept {
    if (!paused() || size > limits_.low) {
      return false;
    }
    state_ = State::flowing;
    return true;
  }

 private:
  WriteBufferLimits limits_ = default_write_buffer_limits;
  State state_ = State::flowing;
};

}  // namespace sluice::core
