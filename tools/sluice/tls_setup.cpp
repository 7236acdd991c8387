#include "tls_setup.hpp"

#include <system_error>

#include "console.hpp"
#include "errors.hpp"
#include "reason.hpp"
#include "sluice/tls.hpp"

namespace sluice::cli {

std::shared_ptr<TlsContext> make_tls_context(const Endpoint& endpoint) {
  if (!endpoint.is_tls()) {
    return nullptr;
  }
  TlsOptions options;
  options.certificate_file = endpoint.tls.certificate_file;
  options.key_file = endpoint.tls.key_file;
  try {
    if (endpoint.listens()) {
      return TlsContext::server(options);
    }
    options.ca_file = endpoint.tls.ca_file;
    options.verify = endpoint.tls.verify;
    options.check_hostname = endpoint.tls.verify;
    if (!options.verify) {
      print_error("warning: the certificate of " + endpoint.name +
                  " is not verified (--insecure): anybody can pretend to be this host");
    }
    return TlsContext::client(options);
  } catch (const std::system_error& error) {
    throw RunError("cannot set up TLS for " + endpoint.name + ": " +
                   tls_setup_reason(endpoint, error));
  }
}

}  // namespace sluice::cli
