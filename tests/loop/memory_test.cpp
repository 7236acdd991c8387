// What becomes of a turn of the loop in which memory runs out (W-166, W-167).
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <new>

#include "core/allocation_probe.hpp"
#include "sluice/event_loop.hpp"

namespace sluice::loop {
namespace {

// Runs one turn in which the nth allocation fails, and some more; the result says whether it came
// to that.
bool run_without_memory(EventLoop& loop, std::size_t nth) {
  loop.stop();
  bool failed = false;
  {
    const testing::FailingAllocation failing(nth);
    EXPECT_NO_THROW(loop.run_forever()) << "failure " << nth;
    failed = failing.failed();
  }
  for (int i = 0; i < 4; ++i) {
    loop.stop();
    loop.run_forever();
  }
  return failed;
}

TEST(LoopWithoutMemory, EveryTimerThatIsDueRuns) {
  std::size_t nth = 0;
  for (bool failed = true; failed;) {
    EventLoop loop;
    int ran = 0;
    for (int i = 0; i < 20; ++i) {
      loop.call_later(std::chrono::nanoseconds::zero(), [&] { ++ran; });
    }
    failed = run_without_memory(loop, ++nth);
    EXPECT_EQ(20, ran) << "failure " << nth;
  }
}

TEST(LoopWithoutMemory, WhatOtherThreadsPostedNeedsNoneToRunInItsOrder) {
  EventLoop loop;
  int ran = 0;
  for (int i = 0; i < 300; ++i) {
    loop.call_soon_threadsafe([&ran, i] { ran += ran == i ? 1 : 0; });
  }
  EXPECT_FALSE(run_without_memory(loop, 1));
  EXPECT_EQ(300, ran);
}

// A call_soon behind them gives each its place in the queue, which needs memory. What gets none
// waits.
TEST(LoopWithoutMemory, WhatOtherThreadsPostedRunsInItsOrderBeforeACallSoonToo) {
  std::size_t nth = 0;
  for (bool failed = true; failed;) {
    EventLoop loop;
    int ran = 0;
    for (int i = 0; i < 300; ++i) {
      loop.call_soon_threadsafe([&ran, i] { ran += ran == i ? 1 : 0; });
    }
    int soon = 0;
    int refused = 0;
    {
      const testing::FailingAllocation failing(++nth);
      try {
        loop.call_soon([&soon] { ++soon; });
      } catch (const std::bad_alloc&) {
        ++refused;
      }
      failed = failing.failed();
    }
    EXPECT_FALSE(run_without_memory(loop, 1000)) << "failure " << nth;
    EXPECT_EQ(300, ran) << "failure " << nth;
    EXPECT_EQ(1, soon + refused) << "failure " << nth;
  }
  EXPECT_LT(1U, nth);
}

TEST(LoopWithoutMemory, ATimerMayAddTimersInItsOwnTurn) {
  EventLoop loop;
  int ran = 0;
  for (int i = 0; i < 3; ++i) {
    loop.call_later(std::chrono::nanoseconds::zero(), [&] {
      for (int k = 0; k < 100; ++k) {
        loop.call_later(std::chrono::nanoseconds::zero(), [&] { ++ran; });
      }
    });
  }
  for (int i = 0; i < 2; ++i) {
    loop.stop();
    loop.run_forever();
  }
  EXPECT_EQ(300, ran);
}

}  // namespace
}  // namespace sluice::loop
