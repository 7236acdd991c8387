#pragma once

#include <functional>
#include <memory>
#include <system_error>

#include "sluice/relay.hpp"
#include "sluice/transport.hpp"
#include "transports/conduit.hpp"
#include "transports/relay_pipe.hpp"

namespace sluice::transports {

/// One direction of a relay: told what happens to its two transports, it tells each what follows
/// from it. The protocols that it is told by own it.
class RelayDirection : public std::enable_shared_from_this<RelayDirection> {
 public:
  enum class State : std::uint8_t {
    flowing,  ///< What is received is passed on.
    held,     ///< Reading is paused: the writing end is full, or closing.
    ended,    ///< Nothing is passed on any more, and the result is told.
  };
  using Ended = std::function<void(const RelayResult&)>;

  /// Both transports must be Conduits, with a pipe plain ones.
  RelayDirection(std::shared_ptr<ReadTransport> from, std::shared_ptr<WriteTransport> to,
                 std::shared_ptr<RelayPipe> pipe, Ended ended);

  /// The protocols are in place: reads.
  void begin();
  /// Ends by itself: reading is paused, otherwise the transports stay as they are.
  void stop();

  // What happens to the reading end.
  void received(Bytes data);
  void end_received();
  void from_lost(std::error_code error);
  // What happens to the writing end.
  void hold();
  void go_on();
  void to_lost(std::error_code error);

  [[nodiscard]] State state() const noexcept { return state_; }

 private:
  void pass_on(Bytes data);
  void end();

  std::shared_ptr<ReadTransport> from_;
  std::shared_ptr<WriteTransport> to_;
  Conduit* writing_;  // the same
  std::shared_ptr<RelayPipe> pipe_;
  Ended ended_;
  RelayResult result_;
  State state_ = State::flowing;
};

}  // namespace sluice::transports
