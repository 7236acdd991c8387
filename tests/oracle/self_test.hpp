#pragma once

#include <cstddef>
#include <cstdint>

#include "oracle/cpython_side.hpp"

namespace sluice::oracle {

/// Whether the oracle can fail: faults put into either side are found, the table has no entry that
/// is needed by none of the scenarios, and what is shrunk still fails. Prints what it finds.
[[nodiscard]] bool self_test(CpythonSide& cpython, std::uint64_t seed, std::size_t scenarios);

}  // namespace sluice::oracle
