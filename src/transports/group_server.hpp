#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "sluice/future.hpp"
#include "sluice/loop_group.hpp"
#include "sluice/server.hpp"
#include "sluice/socket_address.hpp"
#include "transports/loop_set.hpp"

namespace sluice::transports {

/// Makes a server of the loop with this index, bound to these addresses and not yet listening; on
/// the thread of that loop.
using BindServer =
    std::function<std::shared_ptr<Server>(std::size_t index, const std::vector<SocketAddress>&)>;

/// Once the first loop's server is bound, makes those of the other loops; then all listen if
/// `start_serving` says so. On failure all are closed. See LoopGroup::create_server.
Future<std::shared_ptr<GroupServer>> open_group_server(const std::shared_ptr<LoopSet>& loops,
                                                       const Future<std::shared_ptr<Server>>& bound,
                                                       BindServer bind, bool start_serving);

}  // namespace sluice::transports
