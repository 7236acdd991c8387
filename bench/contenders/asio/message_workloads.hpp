// The workloads that write messages of their own.
#pragma once

#include <asio.hpp>
#include <functional>

#include "contenders/peer.hpp"
#include "queued_session.hpp"

namespace bench::with_asio {

using StartSession = std::function<void(asio::ip::tcp::socket)>;

// Empty if it is none of these workloads.
StartSession find_message_workload(const PeerOptions& options);

}  // namespace bench::with_asio
