#pragma once

#include "sys/spawn.hpp"
#include "sys/system_calls.hpp"

namespace sluice::sys {

/// posix_spawn(3) and pidfd_open(2) of the real system; see SystemCalls::spawn.
[[nodiscard]] Result<Spawned> spawn_process(const SpawnRequest& request) noexcept;

}  // namespace sluice::sys
