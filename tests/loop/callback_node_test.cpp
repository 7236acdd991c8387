#include "loop/callback_node.hpp"

#include <optional>
#include <stdexcept>

#include "loop/loop_fixture.hpp"

namespace sluice::loop {
namespace {

class Handles : public LoopTest {};

// W-164
TEST_F(Handles, ACancelledCallbackDoesNotRun) {
  Handle handle = loop_->call_soon(note("never"));
  handle.cancel();
  turn();
  EXPECT_EQ(Texts{}, trace_);
}

// W-164
TEST_F(Handles, CancelWorksOnWhatIsAlreadyQueuedForThisTurn) {
  Handle second;
  loop_->call_soon([&] { second.cancel(); });
  second = loop_->call_soon(note("never"));
  turn();
  EXPECT_EQ(Texts{}, trace_);
}

// W-164
TEST_F(Handles, ATimerCanBeCancelledInTheTurnInWhichItIsDue) {
  TimerHandle second;
  loop_->call_later(milliseconds(1), [&] { second.cancel(); });
  second = loop_->call_later(milliseconds(1), note("never"));
  run_for(milliseconds(2));
  EXPECT_EQ(Texts{}, trace_);
}

// W-164
TEST_F(Handles, CancelMayBeRepeated) {
  Handle handle = loop_->call_soon(note("never"));
  EXPECT_FALSE(handle.cancelled());
  handle.cancel();
  handle.cancel();
  EXPECT_TRUE(handle.cancelled());
}

TEST_F(Handles, CancelAfterTheRunDoesNothing) {
  Handle handle = loop_->call_soon(note("ran"));
  turn();
  handle.cancel();
  EXPECT_FALSE(handle.cancelled());
  EXPECT_EQ(Texts{"ran"}, trace_);
}

TEST_F(Handles, CancelInsideTheOwnCallbackDoesNothing) {
  bool gone = false;
  Handle handle;
  handle = loop_->call_soon([&, tracer = Tracer(gone)] {
    handle.cancel();
    // What was captured is still there.
    EXPECT_FALSE(gone);
    trace_.push_back("ran to its end");
  });
  turn();
  EXPECT_EQ(Texts{"ran to its end"}, trace_);
  EXPECT_FALSE(handle.cancelled());
  EXPECT_TRUE(gone);
}

TEST_F(Handles, CancelDestroysWhatTheCallbackCaptured) {
  bool gone = false;
  Handle handle = loop_->call_soon([tracer = Tracer(gone)] {});
  handle.cancel();
  EXPECT_TRUE(gone);
}

TEST_F(Handles, ACallbackThatRanIsDestroyedBeforeTheNextOneRuns) {
  bool gone = false;
  loop_->call_soon([tracer = Tracer(gone)] {});
  loop_->call_soon([&] { EXPECT_TRUE(gone); });
  turn();
  EXPECT_TRUE(gone);
}

TEST_F(Handles, DroppingTheHandleDoesNotCancel) {
  { const Handle handle = loop_->call_soon(note("ran")); }
  turn();
  EXPECT_EQ(Texts{"ran"}, trace_);
}

TEST_F(Handles, CopiesReferToTheSameCallback) {
  Handle one = loop_->call_soon(note("never"));
  Handle other = one;
  other.cancel();
  EXPECT_TRUE(one.cancelled());
  turn();
  EXPECT_EQ(Texts{}, trace_);
}

TEST_F(Handles, AnEmptyHandleCanBeCancelled) {
  Handle handle;
  handle.cancel();
  EXPECT_FALSE(handle.cancelled());
  EXPECT_EQ(TimePoint{}, TimerHandle().when());
}

TEST_F(Handles, ATimerHandleTellsWhenItIsDue) {
  const TimePoint when = loop_->time() + seconds(3);
  EXPECT_EQ(when, loop_->call_at(when, [] {}).when());
  EXPECT_EQ(when, loop_->call_later(seconds(3), [] {}).when());
}

TEST_F(Handles, MayOutliveTheLoop) {
  bool gone = false;
  Handle waiting = loop_->call_soon([tracer = Tracer(gone)] {});
  Handle cancelled = loop_->call_soon([] {});
  cancelled.cancel();
  TimerHandle timer = loop_->call_later(seconds(1), [] {});
  const TimePoint when = timer.when();
  loop_.reset();
  EXPECT_TRUE(gone);
  EXPECT_FALSE(waiting.cancelled());
  EXPECT_TRUE(cancelled.cancelled());
  EXPECT_EQ(when, timer.when());
  waiting.cancel();
  Handle copy = timer;
  copy.cancel();
}

TEST_F(Handles, ACallbackMayOwnTheLastHandleToItself) {
  const auto cell = std::make_shared<Handle>();
  *cell = loop_->call_soon([cell] {});
  cell->cancel();
  EXPECT_TRUE(cell->cancelled());
}

TEST_F(Handles, ACallbackDestroyedAtCancelMayCancelAgain) {
  struct Canceller {
    explicit Canceller(Handle& handle) : target(&handle) {}
    Canceller(Canceller&& other) noexcept : target(std::exchange(other.target, nullptr)) {}
    Canceller(const Canceller&) = delete;
    Canceller& operator=(const Canceller&) = delete;
    Canceller& operator=(Canceller&&) = delete;
    ~Canceller() {
      if (target != nullptr) {
        target->cancel();
      }
    }
    Handle* target;
  };
  Handle handle;
  handle = loop_->call_soon([canceller = Canceller(handle)] {});
  handle.cancel();
  EXPECT_TRUE(handle.cancelled());
}

TEST_F(Handles, CapturesThatCannotBeCopiedAndLargeOnesAreTaken) {
  loop_->call_soon([this, owner = std::make_unique<int>(7), large = std::array<int, 100>{}] {
    trace_.push_back(std::to_string(*owner) + std::to_string(large.size()));
  });
  turn();
  EXPECT_EQ(Texts{"7100"}, trace_);
}

class Pool : public ::testing::Test {
 protected:
  void TearDown() override { pool_->abandon(); }
  [[nodiscard]] CallbackNode* add_timer() {
    CallbackNode* node = pool_->take();
    timers_.add({}, *node);
    node->kind = CallbackNode::Kind::timer;
    return node;
  }
  NodeTimers timers_;
  NodePool* pool_ = new NodePool(timers_);
};

TEST_F(Pool, RecyclesNodes) {
  CallbackNode* first = pool_->take();
  first->state = CallbackNode::State::done;
  detail::release(first);
  CallbackNode* second = pool_->take();
  EXPECT_EQ(first, second);
  EXPECT_EQ(CallbackNode::State::waiting, second->state);
  detail::release(second);
}

TEST_F(Pool, FreesWhatIsMoreThanItsReserve) {
  std::vector<CallbackNode*> nodes;
  for (std::size_t i = 0; i < NodePool::reserve + 10; ++i) {
    nodes.push_back(pool_->take());
  }
  for (CallbackNode* node : nodes) {
    detail::release(node);
  }
}

// W-172
TEST_F(Pool, ACancelledTimerLeavesTheTimersAtOnce) {
  CallbackNode* timer = add_timer();
  CallbackNode* other = add_timer();
  detail::retain(timer);  // a Handle
  detail::cancel(timer);
  detail::cancel(timer);
  EXPECT_EQ(1U, timers_.size());
  EXPECT_EQ(other, timers_.pop_any());
  detail::release(timer);
  detail::release(other);
}

TEST_F(Pool, ANodeThatIsGivenBackWithACallbackDestroysIt) {
  bool gone = false;
  CallbackNode* node = pool_->take();
  node->callback.fill([tracer = Tracer(gone)] {});
  detail::release(node);
  EXPECT_TRUE(gone);
}

TEST_F(Pool, AReferenceOfTheLoopThatIsDroppedEndsTheCallback) {
  bool gone = false;
  CallbackNode* node = pool_->take();
  node->callback.fill([tracer = Tracer(gone)] {});
  std::optional<NodeRef> reference(node);
  Handle handle(reference->share());
  reference.reset();
  EXPECT_TRUE(gone);
  handle.cancel();
  EXPECT_FALSE(handle.cancelled());
}

TEST_F(Handles, NothingIsQueuedWhenTheCallbackCannotBeBuilt) {
  struct Unbuildable {
    Unbuildable() = default;
    Unbuildable(const Unbuildable& /*other*/) { throw std::runtime_error("cannot be copied"); }
    void operator()() const {}
  };
  const Unbuildable callback;
  EXPECT_THROW(loop_->call_soon(callback), std::runtime_error);
  EXPECT_THROW(loop_->call_later(milliseconds(1), callback), std::runtime_error);
  note_soon("the next one");
  turn();
  EXPECT_EQ(Texts{"the next one"}, trace_);
}

}  // namespace
}  // namespace sluice::loop
