#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loop/loop_core.hpp"
#include "sluice/event_loop.hpp"
#include "testing/scripted_kernel.hpp"

namespace sluice::loop {

using Texts = std::vector<std::string>;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

/// What `action` throws, as text; "nothing" if it throws nothing.
template <class Action>
[[nodiscard]] std::string thrown_by(Action action) {
  try {
    action();
  } catch (const std::logic_error& error) {
    return std::string("logic_error: ") + error.what();
  } catch (const std::system_error& error) {
    return std::string("system_error: ") + error.what();
  } catch (const std::exception& error) {
    return std::string("exception: ") + error.what();
  }
  return "nothing";
}

/// Says on destruction that it is gone.
class Tracer {
 public:
  explicit Tracer(bool& gone) : gone_(&gone) {}
  Tracer(Tracer&& other) noexcept : gone_(std::exchange(other.gone_, nullptr)) {}
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;
  Tracer& operator=(Tracer&&) = delete;
  ~Tracer() {
    if (gone_ != nullptr) {
      *gone_ = true;
    }
  }

 private:
  bool* gone_;
};

/// A scripted kernel with its clock, and a log that is kept. At the end nothing may be open in the
/// kernel and nothing may have been done wrong to it.
class KernelTest : public ::testing::Test {
 protected:
  [[nodiscard]] LoopOptions options(bool debug = false) {
    LoopOptions result;
    result.debug = debug;
    result.system_calls = kernel_;
    result.log = [this](LogLevel level, std::string_view message) {
      constexpr const char* names[] = {"debug", "info", "warning", "error"};
      logged_.push_back(std::string(names[static_cast<std::size_t>(level)]) + ": " +
                        std::string(message));
    };
    return result;
  }
  void TearDown() override {
    EXPECT_EQ(Texts{}, kernel_->violations());
    EXPECT_EQ(0U, kernel_->open_descriptors());
  }

  std::shared_ptr<testing::ScriptedKernel> kernel_ = std::make_shared<testing::ScriptedKernel>();
  Texts logged_;
  Texts trace_;
};

/// A whole loop on it.
class LoopTest : public KernelTest {
 protected:
  LoopTest() { make_loop(); }
  void make_loop(bool debug = false) {
    loop_ = std::make_unique<EventLoop>(options(debug));
    // The first turn hears that the wake-up could be written to.
    turn();
    kernel_->clear_calls();
  }
  void TearDown() override {
    loop_.reset();
    KernelTest::TearDown();
  }
  /// One turn that does not wait.
  void turn() {
    loop_->stop();
    loop_->run_forever();
  }
  /// A callback that notes its name.
  [[nodiscard]] auto note(std::string name) {
    return [this, name = std::move(name)] { trace_.push_back(name); };
  }
  void note_soon(std::string name) { loop_->call_soon(note(std::move(name))); }
  /// Runs until `action`, in a timer, has run.
  template <class Action>
  void run_until(nanoseconds delay, Action action) {
    loop_->call_later(delay, [this, action = std::move(action)]() mutable {
      action();
      loop_->stop();
    });
    loop_->run_forever();
  }
  void run_for(nanoseconds time) {
    run_until(time, [] {});
  }

  std::unique_ptr<EventLoop> loop_;
};

/// Notes what the reactor tells.
class NotingWatcher final : public Watcher {
 public:
  NotingWatcher(Texts& trace, std::string name) : trace_(&trace), name_(std::move(name)) {}

  void on_io(IoEvents events) override {
    std::string text = name_;
    text += events.readable ? " readable" : "";
    text += events.writable ? " writable" : "";
    text += events.hangup ? " hangup" : "";
    text += events.broken ? " broken" : "";
    trace_->push_back(text);
    if (then) {
      then();
    }
  }

  std::function<void()> then;

 private:
  Texts* trace_;
  std::string name_;
};

/// A loop without its facade.
class CoreTest : public KernelTest {
 protected:
  CoreTest() : core_(std::make_unique<LoopCore>(options())) {
    // The first turn hears that the wake-up could be written to.
    turn();
    kernel_->clear_calls();
  }
  void TearDown() override {
    core_.reset();
    for (const int fd : fds_) {
      static_cast<void>(kernel_->close(fd));
    }
    KernelTest::TearDown();
  }
  void turn() {
    core_->stop();
    core_->run_forever();
  }
  /// A stream that the test closes at its end.
  [[nodiscard]] int open_stream() {
    fds_.push_back(kernel_->open_stream());
    return fds_.back();
  }
  void note_soon(const std::string& name) {
    core_->call_soon([this, name] { trace_.push_back(name); });
  }

  std::unique_ptr<LoopCore> core_;
  std::vector<int> fds_;
};

}  // namespace sluice::loop
