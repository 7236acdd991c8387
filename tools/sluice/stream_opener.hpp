#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "endpoint.hpp"
#include "sluice/event_loop.hpp"

namespace sluice::cli {

/// RFC 8305: how long one address may take before the next is tried beside it.
inline constexpr std::chrono::milliseconds next_address_after{250};

/// Makes the one connection of a tcp, tls or unix endpoint: connects, or listens, says on standard
/// error where, takes the first connection and stops listening. The handshake of TLS is part of it.
/// Must outlive the running of the loop.
class StreamOpener {
 public:
  /// Called inside connection_made, or with reading paused: gives the transport its protocol with
  /// set_protocol.
  using OnStream = std::function<void(const std::shared_ptr<Transport>&)>;
  /// Called with the whole message when there will be no connection.
  using OnFailure = std::function<void(const std::string&)>;

  /// Throws RunError when the endpoint needs TLS that cannot be set up.
  StreamOpener(EventLoop& loop, Endpoint endpoint, OnStream on_stream, OnFailure on_failure);

  /// Starts. Exactly one of the two callbacks follows, unless close() comes first.
  void open();
  /// Gives up: no callback comes any more, the listening socket and its file are gone.
  void close();

 private:
  class Gate;
  enum class State : std::uint8_t {
    idle,      ///< open() was not called yet
    opening,   ///< connecting, or listening for the first connection
    securing,  ///< the first connection is there, and its handshake under way
    ended,     ///< connected, failed or given up
  };

  void connect();
  void listen();
  void serve_first(std::shared_ptr<Server> server);
  void take(const std::shared_ptr<Transport>& transport);
  void secure(const std::shared_ptr<Transport>& transport);
  void fail(const std::string& attempt, std::exception_ptr reason);

  EventLoop& loop_;
  Endpoint endpoint_;
  std::shared_ptr<TlsContext> tls_;  // null: plain
  OnStream on_stream_;
  OnFailure on_failure_;
  State state_ = State::idle;
  std::function<void()> cancel_;
  std::shared_ptr<Server> server_;
};

}  // namespace sluice::cli
