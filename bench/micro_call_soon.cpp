// call_soon: what a callback costs that runs in the next turn, by how many there are in a turn. The
// counterparts of libuv are in micro_call_soon_libuv.cpp.

#include <sluice/sluice.hpp>

#include "micro.hpp"

namespace {

void call_soon(benchmark::State& state) {
  const std::size_t per_turn = bench::size_argument(state);
  sluice::EventLoop loop;
  std::size_t ran = 0;
  // Each turn the last callback schedules the callbacks of the next one, itself among them.
  const auto turn = [&](const auto& self) -> void {
    if (!state.KeepRunningBatch(static_cast<benchmark::IterationCount>(per_turn))) {
      loop.stop();
      return;
    }
    for (std::size_t i = 1; i < per_turn; ++i) {
      loop.call_soon([&ran] { ++ran; });
    }
    loop.call_soon([&self] { self(self); });
  };
  loop.call_soon([&turn] { turn(turn); });
  loop.run_forever();
  benchmark::DoNotOptimize(ran);
}
BENCHMARK(call_soon)->Name("call_soon/sluice")->Apply(bench::per_turn);

}  // namespace
