#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "endpoint.hpp"
#include "sluice/event_loop.hpp"

namespace sluice::cli {

/// Makes the one connection of a tcp or unix endpoint: connects, or listens, says on standard error
/// where, takes the first connection and stops listening. Must outlive the running of the loop.
class StreamOpener {
 public:
  /// Called inside connection_made: gives the transport its protocol with set_protocol.
  using OnStream = std::function<void(const std::shared_ptr<Transport>&)>;
  /// Called with the whole message when there will be no connection.
  using OnFailure = std::function<void(const std::string&)>;

  StreamOpener(EventLoop& loop, Endpoint endpoint, OnStream on_stream, OnFailure on_failure);

  /// Starts. Exactly one of the two callbacks follows, unless close() comes first.
  void open();
  /// Gives up: no callback comes any more, the listening socket and its file are gone.
  void close();

 private:
  class Gate;
  enum class State : std::uint8_t {
    idle,     ///< open() was not called yet
    opening,  ///< connecting, or listening for the first connection
    ended,    ///< connected, failed or given up
  };

  void connect();
  void listen();
  void serve_first(std::shared_ptr<Server> server);
  void take(const std::shared_ptr<Transport>& transport);
  void fail(const std::string& attempt, std::exception_ptr reason);

  EventLoop& loop_;
  Endpoint endpoint_;
  OnStream on_stream_;
  OnFailure on_failure_;
  State state_ = State::idle;
  std::function<void()> cancel_;
  std::shared_ptr<Server> server_;
};

}  // namespace sluice::cli
