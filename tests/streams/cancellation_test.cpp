// Cancelling tasks; the rules are those of docs/coroutines.md.

#include "streams/streams_fixture.hpp"

namespace sluice::streams {
namespace {

class Cancellation : public StreamsTest {
 protected:
  Task<int> wait_for_int(Future<int> future) { co_return co_await future; }
  /// Notes what the wait throws and throws it on.
  Task<> noting(Future<int> future) {
    try {
      co_await future;
      note("value");
    } catch (const CancelledError&) {
      note("cancelled");
      throw;
    }
  }
};

TEST_F(Cancellation, ThrowsWhereTheTaskWaitsAndEndsItAsCancelled) {
  const Future<int> input = loop_->create_future<int>();
  const Future<void> task = loop_->create_task(noting(input));
  turn();
  EXPECT_TRUE(task.cancel());
  EXPECT_FALSE(task.done());
  EXPECT_TRUE(input.cancelled());
  turn();
  EXPECT_EQ(Texts{"cancelled"}, trace_);
  EXPECT_TRUE(task.cancelled());
}

TEST_F(Cancellation, BeforeTheFirstStepNeverRunsTheBody) {
  int alive = 0;
  const auto body = [](Texts& trace, Counted /*argument*/) -> Task<> {
    trace.push_back("started");
    co_return;
  };
  const Future<void> task = loop_->create_task(body(trace_, Counted(alive)));
  EXPECT_TRUE(task.cancel());
  EXPECT_FALSE(task.done());
  turn();
  EXPECT_TRUE(task.cancelled());
  EXPECT_EQ(Texts{}, trace_);
  EXPECT_EQ(0, alive);
}

TEST_F(Cancellation, OfATaskThatHasEndedIsRefused) {
  const Future<int> input = loop_->create_future<int>();
  input.set_result(7);
  const Future<int> task = loop_->create_task(wait_for_int(input));
  turn();
  EXPECT_FALSE(task.cancel());
  EXPECT_EQ(7, task.get());
}

TEST_F(Cancellation, ReachesTheInnermostOfNestedCoroutines) {
  const auto outer = [this](Future<int> input) -> Task<> {
    try {
      co_await noting(input);
    } catch (const CancelledError&) {
      note("outer cancelled");
      throw;
    }
  };
  const Future<void> task = loop_->create_task(outer(loop_->create_future<int>()));
  turn();
  task.cancel();
  turn();
  EXPECT_EQ((Texts{"cancelled", "outer cancelled"}), trace_);
  EXPECT_TRUE(task.cancelled());
}

TEST_F(Cancellation, MayBeCaughtAndTheTaskGoesOn) {
  const auto stubborn = [](Future<int> input) -> Task<std::string> {
    try {
      co_await input;
    } catch (const CancelledError&) {
    }
    co_return "went on";
  };
  const Future<std::string> task = loop_->create_task(stubborn(loop_->create_future<int>()));
  turn();
  EXPECT_TRUE(task.cancel());
  turn();
  EXPECT_FALSE(task.cancelled());
  EXPECT_EQ("went on", task.get());
}

TEST_F(Cancellation, CleaningUpMayWaitItself) {
  const auto tidy = [this](Future<int> input) -> Task<> {
    bool cancelled = false;
    try {
      co_await input;
    } catch (const CancelledError&) {
      cancelled = true;
    }
    co_await sleep(seconds(1));
    note("tidied up");
    if (cancelled) {
      throw CancelledError();
    }
  };
  const Future<void> task = loop_->create_task(tidy(loop_->create_future<int>()));
  turn();
  task.cancel();
  turn();
  EXPECT_FALSE(task.done());
  run_for(seconds(2));
  EXPECT_EQ(Texts{"tidied up"}, trace_);
  EXPECT_TRUE(task.cancelled());
}

// What a task throws after it was cancelled is not swallowed.
TEST_F(Cancellation, AnExceptionThrownInsteadIsTheOutcome) {
  const auto failing = [](Future<int> input) -> Task<> {
    try {
      co_await input;
    } catch (const CancelledError&) {
      throw std::runtime_error("cleaning up failed");
    }
  };
  {
    const Future<void> task = loop_->create_task(failing(loop_->create_future<int>()));
    turn();
    task.cancel();
    turn();
    EXPECT_FALSE(task.cancelled());
  }
  EXPECT_EQ(Texts{"Future exception was never retrieved: cleaning up failed"}, reports_);
}

TEST_F(Cancellation, OfATaskThatIsAboutToGoOnThrowsAndLeavesTheFutureItsValue) {
  const Future<int> input = loop_->create_future<int>();
  const Future<void> task = loop_->create_task(noting(input));
  turn();
  input.set_result(1);
  EXPECT_TRUE(task.cancel());
  turn();
  EXPECT_EQ(Texts{"cancelled"}, trace_);
  EXPECT_EQ(1, input.get());
}

TEST_F(Cancellation, TwiceThrowsOnce) {
  const auto stubborn = [this](Future<int> input) -> Task<> {
    try {
      co_await input;
    } catch (const CancelledError&) {
      note("cancelled");
    }
    co_await sleep(seconds(1));
    note("slept");
  };
  const Future<void> task = loop_->create_task(stubborn(loop_->create_future<int>()));
  turn();
  EXPECT_TRUE(task.cancel());
  EXPECT_TRUE(task.cancel());
  run_for(seconds(2));
  EXPECT_EQ((Texts{"cancelled", "slept"}), trace_);
  EXPECT_EQ("done", outcome_of(task));
}

TEST_F(Cancellation, OfItselfIsThrownAtTheNextSuspension) {
  std::vector<Future<void>> self;
  const auto suicidal = [&]() -> Task<> {
    EXPECT_TRUE(self.front().cancel());
    note("still running");
    co_await sleep(seconds(1));
    note("never");
  };
  self.push_back(loop_->create_task(suicidal()));
  turn(2);
  EXPECT_EQ(Texts{"still running"}, trace_);
  EXPECT_TRUE(self.front().cancelled());
}

TEST_F(Cancellation, OfItselfWithoutAnotherSuspensionEndsItAsCancelled) {
  std::vector<Future<int>> self;
  const auto suicidal = [&]() -> Task<int> {
    self.front().cancel();
    co_return 7;
  };
  self.push_back(loop_->create_task(suicidal()));
  turn();
  EXPECT_TRUE(self.front().cancelled());
}

TEST_F(Cancellation, OfATaskThatWaitsForAnotherCancelsThat) {
  const Future<int> input = loop_->create_future<int>();
  const Future<void> inner = loop_->create_task(noting(input));
  const auto outer = [](Future<void> awaited) -> Task<> { co_await awaited; };
  const Future<void> task = loop_->create_task(outer(inner));
  turn();
  EXPECT_TRUE(task.cancel());
  turn(2);
  EXPECT_TRUE(inner.cancelled());
  EXPECT_TRUE(task.cancelled());
}

TEST_F(Cancellation, IsNotThrownInATaskWhoseInnerTaskRefuses) {
  const auto stubborn = [](Future<int> input) -> Task<int> {
    try {
      co_await input;
    } catch (const CancelledError&) {
    }
    co_return 7;
  };
  const auto outer = [](Future<int> awaited) -> Task<int> { co_return co_await awaited; };
  const Future<int> task =
      loop_->create_task(outer(loop_->create_task(stubborn(loop_->create_future<int>()))));
  turn(2);
  task.cancel();
  turn(3);
  EXPECT_EQ(7, task.get());
}

TEST_F(Cancellation, OfTheInnerTaskIsThrownInTheOneThatWaitsForIt) {
  const Future<void> inner = loop_->create_task(noting(loop_->create_future<int>()));
  const auto outer = [this](Future<void> awaited) -> Task<> {
    try {
      co_await awaited;
    } catch (const CancelledError&) {
      note("outer saw it");
    }
  };
  const Future<void> task = loop_->create_task(outer(inner));
  turn();
  inner.cancel();
  turn(2);
  EXPECT_EQ((Texts{"cancelled", "outer saw it"}), trace_);
  EXPECT_EQ("done", outcome_of(task));
}

TEST_F(Cancellation, ThroughAVeryLongChainOfTasksDoesNotRecurse) {
  const auto link = [](Future<void> awaited) -> Task<> { co_await awaited; };
  const Future<void> last = loop_->create_future<void>();
  Future<void> first = last;
  for (int i = 0; i < 100'000; ++i) {
    first = loop_->create_task(link(first));
  }
  turn();
  EXPECT_TRUE(first.cancel());
  EXPECT_TRUE(last.cancelled());
  while (!first.done()) {
    turn();
  }
  EXPECT_TRUE(first.cancelled());
}

TEST_F(Cancellation, FreesTasksThatWaitForEachOtherInACircle) {
  std::vector<Future<void>> tasks;
  const auto wait_for_task = [&](std::size_t index) -> Task<> { co_await tasks[index]; };
  for (const std::size_t next : {1U, 2U, 0U}) {
    tasks.push_back(loop_->create_task(wait_for_task(next)));
  }
  turn();
  EXPECT_TRUE(tasks[0].cancel());
  turn(4);
  for (const auto& task : tasks) {
    EXPECT_TRUE(task.cancelled());
  }
}

TEST_F(Cancellation, TheFutureOfATaskCannotBeSetByAnybodyElse) {
  const Future<int> task = loop_->create_task(wait_for_int(loop_->create_future<int>()));
  EXPECT_EQ("Future: the result of a task is set by the task",
            thrown_by([&] { task.set_result(1); }));
  EXPECT_EQ("Future: the result of a task is set by the task",
            thrown_by([&] { task.set_exception(nullptr); }));
}

TEST_F(Cancellation, OfATaskWhoseLoopIsClosedIsRefused) {
  const Future<void> task = loop_->create_task(noting(loop_->create_future<int>()));
  turn();
  loop_->close();
  EXPECT_FALSE(task.done());
  EXPECT_EQ(Texts{}, trace_);
  task.cancel();
  EXPECT_EQ(Texts{}, trace_);
}

// Somebody else's awaitable, which resumes the coroutine by its handle.
struct Foreign {
  std::coroutine_handle<>* waiting;
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) const noexcept { *waiting = coroutine; }
  void await_resume() const noexcept {}
};

TEST_F(Cancellation, OfATaskThatWaitsForAForeignAwaitableIsThrownAtTheNextSuspension) {
  std::coroutine_handle<> waiting;
  const auto inner = [](std::coroutine_handle<>* handle) -> Task<int> {
    co_await Foreign{handle};
    co_return 1;
  };
  const auto outer = [&]() -> Task<> {
    co_await inner(&waiting);
    note("resumed");
    co_await sleep(seconds(1));
    note("never");
  };
  const Future<void> task = loop_->create_task(outer());
  turn();
  EXPECT_TRUE(task.cancel());
  turn();
  EXPECT_EQ(Texts{}, trace_);
  waiting.resume();
  EXPECT_EQ(Texts{"resumed"}, trace_);
  turn();
  EXPECT_TRUE(task.cancelled());
}

TEST_F(Cancellation, ATaskMayEndRightAfterAForeignAwaitable) {
  std::coroutine_handle<> waiting;
  int alive = 0;
  const auto body = [](std::coroutine_handle<>* handle, Counted /*argument*/) -> Task<int> {
    co_await Foreign{handle};
    co_return 1;
  };
  const Future<int> task = loop_->create_task(body(&waiting, Counted(alive)));
  turn();
  waiting.resume();
  turn();
  EXPECT_EQ(1, task.get());
  EXPECT_EQ(0, alive);
}

}  // namespace
}  // namespace sluice::streams
