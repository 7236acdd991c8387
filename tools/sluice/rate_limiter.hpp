#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "sluice/handle.hpp"

namespace sluice::cli {

/// A token bucket: one token is one byte, `rate` tokens come each second. It may go into debt,
/// which is paid back by waiting. Reads no clock: the caller says what time it is.
class RateLimiter {
 public:
  /// `rate` in bytes per second, at least 1; reads are to be of at most `largest_read` bytes.
  RateLimiter(std::uint64_t rate, std::size_t largest_read, TimePoint now)
      : rate_(static_cast<double>(rate)),
        portion_(std::clamp(rate_ / portions_per_second, 1.0, static_cast<double>(largest_read))),
        capacity_(std::max(rate_ / 4, portion_)),
        tokens_(portion_),
        last_(now) {}

  /// What one read should ask for, so that the flow is smooth.
  [[nodiscard]] std::size_t portion() const { return static_cast<std::size_t>(portion_); }

  void take(std::size_t bytes, TimePoint now) {
    refill(now);
    tokens_ -= static_cast<double>(bytes);
  }

  /// How long to wait until the next portion may be read; zero: not at all.
  [[nodiscard]] std::chrono::nanoseconds delay(TimePoint now) {
    refill(now);
    const double missing = portion_ - tokens_;
    if (missing <= 0) {
      return std::chrono::nanoseconds(0);
    }
    // A hundred years are as good as any longer time, and can be counted in nanoseconds.
    const double seconds = std::min(missing / rate_, 100 * 365.0 * 86'400);
    return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9) + 1);
  }

 private:
  static constexpr double portions_per_second = 50;

  void refill(TimePoint now) {
    const std::chrono::duration<double> passed = now - last_;
    last_ = now;
    tokens_ = std::min(capacity_, tokens_ + passed.count() * rate_);
  }

  double rate_;
  double portion_;
  // How much a late timer may catch up with: a quarter of a second.
  double capacity_;
  double tokens_;
  TimePoint last_;
};

}  // namespace sluice::cli
