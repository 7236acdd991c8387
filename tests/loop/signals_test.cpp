#include <signal.h>

#include <future>
#include <stdexcept>
#include <thread>

#include "loop/loop_fixture.hpp"

namespace sluice::loop {
namespace {

class ScriptedSignals : public LoopTest {
 protected:
  void raise(int number) { kernel_->raise_signal(number); }
};

// W-192
TEST_F(ScriptedSignals, AHandlerRunsAsAnOrdinaryCallbackAfterTheSignal) {
  loop_->add_signal_handler(SIGUSR1, note("handler"));
  raise(SIGUSR1);
  loop_->call_soon([this] { note_soon("queued before the handler"); });
  turn();
  EXPECT_EQ(Texts{}, trace_);
  turn();
  EXPECT_EQ((Texts{"queued before the handler", "handler"}), trace_);
}

// W-192
TEST_F(ScriptedSignals, AHandlerRunsForEachDelivery) {
  loop_->add_signal_handler(SIGUSR1, note("handler"));
  raise(SIGUSR1);
  raise(SIGUSR1);
  run_for(milliseconds(1));
  EXPECT_EQ((Texts{"handler", "handler"}), trace_);
}

// W-192
TEST_F(ScriptedSignals, EachSignalHasItsHandler) {
  loop_->add_signal_handler(SIGUSR1, note("one"));
  loop_->add_signal_handler(SIGUSR2, note("two"));
  raise(SIGUSR2);
  raise(SIGUSR1);
  run_for(milliseconds(1));
  EXPECT_EQ((Texts{"two", "one"}), trace_);
}

// W-192
TEST_F(ScriptedSignals, AHandlerReplacesTheEarlierOne) {
  bool gone = false;
  loop_->add_signal_handler(SIGUSR1,
                            [this, tracer = Tracer(gone)] { trace_.push_back("earlier"); });
  loop_->add_signal_handler(SIGUSR1, note("later"));
  EXPECT_TRUE(gone);
  raise(SIGUSR1);
  run_for(milliseconds(1));
  EXPECT_EQ(Texts{"later"}, trace_);
}

// W-192
TEST_F(ScriptedSignals, AHandlerMayRemoveItself) {
  bool gone = false;
  loop_->add_signal_handler(SIGUSR1, [this, &gone, tracer = Tracer(gone)] {
    EXPECT_TRUE(loop_->remove_signal_handler(SIGUSR1));
    EXPECT_FALSE(gone);
    trace_.push_back("handler");
  });
  raise(SIGUSR1);
  raise(SIGUSR1);
  run_for(milliseconds(1));
  EXPECT_EQ(Texts{"handler"}, trace_);
  EXPECT_TRUE(gone);
  EXPECT_FALSE(loop_->remove_signal_handler(SIGUSR1));
}

// W-192
TEST_F(ScriptedSignals, AHandlerMayReplaceItself) {
  loop_->add_signal_handler(SIGUSR1, [this] {
    loop_->add_signal_handler(SIGUSR1, note("second"));
    trace_.push_back("first");
  });
  raise(SIGUSR1);
  run_for(milliseconds(1));
  raise(SIGUSR1);
  run_for(milliseconds(1));
  EXPECT_EQ((Texts{"first", "second"}), trace_);
}

// W-192
TEST_F(ScriptedSignals, AHandlerThatIsRemovedBetweenTheSignalAndItsTurnDoesNotRun) {
  loop_->add_signal_handler(SIGUSR1, note("never"));
  raise(SIGUSR1);
  turn();
  EXPECT_TRUE(loop_->remove_signal_handler(SIGUSR1));
  run_for(milliseconds(1));
  EXPECT_EQ(Texts{}, trace_);
}

// W-192
TEST_F(ScriptedSignals, RemovingTellsWhetherThereWasAHandler) {
  EXPECT_FALSE(loop_->remove_signal_handler(SIGUSR1));
  EXPECT_FALSE(loop_->remove_signal_handler(-1));
  loop_->add_signal_handler(SIGUSR1, [] {});
  EXPECT_TRUE(loop_->remove_signal_handler(SIGUSR1));
  EXPECT_FALSE(loop_->remove_signal_handler(SIGUSR1));
  EXPECT_EQ(1U, kernel_->count_calls("unwatch_signal"));
}

// W-192
TEST_F(ScriptedSignals, NumbersThatAreNoSignalAreRefused) {
  for (const int number : {-1, 0, 65, 1000}) {
    EXPECT_EQ("logic_error: invalid signal number " + std::to_string(number),
              thrown_by([&] { loop_->add_signal_handler(number, [] {}); }));
    EXPECT_THROW(loop_->add_signal_handler(number, [] {}), std::invalid_argument);
  }
}

// W-192
TEST_F(ScriptedSignals, SignalsThatCannotBeCaughtAreRefused) {
  EXPECT_EQ("system_error: sig 9 cannot be caught: Invalid argument",
            thrown_by([this] { loop_->add_signal_handler(SIGKILL, [] {}); }));
  EXPECT_EQ("system_error: sig 19 cannot be caught: Invalid argument",
            thrown_by([this] { loop_->add_signal_handler(SIGSTOP, [] {}); }));
  EXPECT_FALSE(loop_->remove_signal_handler(SIGKILL));
}

// W-192, W-167
TEST_F(ScriptedSignals, WhatAHandlerThrowsGoesToTheExceptionHandler) {
  loop_->add_signal_handler(SIGUSR1, [] { throw std::runtime_error("oops"); });
  raise(SIGUSR1);
  run_for(milliseconds(1));
  EXPECT_EQ(Texts{"error: Exception in callback\nexception: oops"}, logged_);
}

TEST_F(ScriptedSignals, MoreThanOneReadTakesAreAllHandled) {
  int count = 0;
  loop_->add_signal_handler(SIGUSR1, [&] { ++count; });
  for (int i = 0; i < 1000; ++i) {
    raise(SIGUSR1);
  }
  run_for(milliseconds(1));
  EXPECT_EQ(1000, count);
}

// W-192
TEST_F(ScriptedSignals, ASignalThatFindsThePipeFullOfOthersIsHandled) {
  int others = 0;
  loop_->add_signal_handler(SIGUSR1, [&] { ++others; });
  loop_->add_signal_handler(SIGTERM, note("handled"));
  for (std::size_t i = 0; i < testing::ScriptedKernel::pipe_capacity; ++i) {
    raise(SIGUSR1);
  }
  raise(SIGTERM);
  raise(SIGTERM);
  turn();
  turn();
  EXPECT_EQ(Texts{"handled"}, trace_) << "once, and before all the others";
  run_for(milliseconds(1));
  EXPECT_EQ(testing::ScriptedKernel::pipe_capacity, static_cast<std::size_t>(others));
  EXPECT_EQ(Texts{"handled"}, trace_);
}

// W-192
TEST_F(ScriptedSignals, WhatALoopWatchesNoMoreIsUnwatchedForItsOwnPipe) {
  loop_->add_signal_handler(SIGUSR1, [] {});
  EventLoop other(options());
  other.add_signal_handler(SIGUSR1, note("of the other loop"));
  EXPECT_TRUE(loop_->remove_signal_handler(SIGUSR1));
  raise(SIGUSR1);
  EXPECT_EQ(Texts{}, kernel_->violations());
}

TEST_F(ScriptedSignals, WithoutAPipeTheHandlerIsNotSet) {
  kernel_->fail_next("pipe", EMFILE);
  EXPECT_EQ("system_error: pipe2 for signal handlers: Too many open files",
            thrown_by([this] { loop_->add_signal_handler(SIGUSR1, [] {}); }));
  kernel_->fail_next("epoll_ctl", ENOMEM);
  EXPECT_EQ("system_error: epoll_ctl for signal handlers: Cannot allocate memory",
            thrown_by([this] { loop_->add_signal_handler(SIGUSR1, [] {}); }));
  EXPECT_EQ(0U, kernel_->count_calls("watch_signal"));
  loop_->add_signal_handler(SIGUSR1, note("handler"));
  raise(SIGUSR1);
  run_for(milliseconds(1));
  EXPECT_EQ(Texts{"handler"}, trace_);
}

// W-192
TEST_F(ScriptedSignals, ClosingTheLoopRemovesAllHandlers) {
  loop_->add_signal_handler(SIGUSR1, [] {});
  loop_->add_signal_handler(SIGUSR2, [] {});
  loop_->close();
  EXPECT_EQ(2U, kernel_->count_calls("unwatch_signal"));
}

bool has_default_action(int number) {
  struct sigaction action {};
  EXPECT_EQ(0, ::sigaction(number, nullptr, &action));
  return action.sa_handler == SIG_DFL;
}

// W-192
TEST(Signals, ASignalOfTheSystemReachesItsHandler) {
  EventLoop loop;
  int count = 0;
  loop.add_signal_handler(SIGUSR1, [&] {
    ++count;
    loop.stop();
  });
  loop.call_soon([] { EXPECT_EQ(0, ::raise(SIGUSR1)); });
  loop.run_forever();
  EXPECT_EQ(1, count);
}

// W-192
TEST(Signals, RemovingRestoresTheDefaultAction) {
  EventLoop loop;
  loop.add_signal_handler(SIGUSR1, [] {});
  EXPECT_FALSE(has_default_action(SIGUSR1));
  EXPECT_TRUE(loop.remove_signal_handler(SIGUSR1));
  EXPECT_TRUE(has_default_action(SIGUSR1));
}

// W-192
TEST(Signals, ClosingTheLoopRestoresTheDefaultAction) {
  EventLoop loop;
  loop.add_signal_handler(SIGUSR1, [] {});
  loop.add_signal_handler(SIGTERM, [] {});
  loop.close();
  EXPECT_TRUE(has_default_action(SIGUSR1));
  EXPECT_TRUE(has_default_action(SIGTERM));
}

// W-192
TEST(Signals, OfTwoLoopsTheLastToAddAHandlerHasTheSignalWhateverTheOtherDoes) {
  EventLoop loop;
  int count = 0;
  const auto expect_handled = [&] {
    const int before = count;
    ASSERT_FALSE(has_default_action(SIGUSR1));
    loop.call_soon([] { EXPECT_EQ(0, ::raise(SIGUSR1)); });
    loop.run_forever();
    EXPECT_EQ(before + 1, count);
  };
  EventLoop removes;
  EventLoop closes;
  removes.add_signal_handler(SIGUSR1, [] { ADD_FAILURE() << "another loop has taken over"; });
  closes.add_signal_handler(SIGUSR1, [] { ADD_FAILURE() << "another loop has taken over"; });
  loop.add_signal_handler(SIGUSR1, [&] {
    ++count;
    loop.stop();
  });
  EXPECT_TRUE(removes.remove_signal_handler(SIGUSR1));
  expect_handled();
  closes.close();
  expect_handled();
  EXPECT_TRUE(loop.remove_signal_handler(SIGUSR1));
  EXPECT_TRUE(has_default_action(SIGUSR1));
}

// W-192
TEST(Signals, ASignalThatFindsThePipeFullIsHandled) {
  EventLoop loop;
  int others = 0;
  bool handled = false;
  loop.add_signal_handler(SIGUSR1, [&] { ++others; });
  loop.add_signal_handler(SIGUSR2, [&] {
    handled = true;
    loop.stop();
  });
  loop.call_soon([&] {
    for (int i = 0; i < 100'000; ++i) {
      ::raise(SIGUSR1);
    }
    ::raise(SIGUSR2);
  });
  loop.call_later(seconds(10), [&] { loop.stop(); });
  loop.run_forever();
  EXPECT_TRUE(handled);
}

// W-192
TEST(Signals, InterruptedSystemCallsAreRestarted) {
  EventLoop loop;
  loop.add_signal_handler(SIGUSR1, [] {});
  struct sigaction action {};
  ASSERT_EQ(0, ::sigaction(SIGUSR1, nullptr, &action));
  EXPECT_NE(0, action.sa_flags & SA_RESTART);
}

// W-192
TEST(Signals, ALoopOnAnyThreadMayHandleThem) {
  const std::thread::id home = std::this_thread::get_id();
  bool handled = false;
  std::promise<void> ready;
  std::thread thread([&] {
    EventLoop loop;
    loop.add_signal_handler(SIGUSR2, [&] {
      EXPECT_NE(home, std::this_thread::get_id());
      handled = true;
      loop.stop();
    });
    loop.call_soon([&] { ready.set_value(); });
    loop.run_forever();
  });
  ready.get_future().wait();
  // Before join(): clang 14's thread sanitizer loses a signal that comes while its thread enters
  // its first blocking call.
  EXPECT_EQ(0, ::raise(SIGUSR2));
  thread.join();
  EXPECT_TRUE(handled);
}

// W-192
TEST(Signals, SignalsThatCannotBeCaughtAreRefused) {
  EventLoop loop;
  EXPECT_THROW(loop.add_signal_handler(SIGKILL, [] {}), std::system_error);
  EXPECT_THROW(loop.add_signal_handler(SIGSTOP, [] {}), std::system_error);
  EXPECT_THROW(loop.add_signal_handler(0, [] {}), std::invalid_argument);
}

}  // namespace
}  // namespace sluice::loop
