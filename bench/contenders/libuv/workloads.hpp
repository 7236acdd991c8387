// What a connection does in each workload.
#pragma once

#include <functional>
#include <memory>

#include "connection.hpp"
#include "contenders/peer.hpp"

namespace bench::libuv {

// Makes the program of one connection.
using MakeConnection = std::function<std::unique_ptr<Connection>()>;

// Throws UnknownWorkload.
MakeConnection find_workload(const PeerOptions& options);

}  // namespace bench::libuv
