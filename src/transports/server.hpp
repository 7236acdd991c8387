#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/intrusive_list.hpp"
#include "loop/loop_core.hpp"
#include "sluice/detail/protocol_binding.hpp"
#include "sluice/options.hpp"
#include "sluice/server.hpp"
#include "transports/fd_transport.hpp"
#include "transports/socket_path.hpp"

namespace sluice::transports {

/// A bound socket that may listen.
struct BoundSocket {
  int fd = -1;
  SocketAddress address;
};

/// The server of create_server and create_unix_server.
class StreamServer final : public Server,
                           public std::enable_shared_from_this<StreamServer>,
                           private TransportGroup,
                           private loop::Resident {
 public:
  /// Owns the sockets from now on.
  StreamServer(loop::LoopCore& loop, detail::ProtocolFactory factory, ServerOptions options,
               const std::vector<BoundSocket>& sockets);
  ~StreamServer() override;

  /// Removes `path` on close as long as it is the file that it is now (W-191).
  void own_path(const std::string& path);

  // Server; see sluice/server.hpp.
  void start_serving() override;
  [[nodiscard]] bool is_serving() const override { return state_ == State::serving; }
  [[nodiscard]] std::vector<SocketAddress> sockets() const override;
  void close() override;
  void close_clients() override;
  void abort_clients() override;
  [[nodiscard]] Future<void> wait_closed() override;
  [[nodiscard]] std::size_t connection_count() const override { return connection_count_; }

 private:
  enum class State : std::uint8_t {
    bound,    ///< The sockets have addresses, nobody listens yet.
    serving,  ///< Connections are accepted.
    closed,   ///< The listening sockets are gone; connections may go on.
  };
  class Listener;

  void check_thread() const;
  void accept_from(Listener& listener);
  [[nodiscard]] bool accept_one(Listener& listener);
  void pause_accepting(Listener& listener, int error);
  void set_up(const sys::Accepted& accepted);
  template <class Act>
  void for_each_connection(Act act);
  void close_sockets() noexcept;
  void settle();

  // TransportGroup
  void attached(FdTransport& transport) noexcept override;
  void detached(FdTransport& transport) noexcept override;
  // loop::Resident
  void drop() noexcept override;

  loop::LoopCore* loop_;  // not to be used once closed: the loop may be gone
  std::shared_ptr<detail::Scheduler> scheduler_;
  detail::ProtocolFactory factory_;
  ServerOptions options_;
  std::shared_ptr<StreamServer> self_;  // while it listens or has connections
  std::vector<std::unique_ptr<Listener>> listeners_;
  core::IntrusiveList<loop::Resident, loop::ResidentTag> connections_;
  std::size_t connection_count_ = 0;
  std::vector<Future<void>> waiting_;
  SocketPath path_;
  State state_ = State::bound;
};

}  // namespace sluice::transports
