// In the place of tls_setup.cpp where sluice::tls is not built.
#include "errors.hpp"
#include "tls_setup.hpp"

namespace sluice::cli {

std::shared_ptr<TlsContext> make_tls_context(const Endpoint& endpoint) {
  if (endpoint.is_tls()) {
    throw RunError("cannot set up TLS for " + endpoint.name +
                   ": this program was built without it (SLUICE_BUILD_TLS, which needs OpenSSL 3)");
  }
  return nullptr;
}

}  // namespace sluice::cli
