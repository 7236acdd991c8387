#pragma once

#include <array>
#include <cstdint>

#include "core/check.hpp"

namespace sluice::core {

/// The life of a transport. It only ever moves down this list; asyncio calls the middle ones
/// CLOSING (W-1).
enum class LifeState : std::uint8_t {
  open,      ///< Reads and writes.
  draining,  ///< close() was called: nothing is read, nothing new is accepted, queued bytes still
             ///< go out.
  parting,   ///< The last byte has gone, and what the end still needs is under way: TLS says
             ///< farewell, a file is completed.
  losing,    ///< connection_lost is on its way: nothing is read or sent any more.
  closed,    ///< connection_lost has returned and the descriptor is closed.
};

/// Holds the state and allows the moves of this table only.
class Lifecycle {
 public:
  [[nodiscard]] LifeState state() const noexcept { return state_; }
  [[nodiscard]] bool open() const noexcept { return state_ == LifeState::open; }
  [[nodiscard]] bool draining() const noexcept { return state_ == LifeState::draining; }
  [[nodiscard]] bool closed() const noexcept { return state_ == LifeState::closed; }
  [[nodiscard]] bool closing() const noexcept { return state_ != LifeState::open; }
  /// Whether the connection may still be used and the protocol may still be told about it.
  [[nodiscard]] bool alive() const noexcept { return state_ <= LifeState::parting; }

  /// True, and the move is made, if the table allows it from here; otherwise nothing happens. This
  /// is what makes close(), abort() and every kind of loss happen once.
  [[nodiscard]] bool move_to(LifeState next) noexcept {
    if (!allowed(state_, next)) {
      return false;
    }
    state_ = next;
    return true;
  }

  [[nodiscard]] static constexpr bool allowed(LifeState from, LifeState to) noexcept {
    constexpr std::array<std::array<bool, 5>, 5> table{{
        //  open   draining parting losing closed      to / from
        {false, true, false, true, false},    // open
        {false, false, true, true, false},    // draining
        {false, false, false, true, false},   // parting
        {false, false, false, false, true},   // losing
        {false, false, false, false, false},  // closed
    }};
    return table[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)];
  }

 private:
  LifeState state_ = LifeState::open;
};

}  // namespace sluice::core
