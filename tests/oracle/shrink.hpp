#pragma once

#include <functional>

#include "oracle/scenario.hpp"

namespace sluice::oracle {

/// The simplest scenario found that `fails` as the given one does: without steps, operations and
/// bodies that do not matter, with small numbers.
[[nodiscard]] Scenario shrink(Scenario scenario, const std::function<bool(const Scenario&)>& fails);

}  // namespace sluice::oracle
