#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>

namespace bench {

/// How many callbacks, timers or messages there are in a turn: few, where the turn is what costs,
/// and many.
inline void per_turn(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("per_turn")->Arg(1)->Arg(16)->Arg(1024);
}

/// How many other timers wait meanwhile.
inline void waiting_timers(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("waiting")->Arg(0)->Arg(1000)->Arg(100'000);
}

/// How many timers are started and cancelled between two polls of the system.
inline constexpr int timers_per_turn = 64;

inline void many_timers(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("timers")->Arg(100)->Arg(10'000)->Arg(1'000'000);
}

/// Threads that wake each other: the time that passes is what matters, and the time of all
/// processors is told beside it.
inline void between_threads(benchmark::internal::Benchmark* benchmark) {
  benchmark->UseRealTime()->MeasureProcessCPUTime();
}

inline std::size_t size_argument(const benchmark::State& state) {
  return static_cast<std::size_t>(state.range(0));
}

/// Due times in no order, the same for every contender: milliseconds from one minute on, so that
/// none comes due.
class ScatteredDelays {
 public:
  [[nodiscard]] std::uint64_t next_ms() noexcept {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return 60'000 + (state_ >> 44);
  }

 private:
  std::uint64_t state_ = 1;
};

}  // namespace bench
