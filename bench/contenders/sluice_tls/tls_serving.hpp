#pragma once

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

/// Serves a protocol over TLS until standard input ends.
template <class Factory>
void serve_securely(std::shared_ptr<sluice::TlsContext> context, Factory factory) {
  sluice::ServerOptions options = server_options();
  options.ssl = std::move(context);
  sluice::EventLoop loop;
  serve_in(loop, factory, std::move(options));
}

}  // namespace bench
