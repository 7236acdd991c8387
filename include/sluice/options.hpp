#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "sluice/socket_address.hpp"

namespace sluice::sys {
class SystemCalls;
}

namespace sluice {

/// When written bytes leave for the kernel.
enum class WritePolicy : std::uint8_t {
  /// Once per turn of the loop, all writes of the turn with one gathered system call; at once when
  /// the
  /// buffer passes its high mark. The default: one write() per message is nearly free.
  coalesce,
  /// On every write() while nothing is buffered, as CPython does.
  immediate,
};

enum class LogLevel : std::uint8_t { debug, info, warning, error };

/// How an EventLoop behaves; given once, at construction.
struct LoopOptions {
  /// When bytes leave; for all transports of the loop.
  WritePolicy write_policy = WritePolicy::coalesce;

  /// Checks that cost time: calls from a wrong thread throw std::logic_error (in builds with
  /// SLUICE_DEBUG_CHECKS always), slow callbacks are logged (W-171, W-175). asyncio: set_debug.
  bool debug = false;

  /// A callback that runs at least as long is logged in debug mode. asyncio:
  /// slow_callback_duration.
  std::chrono::nanoseconds slow_callback_duration = std::chrono::milliseconds(100);

  /// Where warnings and unhandled exceptions go; one call a message, on the loop's thread. The
  /// default writes to standard error, messages below `warning` only in debug mode.
  std::function<void(LogLevel, std::string_view)> log;

  /// The system, for tests: by default the real one.
  std::shared_ptr<sys::SystemCalls> system_calls;
};

/// How create_connection and create_unix_connection connect.
struct ConnectOptions {
  /// Start the next address when the previous has failed or after this time, and keep the first
  /// that succeeds (RFC 8305 recommends 250 ms). Without it, one address after the other (W-180).
  std::optional<std::chrono::nanoseconds> happy_eyeballs_delay{};
  /// Reorder the addresses so that families alternate after this many of the first; by default 1
  /// with happy_eyeballs_delay, otherwise none (W-180).
  std::optional<int> interleave{};
  /// Bind the socket to this address first (W-182).
  std::optional<SocketAddress> local_address{};
  /// Resolve to this family only.
  AddressFamily family = AddressFamily::unspecified;
};

/// How create_server listens (W-186).
struct ServerOptions {
  /// The length of the kernel's queue of connections not yet accepted; a negative one counts as 0.
  int backlog = 100;
  /// SO_REUSEADDR: take over a port in TIME_WAIT.
  bool reuse_address = true;
  /// SO_REUSEPORT: several servers share one port.
  bool reuse_port = false;
  /// SO_KEEPALIVE on accepted sockets.
  bool keep_alive = false;
  /// Listen and accept from the start. Otherwise the sockets are bound, so that the addresses are
  /// taken and Server::sockets tells them, but nobody listens: until Server::start_serving, who
  /// connects is refused.
  bool start_serving = true;
  /// Resolve to this family only.
  AddressFamily family = AddressFamily::unspecified;
  /// Unix sockets: remove the path on close, if it is still ours (W-191).
  bool cleanup_socket = true;
};

}  // namespace sluice
