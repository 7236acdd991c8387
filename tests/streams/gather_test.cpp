// gather, wait_for, shield, sleep.

#include "streams/streams_fixture.hpp"

namespace sluice::streams {
namespace {

class TaskTools : public StreamsTest {
 protected:
  static Task<int> later(nanoseconds delay, int value) {
    co_await sleep(delay);
    co_return value;
  }
  static Task<> fail_later(nanoseconds delay, const char* what) {
    co_await sleep(delay);
    throw std::runtime_error(what);
  }
  Task<> note_end(nanoseconds delay, std::string name) {
    try {
      co_await sleep(delay);
      note(name + " done");
    } catch (const CancelledError&) {
      note(name + " cancelled");
      throw;
    }
  }
};

TEST_F(TaskTools, SleepTakesItsTimeAndNoLonger) {
  const TimePoint start = loop_->time();
  EXPECT_EQ(1, loop_->run_until_complete(later(seconds(3), 1)));
  EXPECT_EQ(start + seconds(3), loop_->time());
}

TEST_F(TaskTools, SleepingForNoTimeLetsTheOthersRun) {
  const auto body = [this]() -> Task<> {
    loop_->call_soon([this] { note("other"); });
    co_await sleep(seconds(0));
    note("task");
  };
  loop_->run_until_complete(body());
  EXPECT_EQ((Texts{"other", "task"}), trace_);
}

TEST_F(TaskTools, ASleepThatIsCancelledLeavesNoTimer) {
  const Future<int> task = loop_->create_task(later(hours(1), 1));
  turn();
  task.cancel();
  turn();
  EXPECT_TRUE(task.cancelled());
  // The kernel would find the loop asleep for an hour if the timer were left.
  const TimePoint start = loop_->time();
  run_for(seconds(1));
  EXPECT_EQ(start + seconds(1), loop_->time());
}

TEST_F(TaskTools, ATaskKnowsItsLoop) {
  const auto body = [this]() -> Task<bool> {
    co_return &co_await get_running_loop() == loop_.get();
  };
  EXPECT_TRUE(loop_->run_until_complete(body()));
}

TEST_F(TaskTools, GatherRunsAllAtOnceAndGivesTheirValuesInOrder) {
  const TimePoint start = loop_->time();
  const auto [one, two, three] = loop_->run_until_complete(
      gather(later(seconds(3), 1), later(seconds(1), 2), note_end(seconds(2), "void")));
  EXPECT_EQ(1, one);
  EXPECT_EQ(2, two);
  EXPECT_EQ(std::monostate(), three);
  EXPECT_EQ(start + seconds(3), loop_->time());
}

TEST_F(TaskTools, GatherTakesAnyNumberOfOneKind) {
  std::vector<Task<int>> tasks;
  for (int i = 0; i < 100; ++i) {
    tasks.push_back(later(milliseconds(100 - i), i));
  }
  const std::vector<int> values = loop_->run_until_complete(gather(std::move(tasks)));
  ASSERT_EQ(100U, values.size());
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(i, values[static_cast<std::size_t>(i)]);
  }
}

TEST_F(TaskTools, GatherOfNothingIsDone) {
  EXPECT_TRUE(loop_->run_until_complete(gather(std::vector<Task<int>>())).empty());
  loop_->run_until_complete(gather(std::vector<Task<>>()));
}

TEST_F(TaskTools, GatherTakesFuturesAndLeavesThemTheirValues) {
  const Future<std::string> future = loop_->create_future<std::string>();
  loop_->call_later(seconds(1), [future] { future.set_result("shared"); });
  const auto [shared, own] = loop_->run_until_complete(gather(future, later(seconds(2), 2)));
  EXPECT_EQ("shared", shared);
  EXPECT_EQ("shared", future.get());
  EXPECT_EQ(2, own);
}

TEST_F(TaskTools, GatherMovesValuesThatCannotBeCopied) {
  const auto make = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
  const auto [value] = loop_->run_until_complete(gather(make()));
  EXPECT_EQ(7, *value);
}

TEST_F(TaskTools, GatherThrowsTheFirstFailureAndTheOthersGoOn) {
  const TimePoint start = loop_->time();
  const std::string thrown = thrown_by([&] {
    loop_->run_until_complete(gather(note_end(seconds(5), "other"),
                                     fail_later(seconds(2), "second"),
                                     fail_later(seconds(1), "first")));
  });
  EXPECT_EQ("first", thrown);
  EXPECT_EQ(start + seconds(1), loop_->time());
  run_for(seconds(10));
  EXPECT_EQ(Texts{"other done"}, trace_);
  EXPECT_EQ(Texts{}, reports_);
}

TEST_F(TaskTools, GatherOfAFutureThatHasFailedThrowsAtOnce) {
  const Future<int> failed = loop_->create_future<int>();
  failed.set_exception(std::make_exception_ptr(std::runtime_error("oops")));
  EXPECT_EQ("oops", thrown_by([&] {
              loop_->run_until_complete(gather(failed, loop_->create_future<int>()));
            }));
}

TEST_F(TaskTools, GatherThrowsCancelledWhenOneOfThemIsCancelled) {
  const Future<int> future = loop_->create_future<int>();
  loop_->call_soon([future] { future.cancel(); });
  EXPECT_EQ("cancelled", thrown_by([&] {
              loop_->run_until_complete(gather(future, note_end(seconds(1), "other")));
            }));
  run_for(seconds(2));
  EXPECT_EQ(Texts{"other done"}, trace_);
}

TEST_F(TaskTools, GatherThatIsCancelledCancelsAllAndWaitsForTheirEnds) {
  const auto slow_end = [this]() -> Task<> {
    try {
      co_await sleep(hours(1));
    } catch (const CancelledError&) {
    }
    co_await sleep(seconds(1));
    note("slow end");
  };
  const Future<int> plain = loop_->create_future<int>();
  const auto task = loop_->create_task(gather(slow_end(), note_end(hours(1), "quick end"), plain));
  turn(2);
  EXPECT_TRUE(task.cancel());
  turn(3);
  EXPECT_TRUE(plain.cancelled());
  EXPECT_FALSE(task.done());
  run_for(seconds(2));
  EXPECT_TRUE(task.cancelled());
  EXPECT_EQ((Texts{"quick end cancelled", "slow end"}), trace_);
}

TEST_F(TaskTools, GatherCanGiveAllOutcomes) {
  const auto [good, bad] = loop_->run_until_complete(
      gather(return_exceptions, later(seconds(2), 7), fail_later(seconds(1), "oops")));
  EXPECT_EQ(7, good.get());
  EXPECT_EQ("oops", outcome_of(bad));
  std::vector<Task<>> tasks;
  tasks.push_back(fail_later(seconds(1), "one"));
  tasks.push_back(note_end(seconds(1), "two"));
  const auto outcomes = loop_->run_until_complete(gather(return_exceptions, std::move(tasks)));
  EXPECT_EQ("one", outcome_of(outcomes.at(0)));
  EXPECT_EQ("done", outcome_of(outcomes.at(1)));
}

TEST_F(TaskTools, WaitForGivesTheValueInTime) {
  EXPECT_EQ(7, loop_->run_until_complete(wait_for(later(seconds(1), 7), seconds(2))));
  loop_->run_until_complete(wait_for(note_end(seconds(1), "void"), std::nullopt));
  // The deadline that was not reached cancels nobody.
  run_for(seconds(5));
  EXPECT_EQ(Texts{"void done"}, trace_);
}

TEST_F(TaskTools, WaitForCancelsWaitsForTheEndAndTimesOut) {
  const auto slow_end = [this]() -> Task<> {
    try {
      co_await sleep(hours(1));
    } catch (const CancelledError&) {
      note("cancelled");
    }
    co_await sleep(seconds(1));
    note("cleaned up");
    throw CancelledError();
  };
  const TimePoint start = loop_->time();
  EXPECT_EQ("timed out",
            thrown_by([&] { loop_->run_until_complete(wait_for(slow_end(), seconds(2))); }));
  EXPECT_EQ(start + seconds(3), loop_->time());
  EXPECT_EQ((Texts{"cancelled", "cleaned up"}), trace_);
}

TEST_F(TaskTools, WaitForGivesWhatIsReturnedInSpiteOfTheCancellation) {
  const auto stubborn = []() -> Task<int> {
    try {
      co_await sleep(hours(1));
    } catch (const CancelledError&) {
    }
    co_return 7;
  };
  const auto outer = [&]() -> Task<int> {
    const int value = co_await wait_for(stubborn(), seconds(1));
    // The deadline's cancellation is over: this is not cancelled.
    co_await sleep(seconds(1));
    co_return value;
  };
  EXPECT_EQ(7, loop_->run_until_complete(outer()));
}

TEST_F(TaskTools, WaitForPassesOtherExceptionsOn) {
  EXPECT_EQ("oops", thrown_by([&] {
              loop_->run_until_complete(wait_for(fail_later(seconds(1), "oops"), seconds(2)));
            }));
}

TEST_F(TaskTools, WaitForWithoutTimeDoesNotStartTheTask) {
  EXPECT_EQ("timed out", thrown_by([&] {
              loop_->run_until_complete(wait_for(note_end(seconds(1), "never"), seconds(0)));
            }));
  EXPECT_EQ(Texts{}, trace_);
}

TEST_F(TaskTools, WaitForWithoutTimeTakesTheValueOfAFutureThatIsDone) {
  const Future<int> future = loop_->create_future<int>();
  future.set_result(7);
  EXPECT_EQ(7, loop_->run_until_complete(wait_for(future, seconds(0))));
  EXPECT_EQ("timed out", thrown_by([&] {
              loop_->run_until_complete(wait_for(loop_->create_future<int>(), seconds(0)));
            }));
}

TEST_F(TaskTools, WaitForThatIsCancelledFromElsewhereIsCancelled) {
  const Future<void> task = loop_->create_task(wait_for(note_end(hours(1), "inner"), seconds(10)));
  turn();
  task.cancel();
  turn();
  EXPECT_TRUE(task.cancelled());
  EXPECT_EQ(Texts{"inner cancelled"}, trace_);
}

TEST_F(TaskTools, WaitForThatIsCancelledInTheMomentOfItsTimeoutIsCancelled) {
  const Future<int> task = loop_->create_task(wait_for(later(hours(1), 7), seconds(1)));
  turn();
  // Runs before the deadline's timer, in the same turn.
  loop_->call_later(seconds(1), [task] { task.cancel(); });
  run_for(seconds(2));
  EXPECT_TRUE(task.cancelled());
}

TEST_F(TaskTools, WaitForCancelsTheFutureWhenTheTimeIsOver) {
  const Future<int> future = loop_->create_future<int>();
  EXPECT_EQ("timed out",
            thrown_by([&] { loop_->run_until_complete(wait_for(future, seconds(1))); }));
  EXPECT_TRUE(future.cancelled());
}

TEST_F(TaskTools, WaitForLosesNoValueThatComesInTheMomentOfItsTimeout) {
  const Future<int> future = loop_->create_future<int>();
  const Future<int> task = loop_->create_task(wait_for(future, seconds(1)));
  loop_->call_later(seconds(1), [future] { future.set_result(7); });
  run_for(seconds(2));
  EXPECT_EQ("done", outcome_of(task));
  EXPECT_EQ(7, future.get());
}

TEST_F(TaskTools, WaitForInsideWaitForTimesOutTheOuterOne) {
  const auto inner = [this]() -> Task<int> {
    try {
      co_return co_await wait_for(later(hours(1), 7), seconds(10));
    } catch (const CancelledError&) {
      note("inner is cancelled, not timed out");
      throw;
    }
  };
  EXPECT_EQ("timed out",
            thrown_by([&] { loop_->run_until_complete(wait_for(inner(), seconds(1))); }));
  EXPECT_EQ(Texts{"inner is cancelled, not timed out"}, trace_);
}

TEST_F(TaskTools, ShieldLeavesTheFutureAlone) {
  const Future<int> input = loop_->create_future<int>();
  const auto body = [](Future<int> future) -> Task<int> { co_return co_await shield(future); };
  const Future<int> cancelled = loop_->create_task(body(input));
  const Future<int> other = loop_->create_task(body(input));
  turn();
  cancelled.cancel();
  turn();
  EXPECT_TRUE(cancelled.cancelled());
  EXPECT_FALSE(input.done());
  input.set_result(7);
  turn();
  EXPECT_EQ(7, other.get());
}

TEST_F(TaskTools, ShieldLetsATaskGoOn) {
  const Future<void> task = loop_->create_task(shield(note_end(seconds(1), "inner")));
  turn(2);
  task.cancel();
  turn();
  EXPECT_TRUE(task.cancelled());
  run_for(seconds(2));
  EXPECT_EQ(Texts{"inner done"}, trace_);
}

TEST_F(TaskTools, ATaskThatWaitsForATaskDirectlyInAShieldIsNotTheOneThatIsCancelled) {
  const Future<void> inner = loop_->create_task(note_end(seconds(1), "inner"));
  const auto body = [](Future<void> future) -> Task<> { co_await shield(future); };
  const Future<void> task = loop_->create_task(body(inner));
  turn();
  task.cancel();
  run_for(seconds(2));
  EXPECT_TRUE(task.cancelled());
  EXPECT_EQ("done", outcome_of(inner));
}

}  // namespace
}  // namespace sluice::streams
