#pragma once

#include <cstdint>

#include "connection.hpp"

namespace bench {

/// Connects by TCP with segments as on an Ethernet and a small buffer for what arrives, so that the
/// two kernels hold some 300 KB and not several MB: what they do not hold, the server has to keep.
Descriptor connect_narrowly(const Address& address);

/// What has arrived and was not received.
int waiting_bytes(int fd);

/// What the peer, on this machine, has sent and nobody has received: in either kernel buffer. Exact
/// when the connection is at rest.
std::uint64_t bytes_on_the_way(int fd);

}  // namespace bench
