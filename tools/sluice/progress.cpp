#include "progress.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "console.hpp"
#include "text.hpp"

namespace sluice::cli {

namespace {

constexpr std::chrono::milliseconds redraw_after{100};
// How much of the shown rate is older than one second: 1/e.
constexpr double rate_memory_seconds = 1.0;
constexpr std::size_t default_columns = 80;
constexpr std::size_t bar_width = 10;
// Of a number of bytes. Chosen so that the line fits into 80 columns.
constexpr std::size_t number_width = 9;

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

// The buffer's level, with a mark where it resumes (low) and one where it pauses (high):
// [###<   > ]
std::string level_bar(std::uint64_t buffered, WriteBufferLimits limits) {
  // The high mark stands at three quarters, so that what lies above it is seen.
  const double full = std::max(1.0, static_cast<double>(limits.high) * 4 / 3);
  const auto place = [full](std::uint64_t bytes) {
    const double cells = static_cast<double>(bytes) / full * bar_width;
    return std::min(static_cast<std::size_t>(cells), bar_width);
  };
  std::string bar(bar_width, ' ');
  // A byte is little, but it is not nothing.
  const std::size_t filled = buffered == 0 ? 0 : std::max<std::size_t>(1, place(buffered));
  std::fill_n(bar.begin(), filled, '#');
  bar[std::min(place(limits.low), bar_width - 1)] = '<';
  bar[std::min(place(limits.high), bar_width - 1)] = '>';
  return "[" + bar + "]";
}

std::string percent_of(std::uint64_t bytes, std::uint64_t size) {
  const double percent =
      size == 0 ? 100.0 : 100.0 * static_cast<double>(bytes) / static_cast<double>(size);
  // 99.9 % must not look like the end.
  return padded(fixed(std::floor(std::min(percent, 100.0)), 0), 3) + "%";
}

}  // namespace

std::string progress_line(const ProgressState& state, std::size_t columns) {
  std::string line = padded(human_bytes(state.bytes), number_width);
  if (state.size) {
    line += " " + percent_of(state.bytes, *state.size);
  }
  line += " " + padded(human_bytes(state.rate), number_width) + "/s";
  if (state.size) {
    const std::uint64_t left = *state.size - std::min(state.bytes, *state.size);
    const double seconds = left == 0 ? 0 : static_cast<double>(left) / state.rate;
    line += " ETA " + human_clock(Seconds(seconds));
  }
  line += " buffer " + level_bar(state.buffered, state.limits) + " " +
          padded(human_bytes(state.buffered), number_width);
  line += " pauses " + std::to_string(state.pauses);
  // The last column stays free: some terminals begin a new line after it.
  return line.substr(0, columns > 0 ? columns - 1 : 0);
}

bool Progress::is_wanted(ProgressMode mode, bool output_is_used) {
  switch (mode) {
    case ProgressMode::automatic:
      return error_is_terminal() && !(output_is_used && output_is_terminal());
    case ProgressMode::always:
      return true;
    case ProgressMode::never:
      break;
  }
  return false;
}

void Progress::start() {
  state_ = State::running;
  // Before that there is nothing to draw, and a wait that is not worth a word.
  next_ = loop_.call_later(redraw_after, [this] { tick(); });
}

void Progress::tick() {
  if (error_is_writable()) {
    if (pump_.has_started()) {
      draw();
    } else {
      tell_awaited();
    }
  }
  next_ = loop_.call_later(redraw_after, [this] { tick(); });
}

void Progress::stop() {
  if (state_ == State::running && pump_.has_started()) {
    draw();
    write_all(StandardStream::error, "\n");
  }
  next_.cancel();
  state_ = State::idle;
}

void Progress::tell_awaited() {
  for (const std::string& awaited : pump_.awaited()) {
    if (told_.insert(awaited).second) {
      write_all(StandardStream::error, "waiting for " + printable(awaited) + "\n");
    }
  }
}

void Progress::draw() {
  const std::size_t columns = terminal_columns().value_or(default_columns);
  write_all(StandardStream::error, "\r" + progress_line(observe(), columns) + "\x1b[K");
}

ProgressState Progress::observe() {
  ProgressState state;
  state.size = pump_.size();
  state.pauses = pump_.pauses();
  state.bytes = pump_.bytes_read();
  for (const auto& sink : pump_.sinks()) {
    if (sink->state() == SinkState::failed) continue;
    state.bytes = std::min(state.bytes, sink->statistics().bytes_written);
    if (sink->buffer_size() >= state.buffered) {
      state.buffered = sink->buffer_size();
      state.limits = sink->limits();
    }
  }
  measure_rate(state.bytes);
  const bool over =
      pump_.outcome() != Pump::Outcome::running || (state.size && state.bytes >= *state.size);
  const double elapsed = pump_.elapsed().count();
  state.rate = over && elapsed > 0 ? static_cast<double>(state.bytes) / elapsed : rate_;
  return state;
}

void Progress::measure_rate(std::uint64_t bytes) {
  const TimePoint now = loop_.time();
  // The first sample is about all that has passed since the start.
  const double passed = last_time_ ? Seconds(now - *last_time_).count() : pump_.elapsed().count();
  if (passed <= 0) {
    return;
  }
  const double latest = static_cast<double>(bytes - std::min(bytes, last_bytes_)) / passed;
  // The average since the start weighs more than a memory that is not full yet.
  const double lived = std::max(pump_.elapsed().count(), passed);
  const double share = 1 - std::exp(-passed / std::min(rate_memory_seconds, lived));
  rate_ += (latest - rate_) * share;
  last_time_ = now;
  last_bytes_ = bytes;
}

}  // namespace sluice::cli
