#pragma once

#include <cstdint>
#include <string>

#include "pump.hpp"

namespace sluice::cli {

enum class ReportFormat : std::uint8_t { text, json, none };

/// The report of a copy that is over, one or more whole lines. `exit_status` and `error` (empty
/// when all went well) are what the program ends with.
[[nodiscard]] std::string copy_report(const Pump& pump, const Endpoint& source, ReportFormat format,
                                      int exit_status, const std::string& error);

/// "12 bytes delivered, 3 bytes read but not delivered"; with several sinks, that of each.
[[nodiscard]] std::string delivery_summary(const Pump& pump);

}  // namespace sluice::cli
