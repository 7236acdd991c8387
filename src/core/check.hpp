#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>

namespace sluice::core {

/// Whether invariants are checked in this build; the build decides, see SLUICE_DEBUG_CHECKS.
#if defined(SLUICE_DEBUG_CHECKS) && SLUICE_DEBUG_CHECKS
inline constexpr bool debug_checks = true;
#else
inline constexpr bool debug_checks = false;
#endif

/// Ends the process when an invariant of ours does not hold: continuing would corrupt somebody's bytes.
/// Free in builds without checks. Never for conditions that the environment can cause.
inline void check(bool holds, const char* invariant,
                  std::source_location where = std::source_location::current()) noexcept {
  if constexpr (debug_checks) {
    if (!holds) {
      std::fprintf(stderr, "%s:%u: sluice invariant broken: %s\n", where.file_name(),
                   static_cast<unsigned>(where.line()), invariant);
      std::abort();
    }
  }
}

}  // namespace sluice::core
