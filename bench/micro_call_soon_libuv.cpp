// What stands for call_soon in programs on libuv: idle handles, which run in each turn until they
// are stopped; and a queue of the program's own, emptied by one idle handle.

#include <deque>

#include "micro.hpp"
#include "micro_libuv.hpp"

namespace {

/// An idle handle that runs once for each start.
class RunOnce {
 public:
  RunOnce(bench::UvLoop& loop, std::size_t& ran) : ran_(&ran) {
    bench::require_uv(uv_idle_init(loop.get(), &idle_), "uv_idle_init");
    idle_.data = this;
  }
  RunOnce(const RunOnce&) = delete;
  RunOnce& operator=(const RunOnce&) = delete;

  void start() {
    uv_idle_start(&idle_, [](uv_idle_t* idle) {
      uv_idle_stop(idle);
      ++*static_cast<RunOnce*>(idle->data)->ran_;
    });
  }

 private:
  uv_idle_t idle_{};
  std::size_t* ran_;
};

void uv_idle_handles(benchmark::State& state) {
  const std::size_t per_turn = bench::size_argument(state);
  std::size_t ran = 0;
  std::deque<RunOnce> handles;
  bench::UvLoop loop;
  for (std::size_t i = 1; i < per_turn; ++i) {
    handles.emplace_back(loop, ran);
  }
  const bench::UvEachTurn each_turn(loop, [&] {
    if (!state.KeepRunningBatch(static_cast<benchmark::IterationCount>(per_turn))) {
      loop.stop();
      return;
    }
    for (RunOnce& handle : handles) {
      handle.start();
    }
  });
  loop.run();
  loop.close();
  benchmark::DoNotOptimize(ran);
}
BENCHMARK(uv_idle_handles)->Name("call_soon/uv_idle")->Apply(bench::per_turn);

void queue_on_uv_idle(benchmark::State& state) {
  const std::size_t per_turn = bench::size_argument(state);
  std::size_t ran = 0;
  std::vector<std::function<void()>> queue;
  std::vector<std::function<void()>> running;
  bench::UvLoop loop;
  const auto schedule = [&] {
    if (!state.KeepRunningBatch(static_cast<benchmark::IterationCount>(per_turn))) {
      loop.stop();
      return;
    }
    for (std::size_t i = 1; i < per_turn; ++i) {
      queue.emplace_back([&ran] { ++ran; });
    }
  };
  const bench::UvEachTurn each_turn(loop, [&] {
    queue.swap(running);
    // One reference, as the program on call_soon has it: a copy would need memory of its own.
    queue.emplace_back([&schedule] { schedule(); });
    for (const std::function<void()>& callback : running) {
      callback();
    }
    running.clear();
  });
  loop.run();
  loop.close();
  benchmark::DoNotOptimize(ran);
}
BENCHMARK(queue_on_uv_idle)->Name("call_soon/queue_on_uv_idle")->Apply(bench::per_turn);

}  // namespace
