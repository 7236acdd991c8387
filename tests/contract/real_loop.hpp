#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "sluice/event_loop.hpp"
#include "testing/peers.hpp"
#include "testing/recording_protocol.hpp"

namespace sluice::testing {

[[nodiscard]] inline auto stream_factory(std::shared_ptr<Recording> record) {
  return [record = std::move(record)] { return std::make_shared<RecordingProtocol>(record); };
}
[[nodiscard]] inline auto write_factory(std::shared_ptr<Recording> record) {
  return [record = std::move(record)] { return std::make_shared<RecordingWriteProtocol>(record); };
}

/// For tests that are not about one kind of transport: a loop, and records that let go of their
/// transports at the end. Nothing may be left in reports() or warnings() then.
class LoopTest : public ::testing::Test {
 protected:
  explicit LoopTest(LoopOptions options) {
    options.log = [this](LogLevel level, std::string_view text) {
      if (level >= LogLevel::warning) {
        warnings_.emplace_back(text);
      }
    };
    loop_ = std::make_unique<EventLoop>(std::move(options));
    loop_->set_exception_handler([this](const ExceptionContext& context) {
      reports_.push_back(context.message + ": " + context.what());
    });
  }
  ~LoopTest() override {
    loop_.reset();
    for (const std::shared_ptr<Recording>& record : records_) {
      record->release();
    }
  }
  void TearDown() override {
    for (const std::shared_ptr<Recording>& record : records_) {
      EXPECT_EQ(grammar_offence(record->calls(), false), "") << record->trace();
      record->on_connection_lost = nullptr;
    }
    EXPECT_EQ(reports_, std::vector<std::string>());
    EXPECT_EQ(warnings_, std::vector<std::string>());
  }

  [[nodiscard]] EventLoop& loop() { return *loop_; }
  [[nodiscard]] std::vector<std::string>& reports() { return reports_; }
  [[nodiscard]] std::vector<std::string>& warnings() { return warnings_; }
  [[nodiscard]] std::shared_ptr<Recording> new_record() {
    records_.push_back(std::make_shared<Recording>());
    return records_.back();
  }
  /// Exactly one turn, without waiting.
  void turn() {
    loop_->stop();
    loop_->run_forever();
  }
  /// Turns until `condition` holds; fails the test when it does not within a few seconds.
  void run_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) {
        FAIL() << "what the test waits for did not come true";
      }
      turn();
    }
  }
  void run_some_turns() {
    for (int i = 0; i < 10; ++i) {
      turn();
    }
  }
  /// The error that a connecting call fails with; fails the test when it succeeds.
  template <class T>
  std::system_error failure_of(Future<T> future) {
    run_until([&] { return future.done(); });
    try {
      future.get();
    } catch (const std::system_error& error) {
      return error;
    } catch (const std::exception& error) {
      ADD_FAILURE() << "not a system error: " << error.what();
      return std::system_error(std::error_code());
    }
    ADD_FAILURE() << "it succeeded";
    return std::system_error(std::error_code());
  }

 private:
  std::unique_ptr<EventLoop> loop_;
  std::vector<std::shared_ptr<Recording>> records_;
  std::vector<std::string> reports_;
  std::vector<std::string> warnings_;
};

/// On the real system.
class RealLoop : public LoopTest {
 protected:
  RealLoop() : LoopTest(LoopOptions{}) {}
};

/// On a scripted kernel, which must have nothing to complain about at the end.
class ScriptedLoop : public LoopTest {
 protected:
  ScriptedLoop() : ScriptedLoop(std::make_shared<ScriptedKernel>()) {}
  void TearDown() override {
    LoopTest::TearDown();
    EXPECT_EQ(kernel_->violations(), std::vector<std::string>());
  }
  [[nodiscard]] ScriptedKernel& kernel() { return *kernel_; }
  [[nodiscard]] const std::shared_ptr<ScriptedKernel>& shared_kernel() { return kernel_; }

 private:
  explicit ScriptedLoop(std::shared_ptr<ScriptedKernel> kernel)
      : LoopTest(options_on(kernel)), kernel_(std::move(kernel)) {}
  static LoopOptions options_on(std::shared_ptr<ScriptedKernel> kernel) {
    LoopOptions options;
    options.system_calls = std::move(kernel);
    return options;
  }
  std::shared_ptr<ScriptedKernel> kernel_;
};

}  // namespace sluice::testing
