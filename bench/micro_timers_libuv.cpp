// uv_timer_start and uv_timer_stop. The handles are made once and started again and again, which is
// the best that a program on libuv can do.

#include <deque>

#include "micro.hpp"
#include "micro_libuv.hpp"

namespace {

class Timers {
 public:
  Timers(bench::UvLoop& loop, std::size_t count, std::size_t& ran) {
    for (std::size_t i = 0; i < count; ++i) {
      uv_timer_t& timer = timers_.emplace_back();
      bench::require_uv(uv_timer_init(loop.get(), &timer), "uv_timer_init");
      timer.data = &ran;
    }
  }
  void start_scattered(bench::ScatteredDelays& delays) {
    for (uv_timer_t& timer : timers_) {
      uv_timer_start(&timer, on_due, delays.next_ms(), 0);
    }
  }
  void start_now() {
    for (uv_timer_t& timer : timers_) {
      uv_timer_start(&timer, on_due, 0, 0);
    }
  }
  // The delay of uv_timer_start counts from the last look at the clock, that of call_later from the
  // call. This makes it the same.
  void start_now_by_the_clock() {
    for (uv_timer_t& timer : timers_) {
      uv_update_time(timer.loop);
      uv_timer_start(&timer, on_due, 0, 0);
    }
  }
  void stop() {
    for (uv_timer_t& timer : timers_) {
      uv_timer_stop(&timer);
    }
  }

 private:
  static void on_due(uv_timer_t* timer) { ++*static_cast<std::size_t*>(timer->data); }

  std::deque<uv_timer_t> timers_;
};

void uv_timer_start_and_stop(benchmark::State& state) {
  std::size_t ran = 0;
  bench::UvLoop loop;
  bench::ScatteredDelays delays;
  Timers waiting(loop, bench::size_argument(state), ran);
  waiting.start_scattered(delays);
  Timers timers(loop, bench::timers_per_turn, ran);
  const bench::UvEachTurn each_turn(loop, [&] {
    if (!state.KeepRunningBatch(bench::timers_per_turn)) {
      loop.stop();
      return;
    }
    timers.start_scattered(delays);
    timers.stop();
  });
  loop.run();
  loop.close();
}
BENCHMARK(uv_timer_start_and_stop)->Name("start_and_cancel/uv_timer")->Apply(bench::waiting_timers);

void start_each_turn(benchmark::State& state, void (Timers::*start)()) {
  const std::size_t per_turn = bench::size_argument(state);
  std::size_t ran = 0;
  bench::UvLoop loop;
  Timers timers(loop, per_turn, ran);
  const bench::UvEachTurn each_turn(loop, [&] {
    if (!state.KeepRunningBatch(static_cast<benchmark::IterationCount>(per_turn))) {
      loop.stop();
      return;
    }
    (timers.*start)();
  });
  loop.run();
  loop.close();
  benchmark::DoNotOptimize(ran);
}

void uv_timer_due(benchmark::State& state) {
  start_each_turn(state, &Timers::start_now);
}
BENCHMARK(uv_timer_due)->Name("due_at_once/uv_timer")->Apply(bench::per_turn);

void uv_timer_due_by_the_clock(benchmark::State& state) {
  start_each_turn(state, &Timers::start_now_by_the_clock);
}
BENCHMARK(uv_timer_due_by_the_clock)->Name("due_after_a_delay/uv_timer")->Apply(bench::per_turn);

void uv_timer_scattered(benchmark::State& state) {
  std::size_t ran = 0;
  bench::UvLoop loop;
  bench::ScatteredDelays delays;
  Timers timers(loop, bench::size_argument(state), ran);
  while (
      state.KeepRunningBatch(static_cast<benchmark::IterationCount>(bench::size_argument(state)))) {
    timers.start_scattered(delays);
    timers.stop();
    uv_run(loop.get(), UV_RUN_NOWAIT);
  }
  loop.close();
}
BENCHMARK(uv_timer_scattered)->Name("many_scattered/uv_timer")->Apply(bench::many_timers);

}  // namespace
