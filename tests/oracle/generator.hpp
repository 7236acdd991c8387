#pragma once

#include <cstdint>
#include <optional>

#include "oracle/scenario.hpp"

namespace sluice::oracle {

/// The scenario that `seed` and `number` stand for, the same everywhere. Limits are small, so that
/// pausing is frequent; sizes lie around limits and room.
[[nodiscard]] Scenario generate_scenario(std::uint64_t seed, std::uint64_t number,
                                         std::optional<TransportKind> kind);

}  // namespace sluice::oracle
