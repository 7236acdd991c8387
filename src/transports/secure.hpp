#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "loop/loop_core.hpp"
#include "sluice/options.hpp"
#include "sluice/tls.hpp"
#include "transports/fd_transport.hpp"

namespace sluice::transports {

/// How a connection is to be secured, out of the options of whoever makes it.
struct TlsSettings {
  std::shared_ptr<TlsContext> context{};  ///< null: not at all
  std::optional<std::string> server_hostname{};
  std::optional<std::chrono::nanoseconds> handshake_timeout{};
  std::optional<std::chrono::nanoseconds> shutdown_timeout{};
};

/// Which end of the connection we are.
enum class TlsRole : std::uint8_t { client, server };

/// Throws std::invalid_argument, in asyncio's words, for settings that make no sense (W-119).
/// `default_hostname`: the host connected to, if there is one.
void check_settings(const TlsSettings& settings, TlsRole role,
                    const std::optional<std::string>& default_hostname = {});

/// Puts TLS in the place of the plain channel of `birth`, if that is asked for. `peer` is for
/// messages.
void secure(loop::LoopCore& loop, Birth& birth, const TlsSettings& settings, std::string peer);

[[nodiscard]] TlsSettings settings_of(const ConnectOptions& options);
[[nodiscard]] TlsSettings settings_of(const ServerOptions& options);
[[nodiscard]] TlsSettings settings_of(const AcceptOptions& options);

}  // namespace sluice::transports
