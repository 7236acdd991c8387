#pragma once

#include <exception>
#include <string>
#include <system_error>

#include "endpoint.hpp"

namespace sluice::cli {

/// What `reason` adds to a message that has begun with "cannot connect to NAME: " or the like: an
/// address of its own stays, one that the name of `endpoint` has already does not.
[[nodiscard]] std::string reason_beside(const Endpoint& endpoint, const std::exception_ptr& reason);

/// What `error` adds to a message that has begun with "cannot set up TLS for NAME: ".
[[nodiscard]] std::string tls_setup_reason(const Endpoint& endpoint,
                                           const std::system_error& error);

}  // namespace sluice::cli
