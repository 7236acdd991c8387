#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "endpoint.hpp"
#include "sluice/options.hpp"

namespace sluice::cli {

/// How long a handshake may take: a peer that does not speak TLS may wait for us to speak first.
inline constexpr std::chrono::seconds tls_handshake_time{15};

/// How long the peer's farewell is awaited when all was sent. Many never say it. It also ends the
/// sending to a peer that takes nothing for so long, so it is for those who close with nothing
/// buffered.
inline constexpr std::chrono::seconds tls_farewell_time{1};

/// The same for a relay, which closes while bytes are still on their way: the library's.
inline constexpr std::optional<std::chrono::seconds> relay_farewell_time{};

/// What the connections of a TLS endpoint need; null for all others. Warns on standard error when
/// the peer is not verified. Throws RunError when a file cannot be used, or when the program was
/// built without TLS.
[[nodiscard]] std::shared_ptr<TlsContext> make_tls_context(const Endpoint& endpoint);

/// Asks for TLS, unless `context` is null. Without `farewell_time` the library's holds.
template <class Options>
void use_tls(Options& options, const std::shared_ptr<TlsContext>& context,
             std::optional<std::chrono::seconds> farewell_time) {
  if (context) {
    options.ssl = context;
    options.ssl_handshake_timeout = tls_handshake_time;
    options.ssl_shutdown_timeout = farewell_time;
  }
}

}  // namespace sluice::cli
