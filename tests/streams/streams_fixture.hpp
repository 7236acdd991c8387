#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "sluice/sluice.hpp"
#include "testing/scripted_kernel.hpp"

namespace sluice::streams {

using Texts = std::vector<std::string>;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

/// What `action` throws, as a name; "nothing" if it throws nothing.
template <class Action>
[[nodiscard]] std::string thrown_by(Action action) {
  try {
    action();
  } catch (const CancelledError&) {
    return "cancelled";
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::timed_out) {
      return "timed out";
    }
    return error.code() == std::errc::connection_reset ? "reset" : error.code().message();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing";
}

/// How a future ended: "pending", "done", or what it throws.
template <class T>
[[nodiscard]] std::string outcome_of(const Future<T>& future) {
  if (!future.done()) {
    return "pending";
  }
  const std::string thrown = thrown_by([&] { future.get(); });
  return thrown == "nothing" ? "done" : thrown;
}

/// Counts how many of its kind are alive.
class Counted {
 public:
  explicit Counted(int& alive) noexcept : alive_(&alive) { ++*alive_; }
  Counted(Counted&& other) noexcept : alive_(other.alive_) { ++*alive_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  Counted& operator=(Counted&&) = delete;
  ~Counted() { --*alive_; }

 private:
  int* alive_;
};

/// A loop over a scripted kernel with its clock. At the end nothing may be open in the kernel, and
/// nothing may have been done wrong to it.
class StreamsTest : public ::testing::Test {
 protected:
  StreamsTest() { make_loop({}); }
  void make_loop(LoopOptions options) {
    options.system_calls = kernel_;
    options.log = [this](LogLevel level, std::string_view message) {
      if (level >= LogLevel::warning) {
        logged_.emplace_back(message);
      }
    };
    loop_ = std::make_unique<EventLoop>(std::move(options));
    loop_->set_exception_handler([this](const ExceptionContext& context) {
      reports_.push_back(context.message + (context.exception ? ": " + context.what() : ""));
    });
  }
  void TearDown() override {
    loop_.reset();
    EXPECT_EQ(Texts{}, kernel_->violations());
    EXPECT_EQ(0U, kernel_->open_descriptors());
  }

  /// Turns that do not wait.
  void turn(int count = 1) {
    for (int i = 0; i < count; ++i) {
      loop_->stop();
      loop_->run_forever();
    }
  }
  /// Runs while the clock moves by `time`.
  void run_for(nanoseconds time) {
    loop_->call_later(time, [this] { loop_->stop(); });
    loop_->run_forever();
  }
  void note(std::string text) { trace_.push_back(std::move(text)); }

  std::shared_ptr<testing::ScriptedKernel> kernel_ = std::make_shared<testing::ScriptedKernel>();
  Texts logged_;
  Texts reports_;
  Texts trace_;
  std::unique_ptr<EventLoop> loop_;
};

}  // namespace sluice::streams
