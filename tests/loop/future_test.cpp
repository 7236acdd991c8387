#include "sluice/future.hpp"

#include <optional>
#include <stdexcept>

#include "loop/loop_fixture.hpp"

namespace sluice::loop {
namespace {

std::exception_ptr oops() {
  return std::make_exception_ptr(std::runtime_error("oops"));
}

class Futures : public LoopTest {
 protected:
  [[nodiscard]] auto note_done(std::string name) {
    return [this, name = std::move(name)](const Future<int>& future) {
      trace_.push_back(name + (future.cancelled() ? " cancelled" : " done"));
    };
  }
};

TEST_F(Futures, HaveNoOutcomeAtFirst) {
  const Future<int> future = loop_->create_future<int>();
  EXPECT_FALSE(future.done());
  EXPECT_FALSE(future.cancelled());
  EXPECT_EQ("logic_error: Future: the result is not set yet", thrown_by([&] { future.get(); }));
  EXPECT_EQ("logic_error: Future: the result is not set yet",
            thrown_by([&] { static_cast<void>(future.exception()); }));
}

TEST_F(Futures, GiveTheirValueToEveryCopy) {
  const Future<std::string> future = loop_->create_future<std::string>();
  const Future<std::string> copy = future;
  future.set_result("value");
  EXPECT_TRUE(copy.done());
  EXPECT_EQ("value", copy.get());
  EXPECT_EQ(&future.get(), &copy.get());
  EXPECT_EQ(nullptr, copy.exception());
}

TEST_F(Futures, OfNothingCanBeDone) {
  const Future<void> future = loop_->create_future<void>();
  future.set_result();
  future.get();
  EXPECT_EQ(nullptr, future.exception());
}

TEST_F(Futures, ThrowTheirExceptionEachTimeTheyAreAsked) {
  const Future<int> future = loop_->create_future<int>();
  future.set_exception(oops());
  EXPECT_EQ("exception: oops", thrown_by([&] { future.get(); }));
  EXPECT_EQ("exception: oops", thrown_by([&] { future.get(); }));
  EXPECT_NE(nullptr, future.exception());
}

TEST_F(Futures, HaveOneOutcomeOnly) {
  const std::string refusal = "logic_error: Future: the result is already set";
  const Future<int> future = loop_->create_future<int>();
  future.set_result(1);
  EXPECT_EQ(refusal, thrown_by([&] { future.set_result(2); }));
  EXPECT_EQ(refusal, thrown_by([&] { future.set_exception(oops()); }));
  EXPECT_FALSE(future.cancel());
  EXPECT_EQ(1, future.get());
}

TEST_F(Futures, CannotBeSetAfterTheyWereCancelled) {
  const Future<int> future = loop_->create_future<int>();
  EXPECT_TRUE(future.cancel());
  EXPECT_EQ("logic_error: Future: the result is already set",
            thrown_by([&] { future.set_result(2); }));
  EXPECT_FALSE(future.cancel());
}

TEST_F(Futures, TellThatTheyWereCancelled) {
  const Future<int> future = loop_->create_future<int>();
  future.cancel();
  EXPECT_TRUE(future.done());
  EXPECT_TRUE(future.cancelled());
  for (const auto& ask : {std::function<void()>([&] { future.get(); }),
                          std::function<void()>([&] { static_cast<void>(future.exception()); })}) {
    try {
      ask();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::system_error& error) {
      EXPECT_EQ(Errc::cancelled, error.code());
    }
  }
}

TEST_F(Futures, RunTheirCallbacksInALaterStepInTheOrderTheyWereAdded) {
  const Future<int> future = loop_->create_future<int>();
  future.add_done_callback(note_done("1"));
  future.add_done_callback(note_done("2"));
  loop_->call_soon([&] {
    future.set_result(1);
    EXPECT_EQ(Texts{}, trace_);
  });
  turn();
  EXPECT_EQ(Texts{}, trace_);
  turn();
  EXPECT_EQ((Texts{"1 done", "2 done"}), trace_);
}

TEST_F(Futures, RunACallbackThatIsAddedLateInALaterStepToo) {
  const Future<int> future = loop_->create_future<int>();
  future.set_result(1);
  future.add_done_callback(note_done("late"));
  EXPECT_EQ(Texts{}, trace_);
  turn();
  EXPECT_EQ(Texts{"late done"}, trace_);
}

TEST_F(Futures, RunTheirCallbacksWhenTheyAreCancelled) {
  const Future<int> future = loop_->create_future<int>();
  future.add_done_callback(note_done("1"));
  future.cancel();
  turn();
  EXPECT_EQ(Texts{"1 cancelled"}, trace_);
}

TEST_F(Futures, KeepTheirStateUntilTheirCallbacksHaveRun) {
  std::optional<Future<int>> future = loop_->create_future<int>();
  future->add_done_callback(
      [this](const Future<int>& done) { trace_.push_back(std::to_string(done.get())); });
  future->set_result(7);
  future.reset();
  turn();
  EXPECT_EQ(Texts{"7"}, trace_);
}

TEST_F(Futures, DestroyTheirCallbacksWhenNobodyWaitsAnyMore) {
  bool gone = false;
  {
    const Future<int> future = loop_->create_future<int>();
    future.add_done_callback([tracer = Tracer(gone)](const Future<int>&) {});
  }
  EXPECT_TRUE(gone);
}

TEST_F(Futures, ACallbackMayAddAnother) {
  const Future<int> future = loop_->create_future<int>();
  future.add_done_callback(
      [this](const Future<int>& done) { done.add_done_callback(note_done("second")); });
  future.set_result(1);
  turn();
  EXPECT_EQ(Texts{}, trace_);
  turn();
  EXPECT_EQ(Texts{"second done"}, trace_);
}

// W-167
TEST_F(Futures, WhatACallbackThrowsGoesToTheExceptionHandler) {
  const Future<int> future = loop_->create_future<int>();
  future.add_done_callback([](const Future<int>&) { throw std::runtime_error("oops"); });
  future.add_done_callback(note_done("2"));
  future.set_result(1);
  turn();
  EXPECT_EQ(Texts{"2 done"}, trace_);
  EXPECT_EQ(Texts{"error: Exception in callback\nexception: oops"}, logged_);
}

// W-87
TEST_F(Futures, CancellingRunsTheHookOnceWithTheFutureCancelledAlready) {
  const Future<int> future = loop_->create_future<int>();
  future.set_on_cancel([&, copy = &future] {
    EXPECT_TRUE(copy->cancelled());
    trace_.push_back("hook");
  });
  EXPECT_TRUE(future.cancel());
  EXPECT_FALSE(future.cancel());
  EXPECT_EQ(Texts{"hook"}, trace_);
}

// W-87
TEST_F(Futures, AnOutcomeDestroysTheHookUnrun) {
  bool gone = false;
  const Future<int> future = loop_->create_future<int>();
  future.set_on_cancel([this, tracer = Tracer(gone)] { trace_.push_back("hook"); });
  future.set_result(1);
  EXPECT_TRUE(gone);
  future.set_on_cancel(note("hook of a future that is done"));
  EXPECT_FALSE(future.cancel());
  EXPECT_EQ(Texts{}, trace_);
}

TEST_F(Futures, AnExceptionThatNobodyRetrievedIsReported) {
  { loop_->create_future<int>().set_exception(oops()); }
  EXPECT_EQ(Texts{"error: Future exception was never retrieved\nexception: oops"}, logged_);
}

TEST_F(Futures, AnExceptionThatWasThrownIsNotReported) {
  {
    const Future<int> future = loop_->create_future<int>();
    future.set_exception(oops());
    EXPECT_THROW(future.get(), std::runtime_error);
  }
  EXPECT_EQ(Texts{}, logged_);
}

TEST_F(Futures, AnExceptionThatWasAskedForIsNotReported) {
  {
    const Future<int> future = loop_->create_future<int>();
    future.set_exception(oops());
    EXPECT_NE(nullptr, future.exception());
  }
  EXPECT_EQ(Texts{}, logged_);
}

TEST_F(Futures, AnExceptionThatNobodyRetrievedIsNotReportedByALoopThatIsGone) {
  {
    const Future<int> future = loop_->create_future<int>();
    future.set_exception(oops());
    loop_.reset();
  }
  EXPECT_EQ(Texts{}, logged_);
}

TEST_F(Futures, MayOutliveTheLoop) {
  bool gone = false;
  const Future<int> pending = loop_->create_future<int>();
  const Future<int> done = loop_->create_future<int>();
  done.set_result(7);
  loop_.reset();
  EXPECT_EQ(7, done.get());
  pending.add_done_callback(
      [this, tracer = Tracer(gone)](const Future<int>&) { trace_.push_back("never"); });
  pending.set_result(8);
  EXPECT_TRUE(gone);
  EXPECT_EQ(8, pending.get());
  EXPECT_EQ(Texts{}, trace_);
}

TEST_F(Futures, AClosedLoopStillMakesFuturesThatCanBeSet) {
  loop_->close();
  const Future<int> future = loop_->create_future<int>();
  future.set_result(3);
  EXPECT_EQ(3, future.get());
}

TEST_F(Futures, TheirWeakStateDoesNotKeepThemAlive) {
  std::optional<Future<int>> future = loop_->create_future<int>();
  const auto weak = future->state();
  EXPECT_FALSE(weak.expired());
  future.reset();
  EXPECT_TRUE(weak.expired());
}

}  // namespace
}  // namespace sluice::loop
