#include "sluice/task.hpp"

#include <optional>
#include <stdexcept>

#include "loop/loop_fixture.hpp"

namespace sluice::loop {
namespace {

Task<int> doubled(Future<int> future) {
  co_return 2 * co_await future;
}

Task<> wait_with(Future<void> future, Tracer /*local*/) {
  co_await future;
}

Task<int> nested(Future<int> future, int depth) {
  if (depth == 0) {
    co_return co_await future;
  }
  co_return 1 + co_await nested(std::move(future), depth - 1);
}

Task<> nested_with(Future<void> future, Texts& trace, int depth) {
  struct Local {
    ~Local() { trace.push_back(std::to_string(depth)); }
    Texts& trace;
    int depth;
  };
  const Local local{trace, depth};
  if (depth > 0) {
    co_await nested_with(std::move(future), trace, depth - 1);
  } else {
    co_await future;
  }
}

Task<int> throwing(Future<void> future) {
  co_await future;
  throw std::runtime_error("oops");
}

class Tasks : public LoopTest {
 protected:
  Task<> note_now(std::string name) {
    trace_.push_back(std::move(name));
    co_return;
  }
};

TEST_F(Tasks, AreLazy) {
  { const Task<> task = note_now("never"); }
  turn();
  EXPECT_EQ(Texts{}, trace_);
}

TEST_F(Tasks, StartInTheNextTurn) {
  loop_->create_task(note_now("started"));
  EXPECT_EQ(Texts{}, trace_);
  turn();
  EXPECT_EQ(Texts{"started"}, trace_);
}

TEST_F(Tasks, OneThatIsDroppedUnstartedDestroysItsArguments) {
  bool gone = false;
  { const Task<> task = wait_with(loop_->create_future<void>(), Tracer(gone)); }
  EXPECT_TRUE(gone);
}

TEST_F(Tasks, AwaitingGivesTheValue) {
  const Future<int> future = loop_->create_future<int>();
  loop_->call_later(seconds(1), [future] { future.set_result(21); });
  EXPECT_EQ(42, loop_->run_until_complete(doubled(future)));
}

TEST_F(Tasks, AwaitingWhatIsDoneDoesNotSuspend) {
  const Future<int> input = loop_->create_future<int>();
  input.set_result(21);
  const Future<int> output = loop_->create_task(doubled(input));
  turn();
  EXPECT_TRUE(output.done());
  EXPECT_EQ(42, output.get());
}

TEST_F(Tasks, AwaitingThrowsTheException) {
  const Future<int> future = loop_->create_future<int>();
  loop_->call_soon(
      [future] { future.set_exception(std::make_exception_ptr(std::runtime_error("oops"))); });
  EXPECT_EQ("exception: oops", thrown_by([&] { loop_->run_until_complete(doubled(future)); }));
}

TEST_F(Tasks, AwaitingThrowsWhenTheFutureIsCancelled) {
  const Future<int> future = loop_->create_future<int>();
  loop_->call_soon([future] { future.cancel(); });
  try {
    loop_->run_until_complete(doubled(future));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::system_error& error) {
    EXPECT_EQ(Errc::cancelled, error.code());
  }
}

TEST_F(Tasks, AnExceptionCanBeCaughtWhereItIsAwaited) {
  const auto careful = [](Future<void> future) -> Task<std::string> {
    try {
      co_await throwing(std::move(future));
    } catch (const std::runtime_error& error) {
      co_return std::string("caught ") + error.what();
    }
    co_return "nothing";
  };
  const Future<void> future = loop_->create_future<void>();
  loop_->call_soon([future] { future.set_result(); });
  EXPECT_EQ("caught oops", loop_->run_until_complete(careful(future)));
}

TEST_F(Tasks, MayBeNestedDeeply) {
  const Future<int> future = loop_->create_future<int>();
  loop_->call_soon([future] { future.set_result(0); });
  EXPECT_EQ(1000, loop_->run_until_complete(nested(future, 1000)));
}

TEST_F(Tasks, SeveralMayWaitForOneFuture) {
  const Future<int> input = loop_->create_future<int>();
  const Future<int> one = loop_->create_task(doubled(input));
  const Future<int> other = loop_->create_task(doubled(input));
  loop_->call_later(seconds(1), [input] { input.set_result(1); });
  run_for(seconds(2));
  EXPECT_EQ(2, one.get());
  EXPECT_EQ(2, other.get());
}

TEST_F(Tasks, OneThatIsNestedRunsAtOnceWithoutATurnBetween) {
  const auto outer = [this]() -> Task<> {
    trace_.push_back("outer");
    co_await note_now("inner");
    trace_.push_back("outer again");
  };
  loop_->create_task(outer());
  turn();
  EXPECT_EQ((Texts{"outer", "inner", "outer again"}), trace_);
}

TEST_F(Tasks, MoveValuesThatCannotBeCopied) {
  const auto make = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
  EXPECT_EQ(7, *loop_->run_until_complete(make()));
}

TEST_F(Tasks, DestroyTheirFrameWhenTheyEnd) {
  bool gone = false;
  const Future<void> future = loop_->create_future<void>();
  loop_->create_task(wait_with(future, Tracer(gone)));
  turn();
  EXPECT_FALSE(gone);
  future.set_result();
  turn();
  EXPECT_TRUE(gone);
}

TEST_F(Tasks, AnExceptionThatNobodyRetrievedIsReported) {
  const Future<void> future = loop_->create_future<void>();
  future.set_result();
  loop_->create_task(throwing(future));
  turn();
  EXPECT_EQ(Texts{"error: Future exception was never retrieved\nexception: oops"}, logged_);
}

TEST_F(Tasks, OneThatIsAwaitedTwiceThrows) {
  const auto twice = [this]() -> Task<> {
    Task<> task = note_now("once");
    co_await std::move(task);
    co_await std::move(task);
  };
  EXPECT_EQ("logic_error: a Task is awaited once",
            thrown_by([&] { loop_->run_until_complete(twice()); }));
  EXPECT_EQ(Texts{"once"}, trace_);
}

TEST_F(Tasks, OneThatWasMovedAwayCannotBeStarted) {
  Task<> task = note_now("started");
  loop_->create_task(std::move(task));
  EXPECT_EQ("logic_error: a Task is awaited once",
            thrown_by([&] { loop_->create_task(std::move(task)); }));
}

// Without optimisation a compiler makes a call of every transfer between coroutines.
TEST_F(Tasks, AMillionAwaitsThatAreReadyDoNotGrowTheStack) {
  const auto one = []() -> Task<int> { co_return 1; };
  const auto sum = [&]() -> Task<int> {
    int total = 0;
    for (int i = 0; i < 1'000'000; ++i) {
      total += co_await one();
    }
    co_return total;
  };
  EXPECT_EQ(1'000'000, loop_->run_until_complete(sum()));
}

TEST_F(Tasks, AMillionFuturesThatAreDoneDoNotGrowTheStack) {
  const Future<int> done = loop_->create_future<int>();
  done.set_result(1);
  const auto sum = [&]() -> Task<int> {
    int total = 0;
    for (int i = 0; i < 1'000'000; ++i) {
      total += co_await done;
    }
    co_return total;
  };
  EXPECT_EQ(1'000'000, loop_->run_until_complete(sum()));
}

TEST_F(Tasks, MayBeNestedVeryDeeply) {
  const Future<int> future = loop_->create_future<int>();
  future.set_result(0);
  EXPECT_EQ(200'000, loop_->run_until_complete(nested(future, 200'000)));
}

TEST_F(Tasks, AClosedLoopDestroysThoseThatWait) {
  bool gone = false;
  const Future<void> future = loop_->create_future<void>();
  const Future<void> task = loop_->create_task(wait_with(future, Tracer(gone)));
  turn();
  loop_->close();
  EXPECT_TRUE(gone);
  EXPECT_FALSE(task.done());
  // Nobody is resumed by it any more.
  future.set_result();
}

TEST_F(Tasks, AClosedLoopDestroysThoseThatHaveNotStarted) {
  bool gone = false;
  loop_->create_task(wait_with(loop_->create_future<void>(), Tracer(gone)));
  loop_->close();
  EXPECT_TRUE(gone);
}

TEST_F(Tasks, AClosedLoopDestroysThoseThatAreAboutToGoOn) {
  bool gone = false;
  const Future<void> future = loop_->create_future<void>();
  loop_->create_task(wait_with(future, Tracer(gone)));
  turn();
  future.set_result();
  loop_.reset();
  EXPECT_TRUE(gone);
}

TEST_F(Tasks, AClosedLoopDestroysNestedOnesFromTheInside) {
  loop_->create_task(nested_with(loop_->create_future<void>(), trace_, 3));
  turn();
  loop_->close();
  EXPECT_EQ((Texts{"0", "1", "2", "3"}), trace_);
}

TEST_F(Tasks, AClosedLoopDestroysMany) {
  const Future<void> future = loop_->create_future<void>();
  std::array<bool, 50> gone{};
  for (bool& each : gone) {
    loop_->create_task(wait_with(future, Tracer(each)));
  }
  turn();
  loop_->close();
  for (const bool each : gone) {
    EXPECT_TRUE(each);
  }
}

TEST_F(Tasks, OneThatIsStartedOnAClosedLoopIsDestroyedAtOnce) {
  bool gone = false;
  const Future<void> future = loop_->create_future<void>();
  loop_->close();
  const Future<void> task = loop_->create_task(wait_with(future, Tracer(gone)));
  EXPECT_TRUE(gone);
  EXPECT_FALSE(task.done());
}

TEST_F(Tasks, ALocalThatCompletesAnotherFutureWhenItIsDestroyedIsHarmless) {
  struct Completing {
    ~Completing() { future.set_result(); }
    Future<void> future;
  };
  const auto first = [](Future<void> waits, Future<void> completes) -> Task<> {
    const Completing local{std::move(completes)};
    co_await waits;
  };
  const Future<void> one = loop_->create_future<void>();
  const Future<void> two = loop_->create_future<void>();
  bool gone = false;
  loop_->create_task(first(one, two));
  loop_->create_task(wait_with(two, Tracer(gone)));
  turn();
  loop_->close();
  EXPECT_TRUE(gone);
  EXPECT_TRUE(two.done());
}

TEST_F(Tasks, MayRunForeverAndBeStoppedWithTheLoop) {
  const auto ticking = [this]() -> Task<> {
    for (;;) {
      const Future<void> tick = loop_->create_future<void>();
      loop_->call_later(seconds(1), [tick] { tick.set_result(); });
      co_await tick;
      trace_.push_back("tick");
    }
  };
  loop_->create_task(ticking());
  run_for(milliseconds(3500));
  EXPECT_EQ(Texts(3, "tick"), trace_);
}

}  // namespace
}  // namespace sluice::loop
