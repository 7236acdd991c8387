#pragma once

#include <vector>

#include "testing/contract_fixture.hpp"

namespace sluice::testing {

/// The kinds of transport that come with sluice::tls: version 1.2 as a server on a Unix socket,
/// version 1.3 as a client on TCP.
[[nodiscard]] std::vector<TransportKind> tls_transports();

}  // namespace sluice::testing
