#pragma once

#include <system_error>

#include "sluice/tls_error.hpp"
#include "sluice/transport.hpp"

namespace sluice::cli {

/// Whether a TLS peer that was told our end has only left out its own farewell, as many do. Nothing
/// is lost by that, if all was sent; when it ends before it was told, it is a loss like any other.
[[nodiscard]] inline bool is_missing_farewell(std::error_code error) {
  return error == TlsErrc::truncated || error == TlsErrc::shutdown_timed_out;
}

/// Whether a connection that is gone took bytes with it, however it ended.
[[nodiscard]] inline bool has_lost_bytes(const WriteTransport& transport) {
  return transport.write_statistics().bytes_discarded > 0;
}

}  // namespace sluice::cli
