// The numbered turn of the loop: 1 the timeout, 2 the poll, 3 callbacks, I/O, timers, 4 the flush.
#include <cerrno>

#include "loop/loop_fixture.hpp"

namespace sluice::loop {
namespace {

class Turn : public LoopTest {};

// W-162
TEST_F(Turn, CallbacksRunFirstInFirstOut) {
  note_soon("1");
  note_soon("2");
  note_soon("3");
  turn();
  EXPECT_EQ((Texts{"1", "2", "3"}), trace_);
}

// W-162
TEST_F(Turn, WhatIsQueuedMeanwhileWaitsForTheNextTurn) {
  loop_->call_soon([this] {
    trace_.push_back("first");
    note_soon("queued meanwhile");
  });
  note_soon("second");
  turn();
  EXPECT_EQ((Texts{"first", "second"}), trace_);
  turn();
  EXPECT_EQ((Texts{"first", "second", "queued meanwhile"}), trace_);
}

// W-162
TEST_F(Turn, ACallbackThatQueuesItselfPollsBetweenItsRuns) {
  int left = 3;
  std::function<void()> again = [&] {
    if (--left > 0) {
      loop_->call_soon(again);
    } else {
      loop_->stop();
    }
  };
  loop_->call_soon(again);
  loop_->run_forever();
  EXPECT_EQ(3U, kernel_->count_calls("epoll_wait"));
}

// W-163
TEST_F(Turn, ADelayOfNothingRunsAfterWhatCallSoonHasQueued) {
  loop_->call_later(seconds(0), note("timer"));
  note_soon("soon");
  turn();
  EXPECT_EQ((Texts{"soon", "timer"}), trace_);
}

// W-162
TEST_F(Turn, ATimerOfADelayOfNothingMadeInACallbackRunsInTheNextTurn) {
  loop_->call_soon([this] { loop_->call_later(seconds(0), note("timer")); });
  turn();
  EXPECT_EQ(Texts{}, trace_);
  turn();
  EXPECT_EQ(Texts{"timer"}, trace_);
}

// W-162
TEST_F(Turn, WhatATimerQueuesWaitsForTheNextTurn) {
  loop_->call_later(seconds(0), [this] { note_soon("soon"); });
  turn();
  EXPECT_EQ(Texts{}, trace_);
  turn();
  EXPECT_EQ(Texts{"soon"}, trace_);
}

// W-167
TEST_F(Turn, AnExceptionDoesNotKeepTheNextCallbackFromRunning) {
  loop_->set_exception_handler([this](const ExceptionContext& context) {
    trace_.push_back(context.message + ": " + context.what());
  });
  loop_->call_soon([] { throw std::runtime_error("oops"); });
  loop_->call_later(seconds(0), [] { throw 42; });
  note_soon("next");
  turn();
  EXPECT_EQ((Texts{"Exception in callback: oops", "next",
                   "Exception in callback: an exception that is not a std::exception"}),
            trace_);
}

// W-173
TEST_F(Turn, DoesNotWaitWhileCallbacksAreQueued) {
  loop_->call_later(seconds(10), [] {});
  loop_->call_soon([this] { loop_->stop(); });
  const TimePoint start = loop_->time();
  loop_->run_forever();
  EXPECT_EQ(start, loop_->time());
  EXPECT_EQ(0, kernel_->calls().back().argument);
}

// W-173
TEST_F(Turn, WithoutTimersThereIsNoTimeout) {
  kernel_->on_idle([this] {
    loop_->call_soon_threadsafe([this] { loop_->stop(); });
    return true;
  });
  loop_->run_forever();
  std::vector<long> timeouts;
  for (const testing::CallRecord& call : kernel_->calls()) {
    if (call.name == "epoll_wait") {
      timeouts.push_back(call.argument);
    }
  }
  EXPECT_EQ(-1, timeouts.front());
}

class TurnOfCore : public CoreTest {
 protected:
  int watch(NotingWatcher& watcher, bool room = false) {
    const int fd = open_stream();
    if (!room) {
      kernel_->set_room(fd, 0);
    }
    EXPECT_FALSE(core_->reactor().add(fd, watcher));
    return fd;
  }
  void TearDown() override {
    for (const int fd : fds_) {
      core_->reactor().remove(fd);
    }
    CoreTest::TearDown();
  }
};

class NotingFlushable final : public Flushable {
 public:
  explicit NotingFlushable(Texts& trace) : trace_(&trace) {}
  void on_end_of_turn() override {
    trace_->push_back("flush");
    if (then) {
      then();
    }
  }
  std::function<void()> then;

 private:
  Texts* trace_;
};

// W-162, W-163
TEST_F(TurnOfCore, TheOrderIsEarlierCallbacksThenEventsThenTimersThenTheFlush) {
  NotingWatcher watcher(trace_, "io");
  NotingFlushable flushable(trace_);
  const int fd = watch(watcher, true);
  kernel_->deliver(fd, "x");
  core_->call_at(core_->time(), [&] {
    trace_.push_back("timer");
    core_->request_flush(flushable);
  });
  note_soon("soon");
  turn();
  EXPECT_EQ((Texts{"soon", "io readable writable", "timer", "flush"}), trace_);
}

// W-162
TEST_F(TurnOfCore, WhatAnEventQueuesWaitsForTheNextTurn) {
  NotingWatcher watcher(trace_, "io");
  watcher.then = [&] { note_soon("queued by io"); };
  kernel_->deliver(watch(watcher), "x");
  core_->call_at(core_->time(), [&] { trace_.push_back("timer"); });
  turn();
  EXPECT_EQ((Texts{"io readable", "timer"}), trace_);
  turn();
  EXPECT_EQ((Texts{"io readable", "timer", "queued by io"}), trace_);
}

// W-162
TEST_F(TurnOfCore, WhatIsFlushedMayAskForTheNextFlushButNotForAnotherOneInThisTurn) {
  NotingFlushable flushable(trace_);
  flushable.then = [&] { core_->request_flush(flushable); };
  core_->call_soon([&] { core_->request_flush(flushable); });
  core_->call_soon([&] { core_->request_flush(flushable); });
  core_->call_at(core_->time() + seconds(1), [&] { core_->stop(); });
  turn();
  // Once in the turn, and once when the run ends, so that nothing is left lying.
  EXPECT_EQ((Texts{"flush", "flush"}), trace_);
  flushable.then = nullptr;
}

// W-154, W-173
TEST_F(TurnOfCore, AServiceThatIsOwedComesInTheNextTurnWithoutWaiting) {
  NotingWatcher watcher(trace_, "io");
  const int fd = watch(watcher);
  core_->call_soon([&] { core_->request_service(watcher, {.readable = true}); });
  turn();
  EXPECT_EQ(Texts{}, trace_);
  core_->call_at(core_->time() + seconds(5), [] {});
  const TimePoint start = core_->time();
  watcher.then = [&] { core_->stop(); };
  core_->run_forever();
  EXPECT_EQ(Texts{"io readable"}, trace_);
  EXPECT_EQ(start, core_->time());
  EXPECT_TRUE(kernel_->is_open(fd));
}

// W-154
TEST_F(TurnOfCore, AnEventThatAsksForMoreServiceIsServedAgainInTheNextTurnOnly) {
  NotingWatcher watcher(trace_, "io");
  watcher.then = [&] { core_->request_service(watcher, {.readable = true}); };
  kernel_->deliver(watch(watcher), "x");
  turn();
  EXPECT_EQ(Texts{"io readable"}, trace_);
  turn();
  EXPECT_EQ((Texts{"io readable", "io readable"}), trace_);
  watcher.then = nullptr;
  watcher.unlink();
}

// W-154
TEST_F(TurnOfCore, AServiceThatIsOwedAndANewEventAreOneEvent) {
  NotingWatcher watcher(trace_, "io");
  const int fd = watch(watcher);
  core_->request_service(watcher, {.readable = true});
  kernel_->set_room(fd, 1);
  turn();
  EXPECT_EQ(Texts{"io readable writable"}, trace_);
}

// W-174
TEST_F(TurnOfCore, AServiceThatIsOwedToADestroyedWatcherIsForgotten) {
  {
    NotingWatcher watcher(trace_, "io");
    core_->request_service(watcher, {.readable = true});
  }
  turn();
  EXPECT_EQ(Texts{}, trace_);
}

TEST_F(TurnOfCore, WhatIsBuriedLivesUntilTheTurnHasEnded) {
  bool gone = false;
  core_->call_soon([&] {
    core_->bury(std::make_shared<Tracer>(gone));
    EXPECT_FALSE(gone);
  });
  core_->call_soon([&] { EXPECT_FALSE(gone); });
  turn();
  EXPECT_TRUE(gone);
}

// A destructor may bury another; nothing else need happen for that one to go, too.
TEST_F(TurnOfCore, WhatIsBuriedByTheDeadIsNotForgotten) {
  struct Will {
    LoopCore& loop;
    bool& gone;
    ~Will() { loop.bury(std::make_shared<Tracer>(gone)); }
  };
  bool gone = false;
  core_->call_soon([&] { core_->bury(std::shared_ptr<Will>(new Will{*core_, gone})); });
  core_->call_at(core_->time() + hours(1), [&] {
    EXPECT_TRUE(gone);
    core_->stop();
  });
  core_->run_forever();
}

}  // namespace
}  // namespace sluice::loop
