#pragma once

#include <cstdio>
#include <cstdlib>

namespace sluice::core {

/// Whether invariants are checked in this build; the build decides, see SLUICE_DEBUG_CHECKS.
#if defined(SLUICE_DEBUG_CHECKS) && SLUICE_DEBUG_CHECKS
inline constexpr bool debug_checks = true;
#else
inline constexpr bool debug_checks = false;
#endif

/// Ends the process when an invariant of ours does not hold: continuing would corrupt somebody's
/// bytes. Free in builds without checks. Never for conditions that the environment can cause. (The
/// caller's place comes by builtins: clang 14 has no std::source_location.)
inline void check(bool holds, const char* invariant, const char* file = __builtin_FILE(),
                  int line = __builtin_LINE()) noexcept {
  if constexpr (debug_checks) {
    if (!holds) {
      std::fprintf(stderr, "%s:%d: sluice invariant broken: %s\n", file, line, invariant);
      std::abort();
    }
  }
}

}  // namespace sluice::core
