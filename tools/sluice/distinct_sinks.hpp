#pragma once

#include <vector>

#include "endpoint.hpp"

namespace sluice::cli {

/// Throws UsageError when two sinks would write one regular file, whatever they call it: by path,
/// or as standard output that was redirected to it. What is there and no file, a device, takes
/// anything.
void refuse_the_same_file(const std::vector<Endpoint>& sinks, bool in_place);

}  // namespace sluice::cli
