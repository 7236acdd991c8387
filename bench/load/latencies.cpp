#include "latencies.hpp"

#include <algorithm>
#include <cmath>

namespace bench {

void Latencies::merge(const Latencies& other) {
  const std::uint64_t taken = count_ + other.count_;
  for (const Duration latency : other.kept_) {
    add(latency);
  }
  count_ = taken;
}

Latencies::Duration Latencies::percentile(double share) const {
  std::vector<Duration> sorted = kept_;
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  const std::size_t place = std::max<std::size_t>(static_cast<std::size_t>(rank), 1) - 1;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(place),
                   sorted.end());
  return sorted[place];
}

}  // namespace bench
