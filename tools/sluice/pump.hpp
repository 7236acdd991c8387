#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "endpoint.hpp"
#include "rate_limiter.hpp"
#include "sink.hpp"
#include "source.hpp"

namespace sluice::cli {

struct PumpOptions {
  Endpoint source;
  std::vector<Endpoint> sinks;
  SinkOptions how;
  std::optional<std::uint64_t> rate;  ///< bytes per second, at least 1
};

/// Copies one source to all sinks. The rule of flow control: the source is paused when any sink is
/// above its high mark, and resumed when all of them have come down to their low mark again.
class Pump final : private SourceListener, private SinkListener {
 public:
  /// What ended the copy.
  enum class Outcome : std::uint8_t {
    running,      ///< nothing yet
    completed,    ///< the source ended and all sinks were dealt with; some may have failed
    not_started,  ///< the source or a sink could not be opened; error() says why
    broken,       ///< the source failed half-way, or break_off(); error() says why
    abandoned,    ///< there is no sink left to copy to
    interrupted,  ///< interrupt() was called
  };

  /// Makes the source and the sinks. `on_done` is called once, when all of them are closed. Throws
  /// RunError. Must outlive the running of the loop.
  Pump(EventLoop& loop, const PumpOptions& options, std::function<void()> on_done);

  /// Opens everything and copies.
  void start();
  /// Stops reading, gives up what is buffered, closes everything.
  void interrupt();
  /// The same because of an error.
  void break_off(const std::string& error);

  [[nodiscard]] Outcome outcome() const { return outcome_; }
  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Sink>>& sinks() const { return sinks_; }
  /// Whether everything was open at some time, so that bytes could flow.
  [[nodiscard]] bool has_started() const { return started_.has_value(); }

  /// What the endpoints wait for before everything is open, such as "a reader of NAME"; empty: for
  /// nobody to be told of.
  [[nodiscard]] std::vector<std::string> awaited() const;

  /// Also those that the kernel has read by itself, when it sends a file.
  [[nodiscard]] std::uint64_t bytes_read() const;
  /// Whether the kernel sends the source's file to the one sink: nothing is read, nor buffered.
  [[nodiscard]] bool by_sendfile() const { return sends_file_; }
  [[nodiscard]] std::uint64_t reads() const { return reads_; }
  [[nodiscard]] std::optional<std::uint64_t> size() const { return source_->size(); }
  /// How often, and how long in all, the sinks have held the source up.
  [[nodiscard]] std::uint64_t pauses() const { return pauses_; }
  [[nodiscard]] Seconds time_paused() const;
  /// From when everything was open to the end, or until now.
  [[nodiscard]] Seconds elapsed() const;

 private:
  enum class Phase : std::uint8_t {
    opening,   ///< the source, the sinks or some of them are not ready
    copying,   ///< the source is read
    draining,  ///< the source has ended, the sinks are finishing
    stopping,  ///< everything was aborted
    done,      ///< on_done was called
  };

  void source_ready() override;
  std::size_t read_limit() override;
  void source_block(const Buffer& block) override;
  bool sends_file() override { return sends_file_; }
  Future<std::uint64_t> source_file(const std::shared_ptr<const Fd>& file,
                                    std::uint64_t offset) override;
  void source_done(SourceEnd end, const std::string& error) override;
  void sink_ready(Sink& sink) override;
  void sink_paused(Sink& sink) override;
  void sink_resumed(Sink& sink) override;
  void sink_gone(Sink& sink) override;

  void refuse_same_file() const;
  [[nodiscard]] bool can_send_file(BufferMarks marks) const;
  void one_more_is_ready();
  void update_flow();
  void pace();
  void forward(const Buffer& block);
  void forward_all();
  void drain();
  void stop(Outcome outcome, const std::string& error);
  void finish_if_over();
  [[nodiscard]] bool any_sink_paused() const;

  EventLoop& loop_;
  std::function<void()> on_done_;
  std::unique_ptr<Source> source_;
  std::vector<std::unique_ptr<Sink>> sinks_;
  std::size_t block_size_;
  std::optional<std::uint64_t> rate_;
  bool sends_file_;
  std::optional<RateLimiter> limiter_;
  std::optional<TimerHandle> rate_timer_;
  std::deque<Buffer> held_;  ///< read, and to go on in portions of the limiter

  Phase phase_ = Phase::opening;
  Outcome outcome_ = Outcome::running;
  std::string error_;
  std::size_t not_ready_;       ///< of the source and the sinks
  std::size_t sinks_to_close_;  ///< those that sink_gone is to come from
  bool source_is_done_ = false;

  std::uint64_t bytes_read_ = 0;
  std::uint64_t reads_ = 0;
  std::uint64_t pauses_ = 0;
  std::optional<TimePoint> paused_since_;
  Seconds time_paused_{0};
  std::optional<TimePoint> started_;
  std::optional<TimePoint> ended_;
};

}  // namespace sluice::cli
