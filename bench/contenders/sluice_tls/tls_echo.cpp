// Echo over TLS.

#include <memory>

#include "contenders/sluice/echo_protocol.hpp"
#include "tls_serving.hpp"
#include "workloads.hpp"

namespace bench {

void serve_tls_echo(CommandLine& options) {
  const auto context = tls_context(options);
  options.reject_the_rest();
  serve_securely(context, [] { return std::make_shared<Echo>(); });
}

}  // namespace bench
