// run_forever, run_until_complete and stop.
#include <stdexcept>
#include <thread>

#include "loop/loop_fixture.hpp"

namespace sluice::loop {
namespace {

class Running : public LoopTest {};

// W-168
TEST_F(Running, StopLetsTheTurnFinish) {
  loop_->call_soon([this] {
    loop_->stop();
    note_soon("next turn");
  });
  note_soon("same turn");
  loop_->call_later(seconds(0), note("timer of the same turn"));
  loop_->run_forever();
  EXPECT_EQ((Texts{"same turn", "timer of the same turn"}), trace_);
}

// W-168
TEST_F(Running, WhatWasQueuedDuringTheLastTurnRunsWhenTheLoopIsRunAgain) {
  loop_->call_soon([this] {
    loop_->stop();
    note_soon("later");
  });
  loop_->run_forever();
  EXPECT_EQ(Texts{}, trace_);
  turn();
  EXPECT_EQ(Texts{"later"}, trace_);
}

// W-168
TEST_F(Running, StopBeforeTheRunMakesItExactlyOneTurnThatDoesNotWait) {
  loop_->call_later(seconds(9), note("never"));
  const TimePoint start = loop_->time();
  loop_->stop();
  loop_->run_forever();
  EXPECT_EQ(1U, kernel_->count_calls("epoll_wait"));
  EXPECT_EQ(start, loop_->time());
}

// W-168
TEST_F(Running, StopHoldsForOneRunOnly) {
  loop_->stop();
  loop_->stop();
  loop_->run_forever();
  note_soon("ran");
  run_for(milliseconds(1));
  EXPECT_EQ(Texts{"ran"}, trace_);
}

TEST_F(Running, TheLoopSaysWhetherItRuns) {
  EXPECT_FALSE(loop_->is_running());
  loop_->call_soon([this] { EXPECT_TRUE(loop_->is_running()); });
  turn();
  EXPECT_FALSE(loop_->is_running());
}

// W-170
TEST_F(Running, ALoopThatRunsCannotBeRunAgain) {
  loop_->call_soon([this] {
    trace_.push_back(thrown_by([this] { loop_->run_forever(); }));
    EXPECT_TRUE(loop_->is_running());
  });
  note_soon("goes on");
  turn();
  EXPECT_EQ((Texts{"logic_error: This event loop is already running", "goes on"}), trace_);
}

// W-170
TEST_F(Running, ALoopThatRunsCannotRunUntilSomethingCompletes) {
  Future<void> future = loop_->create_future<void>();
  loop_->call_soon([&] {
    trace_.push_back(thrown_by([&] { loop_->run_until_complete(future); }));
    future.set_result();
  });
  loop_->call_later(milliseconds(1), note("goes on"));
  run_for(milliseconds(1));
  EXPECT_EQ((Texts{"logic_error: This event loop is already running", "goes on"}), trace_);
}

// W-170
TEST_F(Running, AnotherLoopCannotRunInTheSameThreadMeanwhile) {
  EventLoop other(options());
  loop_->call_soon([&] { trace_.push_back(thrown_by([&] { other.run_forever(); })); });
  turn();
  EXPECT_EQ(Texts{"logic_error: Cannot run the event loop while another loop is running"}, trace_);
  other.stop();
  other.run_forever();
}

// W-170
TEST(RunningInThreads, EachThreadMayRunALoopOfItsOwn) {
  EventLoop loop;
  bool ran = false;
  loop.call_soon([&] {
    std::thread thread([&] {
      EventLoop other;
      other.call_soon([&] {
        ran = true;
        other.stop();
      });
      other.run_forever();
    });
    thread.join();
    loop.stop();
  });
  loop.run_forever();
  EXPECT_TRUE(ran);
}

// W-170
TEST(RunningInThreads, ALoopMayRunInOneThreadAndLaterInAnother) {
  EventLoop loop(LoopOptions{.debug = true});
  int turns = 0;
  const auto run = [&] {
    loop.call_soon([&] {
      ++turns;
      loop.stop();
    });
    loop.run_forever();
  };
  run();
  std::thread(run).join();
  run();
  EXPECT_EQ(3, turns);
}

// W-169
TEST_F(Running, UntilCompleteReturnsTheValue) {
  Future<std::string> future = loop_->create_future<std::string>();
  loop_->call_later(seconds(1), [&] { future.set_result("value"); });
  EXPECT_EQ("value", loop_->run_until_complete(future));
}

// W-169
TEST_F(Running, UntilCompleteReturnsAValueThatIsThereAlready) {
  Future<int> future = loop_->create_future<int>();
  future.set_result(7);
  EXPECT_EQ(7, loop_->run_until_complete(future));
}

// W-169
TEST_F(Running, UntilCompleteReturnsValuesThatCannotBeCopied) {
  Future<std::unique_ptr<int>> future = loop_->create_future<std::unique_ptr<int>>();
  future.set_result(std::make_unique<int>(7));
  EXPECT_EQ(7, *loop_->run_until_complete(future));
}

// W-169
TEST_F(Running, UntilCompleteThrowsTheException) {
  Future<int> future = loop_->create_future<int>();
  loop_->call_soon(
      [&] { future.set_exception(std::make_exception_ptr(std::runtime_error("oops"))); });
  EXPECT_EQ("exception: oops", thrown_by([&] { loop_->run_until_complete(future); }));
}

// W-169
TEST_F(Running, UntilCompleteThrowsWhenTheFutureIsCancelled) {
  Future<void> future = loop_->create_future<void>();
  loop_->call_soon([&] { future.cancel(); });
  try {
    loop_->run_until_complete(future);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::system_error& error) {
    EXPECT_EQ(Errc::cancelled, error.code());
  }
}

// W-169
TEST_F(Running, UntilCompleteThrowsWhenTheLoopIsStoppedFirst) {
  Future<void> future = loop_->create_future<void>();
  loop_->call_soon([this] { loop_->stop(); });
  try {
    loop_->run_until_complete(future);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::system_error& error) {
    EXPECT_EQ(Errc::loop_stopped, error.code());
  }
}

// W-169
TEST_F(Running, AFutureThatWasGivenUpDoesNotStopALaterRun) {
  Future<void> future = loop_->create_future<void>();
  loop_->call_soon([this] { loop_->stop(); });
  EXPECT_THROW(loop_->run_until_complete(future), std::system_error);
  future.set_result();
  loop_->call_later(seconds(1), note("the later run went on"));
  run_for(seconds(1));
  EXPECT_EQ(Texts{"the later run went on"}, trace_);
}

// W-169
TEST_F(Running, UntilCompleteRunsATask) {
  const auto task = [](EventLoop& loop) -> Task<int> {
    Future<int> future = loop.create_future<int>();
    loop.call_later(seconds(1), [future] { future.set_result(20); });
    co_return co_await future + 1;
  };
  EXPECT_EQ(21, loop_->run_until_complete(task(*loop_)));
}

// W-162
TEST_F(Running, TheTurnInWhichTheFutureCompletesIsFinished) {
  Future<void> future = loop_->create_future<void>();
  loop_->call_soon([&] {
    future.set_result();
    note_soon("behind the callback that stops");
  });
  loop_->run_until_complete(future);
  EXPECT_EQ(Texts{"behind the callback that stops"}, trace_);
}

}  // namespace
}  // namespace sluice::loop
