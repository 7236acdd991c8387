#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "pump.hpp"
#include "sluice/event_loop.hpp"

namespace sluice::cli {

enum class ProgressMode : std::uint8_t { automatic, always, never };

/// What the progress line shows.
struct ProgressState {
  std::uint64_t bytes = 0;            ///< delivered, by the sink that has the least
  std::optional<std::uint64_t> size;  ///< when it is known
  double rate = 0;                    ///< bytes per second, lately; at the end, of the whole
  std::uint64_t buffered = 0;         ///< of the fullest sink
  WriteBufferLimits limits{};         ///< of that sink
  std::uint64_t pauses = 0;
};

/// The line, without colours or line end, at most `columns` wide.
[[nodiscard]] std::string progress_line(const ProgressState& state, std::size_t columns);

/// Redraws one line on standard error ten times a second, from start() to stop(). Until the copy
/// can begin, says once for each FIFO that its other end is awaited.
class Progress {
 public:
  Progress(EventLoop& loop, const Pump& pump) : loop_(loop), pump_(pump) {}

  /// Whether `mode` asks for a line, given what standard error is, and whether something else is
  /// written to standard output, whose text on a terminal it would be mixed with.
  [[nodiscard]] static bool is_wanted(ProgressMode mode, bool output_is_used);

  void start();
  /// Draws a last time and ends the line, if the copy has started. Does nothing without start().
  void stop();

 private:
  enum class State : std::uint8_t { idle, running };

  void tick();
  void tell_awaited();
  void draw();
  void measure_rate(std::uint64_t bytes);
  [[nodiscard]] ProgressState observe();

  EventLoop& loop_;
  const Pump& pump_;
  State state_ = State::idle;
  std::set<std::string> told_;  // what is awaited
  TimerHandle next_;
  double rate_ = 0;
  std::uint64_t last_bytes_ = 0;
  std::optional<TimePoint> last_time_;
};

}  // namespace sluice::cli
