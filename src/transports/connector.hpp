#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loop/loop_core.hpp"
#include "sluice/detail/protocol_binding.hpp"
#include "sluice/future.hpp"
#include "sluice/options.hpp"
#include "sluice/transport.hpp"
#include "transports/fd_transport.hpp"

namespace sluice::transports {

/// Reorders addresses so that families alternate after the first `first_count` of the first one
/// (RFC 8305).
[[nodiscard]] std::vector<SocketAddress> interleave(const std::vector<SocketAddress>& addresses,
                                                    int first_count);

/// One create_connection: tries addresses in order, several at a time if the options say so, and
/// keeps the first that connects (W-180, W-181).
class Connector final : public std::enable_shared_from_this<Connector>, private loop::Resident {
 public:
  using Result = Future<detail::Established<Transport>>;

  Connector(loop::LoopCore& loop, detail::ProtocolFactory factory, ConnectOptions options,
            Result result);
  ~Connector();

  /// Resolves `host` and connects to what it is.
  void connect_to_host(std::string host, std::uint16_t port);
  /// Connects to one of `addresses`; there is at least one.
  void connect_to(std::vector<SocketAddress> addresses);

 private:
  enum class State : std::uint8_t {
    resolving,  ///< The name is being looked up.
    trying,     ///< Attempts are under way.
    done,       ///< The result is there; every descriptor is closed or handed over.
  };
  class Attempt;
  struct Failure {
    std::string what;
    std::error_code error;
  };

  void begin();
  void resolved(const std::string& host, const sys::Resolved& answer);
  void try_next();
  [[nodiscard]] std::optional<Failure> start(const SocketAddress& address);
  void attempt_ready(Attempt& attempt);
  void attempt_failed(Attempt& attempt, std::error_code error);
  void after_failure();
  void won(Attempt& attempt);
  void fail(std::exception_ptr exception);
  [[nodiscard]] std::exception_ptr combined_failure() const;
  void finish();
  void drop() noexcept override { finish(); }

  loop::LoopCore* loop_;
  detail::ProtocolFactory factory_;
  ConnectOptions options_;
  Result result_;
  std::shared_ptr<Connector> self_;  // while there is something under way
  std::vector<SocketAddress> addresses_;
  std::size_t next_address_ = 0;
  std::vector<std::unique_ptr<Attempt>> attempts_;
  std::vector<Failure> failures_;
  TimerHandle next_timer_;
  State state_ = State::resolving;
};

}  // namespace sluice::transports
