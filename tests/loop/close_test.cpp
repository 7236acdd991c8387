#include <functional>
#include <stdexcept>

#include "loop/loop_fixture.hpp"

namespace sluice::loop {
namespace {

// Does something when it is destroyed.
class AtEnd {
 public:
  explicit AtEnd(std::function<void()> action) : action_(std::move(action)) {}
  AtEnd(AtEnd&& other) noexcept : action_(std::exchange(other.action_, nullptr)) {}
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;
  AtEnd& operator=(AtEnd&&) = delete;
  ~AtEnd() {
    if (action_) {
      action_();
    }
  }

 private:
  std::function<void()> action_;
};

class Closing : public LoopTest {};

// W-170
TEST_F(Closing, QueuedCallbacksAreDestroyedUnrun) {
  bool soon_gone = false;
  bool timer_gone = false;
  bool posted_gone = false;
  loop_->call_soon([this, tracer = Tracer(soon_gone)] { trace_.push_back("soon"); });
  loop_->call_later(seconds(0), [this, tracer = Tracer(timer_gone)] { trace_.push_back("timer"); });
  loop_->call_soon_threadsafe([this, tracer = Tracer(posted_gone)] { trace_.push_back("posted"); });
  loop_->close();
  EXPECT_TRUE(soon_gone);
  EXPECT_TRUE(timer_gone);
  EXPECT_TRUE(posted_gone);
  EXPECT_EQ(Texts{}, trace_);
}

// W-170
TEST_F(Closing, TwiceIsHarmless) {
  loop_->close();
  loop_->close();
  EXPECT_TRUE(loop_->is_closed());
}

// W-170
TEST_F(Closing, ALoopThatRunsIsNotClosed) {
  loop_->call_soon([this] { trace_.push_back(thrown_by([this] { loop_->close(); })); });
  note_soon("goes on");
  turn();
  EXPECT_EQ((Texts{"logic_error: Cannot close a running event loop", "goes on"}), trace_);
  EXPECT_FALSE(loop_->is_closed());
}

// W-170
TEST_F(Closing, NothingCanBeScheduledAfterIt) {
  const std::string closed = "logic_error: Event loop is closed";
  loop_->close();
  EXPECT_EQ(closed, thrown_by([this] { loop_->call_soon([] {}); }));
  EXPECT_EQ(closed, thrown_by([this] { loop_->call_later(seconds(1), [] {}); }));
  EXPECT_EQ(closed, thrown_by([this] { loop_->call_at(TimePoint{}, [] {}); }));
  EXPECT_EQ(closed, thrown_by([this] { loop_->call_soon_threadsafe([] {}); }));
  EXPECT_EQ(closed, thrown_by([this] { loop_->add_signal_handler(10, [] {}); }));
}

// W-170
TEST_F(Closing, NothingCanBeRunAfterIt) {
  const std::string closed = "logic_error: Event loop is closed";
  const Future<void> future = loop_->create_future<void>();
  loop_->close();
  EXPECT_EQ(closed, thrown_by([this] { loop_->run_forever(); }));
  EXPECT_EQ(closed, thrown_by([&] { loop_->run_until_complete(future); }));
}

// W-170
TEST_F(Closing, WhatIsHarmlessStaysSoAfterIt) {
  loop_->close();
  loop_->stop();
  EXPECT_FALSE(loop_->is_running());
  EXPECT_FALSE(loop_->remove_signal_handler(10));
  loop_->set_exception_handler(nullptr);
  static_cast<void>(loop_->time());
  loop_->call_exception_handler({"told after the end"});
  EXPECT_EQ(Texts{"error: told after the end"}, logged_);
}

TEST_F(Closing, ADestructorThatAsksTheLoopIsHarmless) {
  loop_->call_soon([end = AtEnd([this] {
                      EXPECT_TRUE(loop_->is_closed());
                      trace_.push_back(thrown_by([this] { loop_->call_soon([] {}); }));
                    })] {});
  loop_->close();
  EXPECT_EQ(Texts{"logic_error: Event loop is closed"}, trace_);
}

TEST_F(Closing, ADestructorThatClosesTheLoopAgainIsHarmless) {
  loop_->call_soon([end = AtEnd([this] { loop_->close(); })] {});
  loop_->call_later(seconds(1), [end = AtEnd([this] { loop_->close(); })] {});
  loop_->call_soon_threadsafe([end = AtEnd([this] { loop_->close(); })] {});
  loop_->close();
  EXPECT_TRUE(loop_->is_closed());
}

TEST_F(Closing, ADestructorThatCancelsOtherCallbacksIsHarmless) {
  Handle soon;
  TimerHandle timer;
  loop_->call_soon([end = AtEnd([&] {
                      soon.cancel();
                      timer.cancel();
                    })] {});
  bool soon_gone = false;
  bool timer_gone = false;
  soon = loop_->call_soon([tracer = Tracer(soon_gone)] {});
  timer = loop_->call_later(seconds(1), [tracer = Tracer(timer_gone)] {});
  loop_->close();
  EXPECT_TRUE(soon_gone);
  EXPECT_TRUE(timer_gone);
}

TEST_F(Closing, ADestructorThatCompletesAFutureRunsNoCallback) {
  Future<int> future = loop_->create_future<int>();
  future.add_done_callback([this](const Future<int>&) { trace_.push_back("done"); });
  loop_->call_soon([end = AtEnd([future] { future.set_result(1); })] {});
  loop_->close();
  EXPECT_EQ(1, future.get());
  EXPECT_EQ(Texts{}, trace_);
}

TEST_F(Closing, ADestructorThatStartsATaskDestroysIt) {
  bool gone = false;
  const auto task = [](Tracer) -> Task<> { co_return; };
  loop_->call_soon([end = AtEnd([&] { loop_->create_task(task(Tracer(gone))); })] {});
  loop_->close();
  EXPECT_TRUE(gone);
}

TEST_F(Closing, ADestructorOfASignalHandlerThatRemovesHandlersIsHarmless) {
  bool gone = false;
  loop_->add_signal_handler(10, [end = AtEnd([this] {
                                   loop_->remove_signal_handler(12);
                                   loop_->remove_signal_handler(10);
                                 })] {});
  loop_->add_signal_handler(12, [tracer = Tracer(gone)] {});
  loop_->close();
  EXPECT_TRUE(gone);
}

TEST_F(Closing, ADestructorOfAnExceptionHandlerThatSetsAnotherIsHarmless) {
  loop_->set_exception_handler(
      [end = AtEnd([this] { loop_->set_exception_handler(nullptr); })](const ExceptionContext&) {});
  loop_->close();
  EXPECT_TRUE(loop_->is_closed());
}

TEST_F(Closing, TheDestructorOfTheLoopClosesIt) {
  bool gone = false;
  loop_->call_soon([tracer = Tracer(gone)] {});
  loop_.reset();
  EXPECT_TRUE(gone);
  EXPECT_EQ(0U, kernel_->open_descriptors());
}

class Guest final : public Resident {
 public:
  explicit Guest(Texts& trace) : trace_(&trace) {}
  void drop() noexcept override {
    trace_->push_back("dropped");
    if (then) {
      then();
    }
  }
  std::function<void()> then;

 private:
  Texts* trace_;
};

class ClosingCore : public CoreTest {};

TEST_F(ClosingCore, EveryResidentIsToldOnce) {
  Guest one(trace_);
  Guest two(trace_);
  core_->add_resident(one);
  core_->add_resident(two);
  core_->close();
  core_->close();
  EXPECT_EQ((Texts{"dropped", "dropped"}), trace_);
}

TEST_F(ClosingCore, AResidentMayTakeAnotherWithIt) {
  Guest one(trace_);
  auto two = std::make_unique<Guest>(trace_);
  core_->add_resident(one);
  core_->add_resident(*two);
  one.then = [&] { two.reset(); };
  core_->close();
  EXPECT_EQ(Texts{"dropped"}, trace_);
}

TEST_F(ClosingCore, AResidentThatIsDestroyedBeforeIsForgotten) {
  {
    Guest guest(trace_);
    core_->add_resident(guest);
  }
  core_->close();
  EXPECT_EQ(Texts{}, trace_);
}

TEST_F(ClosingCore, WhatIsBuriedBetweenRunsIsFreed) {
  bool gone = false;
  core_->bury(std::make_shared<Tracer>(gone));
  EXPECT_FALSE(gone);
  core_->close();
  EXPECT_TRUE(gone);
}

TEST_F(ClosingCore, OurOwnCallbacksAreThenDestroyedUnrun) {
  core_->close();
  bool soon_gone = false;
  bool later_gone = false;
  core_->soon([this, tracer = Tracer(soon_gone)] { trace_.push_back("soon"); });
  TimerHandle timer =
      core_->later(seconds(1), [this, tracer = Tracer(later_gone)] { trace_.push_back("later"); });
  timer.cancel();
  EXPECT_TRUE(soon_gone);
  EXPECT_TRUE(later_gone);
  EXPECT_EQ(Texts{}, trace_);
}

}  // namespace
}  // namespace sluice::loop
