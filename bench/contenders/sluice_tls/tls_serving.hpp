#pragma once

#include <cstdint>
#include <memory>
#include <sluice/sluice.hpp>
#include <sluice/tls.hpp>
#include <utility>

#include "common/command_line.hpp"
#include "contenders/sluice/serving.hpp"

namespace bench {

/// Of `--cert` and `--key`.
inline std::shared_ptr<sluice::TlsContext> tls_context(CommandLine& options) {
  return sluice::TlsContext::server({.certificate_file = options.text("cert"),
                                     .key_file = options.text("key"),
                                     .min_version = sluice::TlsVersion::tls_1_3});
}

/// serve_tcp of a protocol for each connection, over TLS.
template <class Factory>
void serve_securely(std::shared_ptr<sluice::TlsContext> context, Factory factory) {
  serve_tcp([context = std::move(context), factory](sluice::EventLoop& loop, std::uint16_t port,
                                                    sluice::ServerOptions options) {
    options.ssl = context;
    return loop.run_until_complete(
        loop.create_server(factory, "127.0.0.1", port, std::move(options)));
  });
}

}  // namespace bench
