#pragma once

#include "core/timer_queue.hpp"
#include "sluice/detail/node_pool.hpp"
#include "sluice/handle.hpp"

namespace sluice::loop {

using detail::CallbackNode;
using detail::NodePool;
using detail::NodeQueue;
using detail::NodeRef;
using NodeTimers = core::TimerQueue<CallbackNode>;

}  // namespace sluice::loop
