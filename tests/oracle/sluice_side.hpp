#pragma once

#include "oracle/cpython_side.hpp"
#include "oracle/scenario.hpp"

namespace sluice::oracle {

/// Runs a scenario on Sluice, over the scripted kernel, and returns its trace. What the kernel
/// calls a violation (a descriptor closed twice, used when closed...) is in the trace, where
/// nothing equals it.
[[nodiscard]] Trace run_on_sluice(const Scenario& scenario);

}  // namespace sluice::oracle
