#pragma once

#include <cstdint>

#include "core/segment_pool.hpp"

namespace sluice::core {

/// When a write that finds nothing in its way is sent; the loop sets it, its write sides read it.
enum class WriteTiming : std::uint8_t {
  at_once,  ///< Inside write(): the policy says so, or no turn is running that would flush later.
  end_of_turn,  ///< Together with the turn's other writes.
};

/// What all transports of a loop share; the loop writes it.
struct CommonGround {
  SegmentPool& pool;
  WriteTiming timing = WriteTiming::at_once;
  /// Counts how often the loop has polled for readiness, from 1.
  std::uint64_t polls = 1;
};

}  // namespace sluice::core
