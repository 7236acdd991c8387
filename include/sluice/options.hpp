#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/buffer.hpp"
#include "sluice/socket_address.hpp"

namespace sluice::sys {
class SystemCalls;
}

namespace sluice {

class TlsContext;

/// When written bytes leave for the kernel.
enum class WritePolicy : std::uint8_t {
  /// Once per turn of the loop, all writes of the turn with one gathered system call; at once when
  /// the buffer passes its high mark. The default: one write() per message is nearly free.
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

  /// A callback that runs at least as long is logged in debug mode.
  /// asyncio: slow_callback_duration.
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
  /// A TlsContext::client: speak TLS; see sluice/tls.hpp. Null: plain.
  std::shared_ptr<TlsContext> ssl{};
  /// The host that the server's certificate must be for, and that is asked for (SNI); by default
  /// the host that is connected to. Needed for TLS over a Unix socket. Only with `ssl`.
  std::optional<std::string> server_hostname{};
  /// How long the TLS handshake may take, by default 60 s. Must be positive; without `ssl`,
  /// std::invalid_argument is thrown (W-119).
  std::optional<std::chrono::nanoseconds> ssl_handshake_timeout{};
  /// How long close() may wait for a peer that neither reads nor says farewell, by default 30 s;
  /// likewise (W-121).
  std::optional<std::chrono::nanoseconds> ssl_shutdown_timeout{};
};

/// What connect_file does about a file that is there already.
enum class IfExists : std::uint8_t {
  truncate,   ///< Empties it and begins anew.
  append,     ///< Writes behind its end, wherever that is at each write (O_APPEND).
  overwrite,  ///< Keeps it, and writes over it from FileOptions::offset on.
  fail,       ///< Is an error (EEXIST).
  /// Leaves it alone until the end: the bytes go to a temporary file in the same directory, which
  /// takes the name and, of a file that is there, the permissions when the transport was closed in
  /// order, and is removed when it was aborted or lost or when the loop was closed. Symbolic links
  /// are followed; one that leads to nothing is an error (ENOENT). A process that is killed leaves
  /// the file `.NAME.XXXXXX` behind.
  replace,
};

/// How connect_file writes. No counterpart in asyncio, which has no transport for files.
struct FileOptions {
  /// What is done about a file that is there already; one that is not is created.
  IfExists if_exists = IfExists::truncate;
  /// Where the first byte goes, for IfExists::overwrite; beyond the end leaves a hole.
  std::uint64_t offset = 0;
  /// The mode of a file that is created, less the process's umask.
  std::uint32_t permissions = 0666;
  /// Between the last byte and connection_lost, fsync(2) the file, and its directory. A failure is
  /// a lost connection.
  bool fsync_on_close = false;
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
  /// A TlsContext::server: speak TLS; see sluice/tls.hpp. Null: plain.
  std::shared_ptr<TlsContext> ssl{};
  /// How long the TLS handshake may take, by default 60 s. Must be positive; without `ssl`,
  /// std::invalid_argument is thrown (W-119).
  std::optional<std::chrono::nanoseconds> ssl_handshake_timeout{};
  /// How long close() may wait for a peer that neither reads nor says farewell, by default 30 s;
  /// likewise (W-121).
  std::optional<std::chrono::nanoseconds> ssl_shutdown_timeout{};
};

/// How connect_accepted_socket adopts a socket.
struct AcceptOptions {
  /// A TlsContext::server: speak TLS; see sluice/tls.hpp. Null: plain.
  std::shared_ptr<TlsContext> ssl{};
  /// How long the TLS handshake may take, by default 60 s. Must be positive; without `ssl`,
  /// std::invalid_argument is thrown (W-119).
  std::optional<std::chrono::nanoseconds> ssl_handshake_timeout{};
  /// How long close() may wait for a peer that neither reads nor says farewell, by default 30 s;
  /// likewise (W-121).
  std::optional<std::chrono::nanoseconds> ssl_shutdown_timeout{};
};

/// How start_tls secures a connection.
struct StartTlsOptions {
  /// The host that the server's certificate must be for, and that is asked for (SNI). Only with a
  /// TlsContext::client.
  std::optional<std::string> server_hostname{};
  /// How long the TLS handshake may take, by default 60 s. Must be positive, otherwise
  /// std::invalid_argument is thrown (W-119).
  std::optional<std::chrono::nanoseconds> ssl_handshake_timeout{};
  /// How long close() may wait for a peer that neither reads nor says farewell, by default 30 s;
  /// likewise (W-121).
  std::optional<std::chrono::nanoseconds> ssl_shutdown_timeout{};
  /// Bytes that have been read from the connection already, and are the first of the peer's
  /// handshake.
  Buffer already_received{};
};

}  // namespace sluice
