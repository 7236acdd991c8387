// LoopGroup: how its loops run, stop and close together.
#include "sluice/loop_group.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <functional>
#include <latch>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "sluice/error.hpp"
#include "sluice/tasks.hpp"
#include "testing/fd_guard.hpp"
#include "testing/no_new_threads.hpp"

namespace sluice::transports {
namespace {

TEST(LoopGroup, HasALoopForEachCoreUnlessToldOtherwise) {
  EXPECT_EQ(std::max<std::size_t>(std::thread::hardware_concurrency(), 1), LoopGroup().size());
  const LoopGroup three(3);
  EXPECT_EQ(3U, three.size());
  EXPECT_NE(&three.loop(0), &three.loop(1));
  EXPECT_THROW(static_cast<void>(three.loop(3)), std::out_of_range);
}

TEST(LoopGroup, RunsEachLoopOnAThreadOfItsOwnAndTheFirstOnTheCallers) {
  LoopGroup group(3);
  std::array<std::thread::id, 3> threads;
  std::latch all(3);
  for (std::size_t i = 0; i < 3; ++i) {
    group.loop(i).call_soon([&, i] {
      threads[i] = std::this_thread::get_id();
      // None can go on before all of them run.
      all.arrive_and_wait();
      if (i == 2) {
        group.stop();
      }
    });
  }
  group.run_forever();
  EXPECT_EQ(std::this_thread::get_id(), threads[0]);
  EXPECT_EQ(3U, std::set<std::thread::id>(threads.begin(), threads.end()).size());
  EXPECT_FALSE(group.is_running());
}

TEST(LoopGroup, StopBeforeRunningLetsTheFirstLoopRunOneTurn) {
  LoopGroup group(2);
  int turns = 0;
  std::function<void()> count = [&] {
    ++turns;
    group.loop(0).call_soon(std::ref(count));
  };
  group.loop(0).call_soon(std::ref(count));
  group.stop();
  group.run_forever();
  EXPECT_EQ(1, turns);
}

TEST(LoopGroup, StopBeforeRunningMeansTheGroupThoughTheFirstLoopRunsByItselfMeanwhile) {
  LoopGroup group(2);
  group.stop();
  int turns = 0;
  std::function<void()> count = [&] {
    if (++turns == 5) {
      group.loop(0).stop();
    }
    group.loop(0).call_soon(std::ref(count));
  };
  group.loop(0).call_soon(std::ref(count));
  group.loop(0).run_forever();
  EXPECT_EQ(5, turns);
  group.run_forever();
  EXPECT_EQ(6, turns);
}

TEST(LoopGroup, StopOfARunEndsNoLaterOne) {
  LoopGroup group(2);
  int turns = 0;
  std::function<void()> count = [&] {
    if (++turns % 5 == 0) {
      // The first has its effect, the second comes when this run ends anyway.
      group.loop(0).stop();
      group.stop();
    }
    group.loop(0).call_soon(std::ref(count));
  };
  group.loop(0).call_soon(std::ref(count));
  group.run_forever();
  EXPECT_EQ(5, turns);
  group.run_forever();
  EXPECT_EQ(10, turns);
  group.loop(0).run_forever();
  EXPECT_EQ(15, turns);
}

TEST(LoopGroup, ALoopThatStopsStopsTheGroupAndTheNextRunIsWhole) {
  LoopGroup group(3);
  for (int run = 0; run < 50; ++run) {
    group.loop(1).call_soon([&] { group.loop(1).stop(); });
    group.run_forever();
    // What was asked of the loop that had stopped already must not stop this run.
    std::atomic<int> hops = 0;
    std::function<void(std::size_t)> hop = [&](std::size_t to) {
      group.loop(to).call_soon_threadsafe([&, to] {
        if (++hops == 30) {
          group.stop();
        } else {
          hop((to + 1) % group.size());
        }
      });
    };
    hop(0);
    group.run_forever();
    ASSERT_EQ(30, hops);
  }
}

TEST(LoopGroup, RunUntilCompleteGivesTheOutcome) {
  LoopGroup group(2);
  const auto value = group.loop(0).create_future<std::string>();
  group.loop(1).call_soon([&] {
    group.loop(0).call_soon_threadsafe([&] { value.set_result("from the other loop"); });
  });
  EXPECT_EQ("from the other loop", group.run_until_complete(value));

  const auto nothing = group.loop(0).create_future<void>();
  group.loop(0).call_soon([&] { nothing.set_result(); });
  group.run_until_complete(nothing);

  const auto failure = group.loop(0).create_future<int>();
  group.loop(0).call_soon(
      [&] { failure.set_exception(std::make_exception_ptr(std::runtime_error("no luck"))); });
  EXPECT_THROW(group.run_until_complete(failure), std::runtime_error);
}

TEST(LoopGroup, AfterARunTheFirstLoopRunsByItself) {
  LoopGroup group(2);
  // The other loop has stopped by then, and has asked the first one to stop as well.
  const auto done = [](EventLoop& loop) {
    auto future = loop.create_future<void>();
    loop.call_later(std::chrono::milliseconds(1), [future]() mutable { future.set_result(); });
    return future;
  };
  group.run_until_complete(done(group.loop(0)));
  group.loop(0).run_until_complete(done(group.loop(0)));
}

TEST(LoopGroup, RunUntilCompleteTakesATask) {
  LoopGroup group(2);
  const auto answer = []() -> Task<int> { co_return 42; };
  EXPECT_EQ(42, group.run_until_complete(answer()));
}

TEST(LoopGroup, RunUntilCompleteThrowsWhenStoppedFirst) {
  LoopGroup group(2);
  const auto never = group.loop(0).create_future<void>();
  group.loop(1).call_soon([&] { group.stop(); });
  try {
    group.run_until_complete(never);
    FAIL() << "it returned";
  } catch (const std::system_error& error) {
    EXPECT_EQ(Errc::loop_stopped, error.code());
  }
}

TEST(LoopGroup, CannotRunTwiceNorBeClosedWhileItRuns) {
  LoopGroup group(2);
  int refused = 0;
  group.loop(0).call_soon([&] {
    EXPECT_TRUE(group.is_running());
    for (const auto& call : {&LoopGroup::run_forever, &LoopGroup::close}) {
      try {
        (group.*call)();
      } catch (const std::logic_error&) {
        ++refused;
      }
    }
    group.stop();
  });
  group.run_forever();
  EXPECT_EQ(2, refused);
}

TEST(LoopGroup, ClosedDestroysWhatIsQueuedAndRefusesToRun) {
  LoopGroup group(2);
  const auto kept = std::make_shared<int>(0);
  group.loop(0).call_soon([kept] {});
  group.loop(1).call_soon_threadsafe([kept] {});
  group.close();
  group.close();
  EXPECT_EQ(1, kept.use_count());
  EXPECT_TRUE(group.is_closed());
  EXPECT_THROW(group.run_forever(), std::logic_error);
  EXPECT_THROW(group.stop(), std::logic_error);
}

TEST(LoopGroup, WhatTheRunOfAnotherLoopThrowsStopsTheGroupAndIsThrown) {
  LoopGroup group(3);
  group.loop(2).close();
  EXPECT_THROW(group.run_forever(), std::logic_error);
  EXPECT_FALSE(group.is_running());
}

TEST(LoopGroup, WithoutAThreadNothingRuns) {
  LoopGroup group(3);
  bool ran = false;
  group.loop(0).call_soon([&] { ran = true; });
  {
    const testing::NoNewThreads no_threads;
    EXPECT_THROW(group.run_forever(), std::system_error);
    EXPECT_FALSE(ran);
  }
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  EXPECT_EQ(0, ::sigismember(&mask, SIGUSR1));
  group.loop(0).call_soon([&] { group.stop(); });
  group.run_forever();
}

TEST(LoopGroup, WhatACallbackThrowsGoesToTheHandlerOfItsLoop) {
  LoopGroup group(2);
  std::array<std::string, 2> heard;
  std::array<std::thread::id, 2> on;
  for (std::size_t i = 0; i < 2; ++i) {
    group.loop(i).set_exception_handler([&, i](const ExceptionContext& context) {
      heard[i] = context.what();
      on[i] = std::this_thread::get_id();
      if (i == 1) {
        group.stop();
      }
    });
    group.loop(i).call_soon([i] { throw std::runtime_error("of loop " + std::to_string(i)); });
  }
  group.run_forever();
  EXPECT_EQ("of loop 1", heard[1]);
  EXPECT_NE(std::this_thread::get_id(), on[1]);
  EXPECT_EQ("of loop 0", heard[0]);
  EXPECT_EQ(std::this_thread::get_id(), on[0]);
}

TEST(LoopGroup, SignalsReachTheFirstLoopsThreadOnly) {
  LoopGroup group(2);
  group.loop(0).add_signal_handler(SIGUSR1, [&] { group.stop(); });
  std::atomic<int> blocked = -1;
  // From a callback of the first loop: clang 14's thread sanitizer loses a signal that comes while
  // its thread enters its first blocking call.
  group.loop(0).call_soon([&] {
    group.loop(1).call_soon_threadsafe([&] {
      sigset_t mask;
      ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
      blocked = ::sigismember(&mask, SIGUSR1);
      ::kill(::getpid(), SIGUSR1);
    });
  });
  group.run_forever();
  EXPECT_EQ(1, blocked);
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  EXPECT_EQ(0, ::sigismember(&mask, SIGUSR1));
}

TEST(LoopGroup, LeavesNoDescriptorBehind) {
  const auto before = testing::open_fds();
  {
    LoopGroup group(4);
    group.loop(3).call_soon([&] { group.stop(); });
    group.run_forever();
  }
  EXPECT_EQ(before, testing::open_fds());
}

}  // namespace
}  // namespace sluice::transports
