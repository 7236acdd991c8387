#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "micro.hpp"

namespace bench {

/// Each turn posts the callbacks of the next one, from the loop's own thread: nobody waits for the
/// lock, and the loop is never asleep. A Loop has post(), from any thread, run() and stop().
template <class Loop>
void post_from_the_same_thread(benchmark::State& state) {
  const std::size_t per_turn = size_argument(state);
  Loop loop;
  std::size_t ran = 0;
  const auto turn = [&](const auto& self) -> void {
    if (!state.KeepRunningBatch(static_cast<benchmark::IterationCount>(per_turn))) {
      loop.stop();
      return;
    }
    for (std::size_t i = 1; i < per_turn; ++i) {
      loop.post([&ran] { ++ran; });
    }
    loop.post([&self] { self(self); });
  };
  loop.post([&turn] { turn(turn); });
  loop.run();
  benchmark::DoNotOptimize(ran);
}

/// A loop that runs on a thread of its own until the end of the measurement.
template <class Loop>
class LoopOnThread {
 public:
  LoopOnThread() : thread_([this] { loop_.run(); }) {}
  LoopOnThread(const LoopOnThread&) = delete;
  LoopOnThread& operator=(const LoopOnThread&) = delete;
  ~LoopOnThread() {
    loop_.post([this] { loop_.stop(); });
    thread_.join();
  }
  [[nodiscard]] Loop& loop() noexcept { return loop_; }

 private:
  Loop loop_;
  std::thread thread_;
};

/// A callback goes to the other loop and back: each loop sleeps until it is woken.
template <class Loop>
void wake_up_and_back(benchmark::State& state) {
  Loop home;
  LoopOnThread<Loop> other;
  const auto send = [&](const auto& self) -> void {
    if (!state.KeepRunning()) {
      home.stop();
      return;
    }
    other.loop().post([&home, &self] { home.post([&self] { self(self); }); });
  };
  home.post([&send] { send(send); });
  home.run();
}

/// This thread posts without end, but is never more than so many ahead of the loop.
template <class Loop>
void post_from_another_thread(benchmark::State& state) {
  constexpr std::uint64_t most_ahead = 1024;
  std::atomic<std::uint64_t> ran = 0;
  std::uint64_t posted = 0;
  LoopOnThread<Loop> receiver;
  for ([[maybe_unused]] auto _ : state) {
    while (posted - ran.load(std::memory_order_acquire) >= most_ahead) {
      std::this_thread::yield();
    }
    ++posted;
    receiver.loop().post([&ran] { ran.fetch_add(1, std::memory_order_release); });
  }
}

}  // namespace bench
