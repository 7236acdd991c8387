#pragma once

#include <cstddef>
#include <vector>

#include "sluice/future.hpp"
#include "sluice/socket_address.hpp"

namespace sluice {

/// Listening sockets that make a protocol for each connection. Loop thread only; kept alive by the
/// loop while it listens or has connections. asyncio: Server.
class Server {
 public:
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  virtual ~Server() = default;

  /// Listens and accepts connections; does nothing when it already does. Throws std::system_error
  /// that says which address could not be listened on: no connection is accepted on any of them
  /// then, and it may be called again. Throws std::logic_error after close().
  virtual void start_serving() = 0;
  /// Whether connections are accepted.
  [[nodiscard]] virtual bool is_serving() const = 0;
  /// The addresses listened on, with the real ports; empty after close().
  [[nodiscard]] virtual std::vector<SocketAddress> sockets() const = 0;
  /// Stops listening at once; connections go on. Removes a Unix socket's path if it is still ours.
  /// The second call does nothing.
  virtual void close() = 0;
  /// close() on every connection of this server (W-188).
  virtual void close_clients() = 0;
  /// abort() on every connection of this server.
  virtual void abort_clients() = 0;
  /// Done when the server is closed and its last connection is gone, in either order (W-188).
  [[nodiscard]] virtual Future<void> wait_closed() = 0;
  /// The connections that are open or closing now. No counterpart in asyncio.
  [[nodiscard]] virtual std::size_t connection_count() const = 0;

 protected:
  Server() = default;
};

}  // namespace sluice
