// Passes on what arrives, both ways, as libuv's guide shows it: what was read is what is written,
// and nothing is read while the other side does not take it.
#pragma once

#include <uv.h>

#include <cstdint>

namespace bench::libuv {

// Takes the next client of the listener and connects to the port of this machine for it.
void accept_relayed(uv_stream_t* listener, std::uint16_t to);

}  // namespace bench::libuv
