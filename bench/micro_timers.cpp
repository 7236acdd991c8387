// call_later and call_at: starting and cancelling beside others that wait, timers that come due,
// and many due times in no order. The counterparts of libuv are in micro_timers_libuv.cpp.

#include <chrono>
#include <sluice/sluice.hpp>
#include <vector>

#include "micro.hpp"

namespace {

using std::chrono::milliseconds;

// A time-out for each of many requests, none of which comes due: the usual life of a timer.
void call_later_cancel(benchmark::State& state) {
  sluice::EventLoop loop;
  bench::ScatteredDelays delays;
  for (std::size_t i = 0; i < bench::size_argument(state); ++i) {
    loop.call_later(milliseconds(delays.next_ms()), [] {});
  }
  std::vector<sluice::TimerHandle> timers(bench::timers_per_turn);
  const auto turn = [&](const auto& self) -> void {
    if (!state.KeepRunningBatch(bench::timers_per_turn)) {
      loop.stop();
      return;
    }
    for (sluice::TimerHandle& timer : timers) {
      timer = loop.call_later(milliseconds(delays.next_ms()), [] {});
    }
    for (sluice::TimerHandle& timer : timers) {
      timer.cancel();
    }
    loop.call_soon([&self] { self(self); });
  };
  loop.call_soon([&turn] { turn(turn); });
  loop.run_forever();
}
BENCHMARK(call_later_cancel)->Name("start_and_cancel/sluice")->Apply(bench::waiting_timers);

void call_later_due(benchmark::State& state) {
  const std::size_t per_turn = bench::size_argument(state);
  sluice::EventLoop loop;
  std::size_t ran = 0;
  const auto turn = [&](const auto& self) -> void {
    if (!state.KeepRunningBatch(static_cast<benchmark::IterationCount>(per_turn))) {
      loop.stop();
      return;
    }
    for (std::size_t i = 1; i < per_turn; ++i) {
      loop.call_later(milliseconds(0), [&ran] { ++ran; });
    }
    loop.call_later(milliseconds(0), [&self] { self(self); });
  };
  loop.call_soon([&turn] { turn(turn); });
  loop.run_forever();
  benchmark::DoNotOptimize(ran);
}
BENCHMARK(call_later_due)->Name("due_at_once/sluice")->Apply(bench::per_turn);

void call_at_scattered(benchmark::State& state) {
  sluice::EventLoop loop;
  bench::ScatteredDelays delays;
  std::vector<sluice::TimerHandle> timers(bench::size_argument(state));
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(timers.size()))) {
    const sluice::TimePoint now = loop.time();
    for (sluice::TimerHandle& timer : timers) {
      timer = loop.call_at(now + milliseconds(delays.next_ms()), [] {});
    }
    for (sluice::TimerHandle& timer : timers) {
      timer.cancel();
    }
    // The loop lets go of what was cancelled in its own time; this makes it now.
    loop.stop();
    loop.run_forever();
  }
}
BENCHMARK(call_at_scattered)->Name("many_scattered/sluice")->Apply(bench::many_timers);

}  // namespace
