#pragma once

#include "copy_report.hpp"
#include "endpoint.hpp"
#include "service.hpp"

namespace sluice::cli {

struct ServeOptions {
  ServiceKind service = ServiceKind::echo;
  Endpoint listen;
  Endpoint target;  ///< of a proxy
  BufferMarks marks;
  double grace_seconds = 5;
  ReportFormat report = ReportFormat::none;
};

/// Runs "sluice serve" until a signal ends it. Returns the exit status. Throws RunError, or
/// std::system_error when there are no descriptors for a loop.
[[nodiscard]] int run_serve(const ServeOptions& options);

}  // namespace sluice::cli
