// Passes on what arrives, both ways, as the proxy among libevent's samples does: buffers go from
// one queue to the other, and above a mark nothing is read.
#pragma once

#include <event2/event.h>
#include <event2/util.h>

#include <cstdint>

namespace bench::libevent {

// Serves the client and connects to the port of this machine for it.
void relay(event_base* base, evutil_socket_t client, std::uint16_t to);

}  // namespace bench::libevent
