#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace bench {

/// Takes every latency; keeps all up to a million, then a uniform sample of that size.
class Latencies {
 public:
  using Duration = std::chrono::nanoseconds;

  void add(Duration latency) {
    ++count_;
    if (kept_.size() < most_kept) {
      kept_.push_back(latency);
    } else if (const std::uint64_t place = random_() % count_; place < most_kept) {
      kept_[place] = latency;
    }
  }
  /// Adds what `other` has kept, as far as there is room.
  void merge(const Latencies& other);

  /// How many were taken.
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  /// The smallest that at least `share` of all do not exceed. There must be one.
  [[nodiscard]] Duration percentile(double share) const;

 private:
  static constexpr std::size_t most_kept = 1'000'000;

  std::uint64_t count_ = 0;
  std::vector<Duration> kept_;
  // The seed is the same each time: a run can be repeated.
  std::minstd_rand random_;
};

}  // namespace bench
