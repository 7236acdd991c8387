// The checks of debug mode.
#include <thread>

#include "loop/loop_fixture.hpp"

namespace sluice::loop {
namespace {

class DebugMode : public LoopTest {
 protected:
  DebugMode() { make_loop(true); }
  // What `action` throws on another thread, while the loop runs.
  template <class Action>
  std::string thrown_elsewhere(Action action) {
    std::string thrown;
    loop_->call_soon([&] { std::thread([&] { thrown = thrown_by(action); }).join(); });
    turn();
    return thrown;
  }
  const std::string wrong_thread =
      "logic_error: Non-thread-safe operation invoked on an event loop other than the current one";
};

// W-171
TEST_F(DebugMode, SchedulingFromAnotherThreadThrows) {
  EXPECT_EQ(wrong_thread, thrown_elsewhere([this] { loop_->call_soon([] {}); }));
  EXPECT_EQ(wrong_thread, thrown_elsewhere([this] { loop_->call_later(seconds(1), [] {}); }));
  EXPECT_EQ(wrong_thread, thrown_elsewhere([this] { loop_->call_at(TimePoint{}, [] {}); }));
}

// W-171
TEST_F(DebugMode, StoppingAndRunningFromAnotherThreadThrow) {
  EXPECT_EQ(wrong_thread, thrown_elsewhere([this] { loop_->stop(); }));
  EXPECT_EQ(wrong_thread, thrown_elsewhere([this] { loop_->run_forever(); }));
}

// W-171
TEST_F(DebugMode, HandlersFromAnotherThreadThrow) {
  EXPECT_EQ(wrong_thread, thrown_elsewhere([this] { loop_->add_signal_handler(10, [] {}); }));
  EXPECT_EQ(wrong_thread, thrown_elsewhere([this] { loop_->remove_signal_handler(10); }));
  EXPECT_EQ(wrong_thread, thrown_elsewhere([this] { loop_->set_exception_handler(nullptr); }));
}

// W-171
TEST_F(DebugMode, CallSoonThreadsafeIsExempt) {
  EXPECT_EQ("nothing", thrown_elsewhere([this] { loop_->call_soon_threadsafe([] {}); }));
}

// W-171
TEST_F(DebugMode, ALoopThatDoesNotRunBelongsToNoThread) {
  std::thread([this] { note_soon("queued elsewhere"); }).join();
  turn();
  EXPECT_EQ(Texts{"queued elsewhere"}, trace_);
}

// W-175
TEST_F(DebugMode, ASlowCallbackIsLogged) {
  loop_->call_soon([this] { kernel_->advance(milliseconds(250)); });
  turn();
  EXPECT_EQ(Texts{"warning: Executing a callback took 0.250000 seconds"}, logged_);
}

// W-175
TEST_F(DebugMode, ACallbackThatTakesExactlyTheLimitIsLogged) {
  loop_->call_soon([this] { kernel_->advance(milliseconds(100)); });
  turn();
  EXPECT_EQ(1U, logged_.size());
}

// W-175
TEST_F(DebugMode, ACallbackJustBelowTheLimitIsNotLogged) {
  loop_->call_soon([this] { kernel_->advance(milliseconds(100) - nanoseconds(1)); });
  turn();
  EXPECT_EQ(Texts{}, logged_);
}

// W-175
TEST_F(DebugMode, ASlowTimerIsLogged) {
  loop_->call_later(milliseconds(1), [this] { kernel_->advance(seconds(2)); });
  run_for(milliseconds(2));
  EXPECT_EQ(Texts{"warning: Executing a callback took 2.000000 seconds"}, logged_);
}

// W-175
TEST_F(DebugMode, TheLimitIsAnOption) {
  LoopOptions with_limit = options(true);
  with_limit.slow_callback_duration = seconds(1);
  loop_ = std::make_unique<EventLoop>(std::move(with_limit));
  loop_->call_soon([this] { kernel_->advance(milliseconds(999)); });
  turn();
  EXPECT_EQ(Texts{}, logged_);
  loop_->call_soon([this] { kernel_->advance(seconds(1)); });
  turn();
  EXPECT_EQ(Texts{"warning: Executing a callback took 1.000000 seconds"}, logged_);
}

class OrdinaryMode : public LoopTest {};

// W-175
TEST_F(OrdinaryMode, LogsNoSlowCallback) {
  loop_->call_soon([this] { kernel_->advance(seconds(5)); });
  turn();
  EXPECT_EQ(Texts{}, logged_);
}

// W-175
TEST_F(CoreTest, DebugModeLogsASlowEventToo) {
  core_ = std::make_unique<LoopCore>(options(true));
  NotingWatcher watcher(trace_, "io");
  watcher.then = [&] { kernel_->advance(milliseconds(300)); };
  const int fd = open_stream();
  ASSERT_FALSE(core_->reactor().add(fd, watcher));
  turn();
  core_->request_service(watcher, {.readable = true});
  turn();
  EXPECT_EQ((Texts{"warning: Executing a callback took 0.300000 seconds",
                   "warning: Executing a callback took 0.300000 seconds"}),
            logged_);
  core_->reactor().remove(fd);
}

}  // namespace
}  // namespace sluice::loop
