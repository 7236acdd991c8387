#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <system_error>
#include <utility>

#include "sluice/stream_writer.hpp"
#include "sluice/transport.hpp"
#include "streams/stream_input.hpp"

namespace sluice::streams {

/// The sending half of a stream: flow control, its end, and who waits for either. asyncio:
/// FlowControlMixin and the inside of StreamWriter.
class StreamOutput {
 public:
  /// `input` is the receiving half of the same connection, which must outlive this; null
  /// for a pipe.
  StreamOutput(std::shared_ptr<detail::Scheduler> scheduler, StreamInput* input)
      : scheduler_(std::move(scheduler)), input_(input) {}
  StreamOutput(const StreamOutput&) = delete;
  StreamOutput& operator=(const StreamOutput&) = delete;

  // For the protocol.
  void set_transport(std::shared_ptr<WriteTransport> transport) noexcept {
    transport_ = std::move(transport);
  }
  void pause_writing() noexcept;
  void resume_writing();
  /// Who waits for the end is told before who waits for room (W-208).
  void connection_lost(std::error_code error);
  /// Nobody needs this stream any more: its last writer may forget to close it.
  void set_unneeded() noexcept { need_ = Need::gone; }

  // For the writer.
  [[nodiscard]] const std::shared_ptr<WriteTransport>& transport() const noexcept {
    return transport_;
  }
  /// The receiving half of the same connection; null if there is none.
  [[nodiscard]] StreamInput* input() const noexcept { return input_; }
  [[nodiscard]] detail::Scheduler& scheduler() const noexcept { return *scheduler_; }
  [[nodiscard]] bool lost() const noexcept { return flow_ >= Flow::lost; }
  [[nodiscard]] bool paused() const noexcept { return flow_ == Flow::paused; }
  /// Why reading the same connection fails; null if it does not.
  [[nodiscard]] std::exception_ptr input_failure() const noexcept {
    return input_ != nullptr ? input_->exception() : nullptr;
  }
  [[nodiscard]] bool unneeded() const noexcept { return need_ == Need::gone; }
  /// What broke the connection; empty if nothing did, or not yet.
  [[nodiscard]] const std::error_code& loss() const noexcept { return loss_; }
  void wait_for_room(detail::DrainAwaiter& waiter) noexcept { drains_.push_back(waiter); }
  void wait_for_end(detail::ClosedAwaiter& waiter) noexcept { ends_.push_back(waiter); }

 private:
  enum class Flow : std::uint8_t {
    open,    ///< Write as you like.
    paused,  ///< The transport has more than its high mark.
    lost,    ///< connection_lost was called.
  };

  enum class Need : std::uint8_t {
    there,  ///< Somebody may wait for the end of what is written.
    gone,   ///< A child that has ended.
  };

  std::shared_ptr<detail::Scheduler> scheduler_;
  StreamInput* input_;
  std::shared_ptr<WriteTransport> transport_;
  detail::Ring<detail::DrainAwaiter> drains_;
  detail::Ring<detail::ClosedAwaiter> ends_;
  std::error_code loss_;
  Flow flow_ = Flow::open;
  Need need_ = Need::there;
};

}  // namespace sluice::streams
