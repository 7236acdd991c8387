#pragma once

#include <system_error>

#include "sluice/tls_error.hpp"

namespace sluice::cli {

/// Whether a TLS peer that was told our end has only left out its own farewell, as many do. Nothing
/// is lost by that; when it ends before it was told, it is a loss like any other.
[[nodiscard]] inline bool is_missing_farewell(std::error_code error) {
  return error == TlsErrc::truncated || error == TlsErrc::shutdown_timed_out;
}

}  // namespace sluice::cli
