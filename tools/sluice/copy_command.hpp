#pragma once

#include "copy_report.hpp"
#include "progress.hpp"
#include "pump.hpp"

namespace sluice::cli {

struct CopyOptions {
  PumpOptions pump;
  ProgressMode progress = ProgressMode::automatic;
  ReportFormat report = ReportFormat::text;
};

/// Runs "sluice copy" to its end; says on standard error how it went. Returns the exit status.
/// Throws RunError, or std::system_error when there are no descriptors for a loop.
[[nodiscard]] int run_copy(const CopyOptions& options);

}  // namespace sluice::cli
