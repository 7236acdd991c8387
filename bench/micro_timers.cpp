// call_later and call_at: starting and cancelling beside others that wait, timers that come due,
// and many due times in no order. The counterparts of libuv are in micro_timers_libuv.cpp.

#include <chrono>
#include <sluice/sluice.hpp>
#include <utility>
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

// Each turn schedules the timers of the next one, itself among them; `schedule` is called
// for each.
template <class Schedule>
void due_at_once(benchmark::State& state, Schedule schedule) {
  const std::size_t per_turn = bench::size_argument(state);
  sluice::EventLoop loop;
  std::size_t ran = 0;
  const auto turn = [&](const auto& self) -> void {
    if (!state.KeepRunningBatch(static_cast<benchmark::IterationCount>(per_turn))) {
      loop.stop();
      return;
    }
    const sluice::TimePoint now = loop.time();
    for (std::size_t i = 1; i < per_turn; ++i) {
      schedule(loop, now, [&ran] { ++ran; });
    }
    schedule(loop, now, [&self] { self(self); });
  };
  loop.call_soon([&turn] { turn(turn); });
  loop.run_forever();
  benchmark::DoNotOptimize(ran);
}

// All counted from one look at the clock.
void call_at_due(benchmark::State& state) {
  due_at_once(state, [](sluice::EventLoop& loop, sluice::TimePoint now, auto&& callback) {
    loop.call_at(now, std::forward<decltype(callback)>(callback));
  });
}
BENCHMARK(call_at_due)->Name("due_at_once/sluice")->Apply(bench::per_turn);

// Each counted from its own call.
void call_later_due(benchmark::State& state) {
  due_at_once(state, [](sluice::EventLoop& loop, sluice::TimePoint /*now*/, auto&& callback) {
    loop.call_later(milliseconds(0), std::forward<decltype(callback)>(callback));
  });
}
BENCHMARK(call_later_due)->Name("due_after_a_delay/sluice")->Apply(bench::per_turn);

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
