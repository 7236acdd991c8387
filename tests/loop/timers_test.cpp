// call_later and call_at, on the virtual clock.
#include <algorithm>

#include "loop/loop_fixture.hpp"

namespace sluice::loop {
namespace {

class LoopTimers : public LoopTest {
 protected:
  // The timeouts of all polls so far, in milliseconds.
  [[nodiscard]] std::vector<long> timeouts() const {
    std::vector<long> result;
    for (const testing::CallRecord& call : kernel_->calls()) {
      if (call.name == "epoll_wait") {
        result.push_back(call.argument);
      }
    }
    return result;
  }
  void note_later(nanoseconds delay, std::string name) {
    loop_->call_later(delay, note(std::move(name)));
  }
};

// W-165
TEST_F(LoopTimers, RunInOrderOfTime) {
  note_later(milliseconds(30), "30");
  note_later(milliseconds(10), "10");
  note_later(milliseconds(20), "20");
  run_for(milliseconds(30));
  EXPECT_EQ((Texts{"10", "20", "30"}), trace_);
}

// W-165
TEST_F(LoopTimers, EqualTimesKeepTheOrderOfTheCalls) {
  const TimePoint when = loop_->time() + milliseconds(5);
  Texts expected;
  for (int i = 0; i < 50; ++i) {
    expected.push_back(std::to_string(i));
    loop_->call_at(when, note(expected.back()));
  }
  run_for(milliseconds(5));
  EXPECT_EQ(expected, trace_);
}

// W-165
TEST_F(LoopTimers, NoneRunsBeforeItsTime) {
  const TimePoint start = loop_->time();
  for (const nanoseconds delay : {nanoseconds(1), nanoseconds(999'999), nanoseconds(1'000'001),
                                  nanoseconds(milliseconds(7)), nanoseconds(microseconds(7300))}) {
    loop_->call_later(delay, [=, this] { EXPECT_GE(loop_->time() - start, delay); });
  }
  run_for(milliseconds(10));
}

// W-173
TEST_F(LoopTimers, TheTimeoutIsRoundedUpToMilliseconds) {
  run_for(microseconds(1500));
  EXPECT_EQ(2, timeouts().front());
}

// W-173
TEST_F(LoopTimers, ATimerThatIsNotYetDueIsNotWaitedForInASpin) {
  run_for(nanoseconds(1));
  EXPECT_EQ((std::vector<long>{1}), timeouts());
}

// W-173
TEST_F(LoopTimers, AWholeNumberOfMillisecondsIsWaitedForExactly) {
  const TimePoint start = loop_->time();
  run_for(milliseconds(40));
  EXPECT_EQ(milliseconds(40), loop_->time() - start);
  EXPECT_EQ((std::vector<long>{40}), timeouts());
}

// W-173
TEST_F(LoopTimers, NoPollIsLongerThanADay) {
  const TimePoint start = loop_->time();
  run_for(hours(60));
  EXPECT_EQ(hours(60), loop_->time() - start);
  EXPECT_EQ((std::vector<long>{86'400'000, 86'400'000, 43'200'000}), timeouts());
}

// W-173
TEST_F(LoopTimers, ATimerAtTheEndOfTimeIsWaitedForADayAtATime) {
  loop_->call_at(TimePoint::max(), note("never"));
  int idle = 0;
  kernel_->on_idle([&] {
    if (++idle == 1) {
      return false;
    }
    loop_->call_soon_threadsafe([this] { loop_->stop(); });
    return true;
  });
  loop_->run_forever();
  EXPECT_EQ((std::vector<long>{86'400'000, 86'400'000}), timeouts());
  EXPECT_EQ(Texts{}, trace_);
}

class CountingKernel : public testing::ScriptedKernel {
 public:
  Clock::time_point now() noexcept override {
    ++looks_at_clock;
    return ScriptedKernel::now();
  }
  int looks_at_clock = 0;
};

TEST(LooksAtTheClock, AreTwoForATimerThatIsDueAtTheTimeThatItsTurnWasTold) {
  const auto kernel = std::make_shared<CountingKernel>();
  LoopOptions options;
  options.system_calls = kernel;
  EventLoop loop(options);
  loop.call_soon([&] {
    kernel->looks_at_clock = 0;
    loop.call_at(loop.time(), [&] { loop.stop(); });
  });
  loop.run_forever();
  EXPECT_EQ(2, kernel->looks_at_clock);
}

// W-165
TEST_F(LoopTimers, ADelayThatDoesNotFitIntoTheClockIsTheEndOfTime) {
  for (const nanoseconds delay :
       {nanoseconds::max(), nanoseconds::max() - loop_->time().time_since_epoch() + seconds(1)}) {
    const TimerHandle timer = loop_->call_later(delay, note("never"));
    EXPECT_EQ(TimePoint::max(), timer.when());
  }
  run_for(hours(1));
  EXPECT_EQ(Texts{}, trace_);
}

// W-165
TEST_F(LoopTimers, ANegativeDelayDoesNotOvertakeATimerThatIsDueNow) {
  note_later(nanoseconds::zero(), "none");
  note_later(nanoseconds::min(), "negative");
  turn();
  EXPECT_EQ((Texts{"none", "negative"}), trace_);
}

// W-165
TEST_F(LoopTimers, ANegativeDelayRunsInTheNextTurn) {
  const TimePoint start = loop_->time();
  note_later(seconds(-5), "past");
  turn();
  EXPECT_EQ(Texts{"past"}, trace_);
  EXPECT_EQ(start, loop_->time());
}

// W-165
TEST_F(LoopTimers, ATimeThatIsLongPastRunsInTheNextTurn) {
  loop_->call_at(TimePoint::min(), note("past"));
  loop_->call_soon([] {});
  turn();
  EXPECT_EQ(Texts{"past"}, trace_);
  loop_->call_at(TimePoint::min(), [this] { loop_->stop(); });
  loop_->run_forever();
}

// W-164
TEST_F(LoopTimers, ACancelledTimerDoesNotRunAndIsNotWaitedFor) {
  TimerHandle handle = loop_->call_later(milliseconds(1), note("never"));
  handle.cancel();
  run_for(milliseconds(9));
  EXPECT_EQ(Texts{}, trace_);
  EXPECT_EQ((std::vector<long>{9}), timeouts());
}

// W-172
TEST_F(LoopTimers, ManyCancelledTimersAreFreedBeforeTheyAreDue) {
  std::vector<TimerHandle> handles;
  for (int i = 0; i < 1000; ++i) {
    handles.push_back(loop_->call_later(hours(1), note("never")));
  }
  loop_->call_later(hours(1), note("the one that is left"));
  for (TimerHandle& handle : handles) {
    handle.cancel();
  }
  turn();
  run_for(hours(1));
  EXPECT_EQ(Texts{"the one that is left"}, trace_);
}

TEST_F(LoopTimers, ATimerMayScheduleItselfAgain) {
  const TimePoint start = loop_->time();
  std::vector<nanoseconds> times;
  std::function<void()> tick = [&] {
    times.push_back(loop_->time() - start);
    loop_->call_later(seconds(1), tick);
  };
  loop_->call_later(seconds(1), tick);
  run_for(milliseconds(3500));
  EXPECT_EQ((std::vector<nanoseconds>{seconds(1), seconds(2), seconds(3)}), times);
}

TEST_F(LoopTimers, WhatBecomesDueDuringATurnRunsInTheNextOne) {
  note_later(milliseconds(5), "timer");
  loop_->call_soon([this] { kernel_->advance(milliseconds(10)); });
  turn();
  EXPECT_EQ(Texts{}, trace_);
  turn();
  EXPECT_EQ(Texts{"timer"}, trace_);
}

TEST_F(LoopTimers, SeveralThatAreOverdueRunInOneTurnInOrderOfTime) {
  note_later(milliseconds(3), "3");
  note_later(milliseconds(1), "1");
  note_later(milliseconds(2), "2");
  kernel_->advance(seconds(1));
  turn();
  EXPECT_EQ((Texts{"1", "2", "3"}), trace_);
}

// W-165
TEST(TimersOfTheSystem, NeverRunEarly) {
  EventLoop loop;
  const TimePoint start = loop.time();
  TimePoint ran{};
  loop.call_later(microseconds(2500), [&] {
    ran = loop.time();
    loop.stop();
  });
  loop.run_forever();
  EXPECT_GE(ran - start, microseconds(2500));
}

}  // namespace
}  // namespace sluice::loop
