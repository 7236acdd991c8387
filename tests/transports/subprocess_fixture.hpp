#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/event_loop.hpp"
#include "testing/peers.hpp"
#include "testing/recording_protocol.hpp"
#include "transports/transport_fixture.hpp"

namespace sluice::transports {

using Argv = std::vector<std::string>;

/// What a child's protocol was told, and what it is to do about it.
struct ChildRecord {
  std::shared_ptr<SubprocessTransport> transport;
  /// "CM DR1 PL1(ok) PX CL(ok)"; data of one pipe in a row is one DR.
  std::string trace;
  std::map<int, std::string> received;
  std::function<void()> on_made;
  std::function<void(int)> on_data;
  std::function<void()> on_pause;
  std::function<void()> on_resume;
  std::function<void(int)> on_pipe_lost;
  std::function<void()> on_exit;
  std::function<void()> on_lost;
  /// After each call.
  std::function<void()> after;

  void note(const std::string& text, const std::function<void()>& reaction) {
    if (!trace.ends_with(text) || !text.starts_with("DR")) {
      trace += (trace.empty() ? "" : " ") + text;
    }
    if (reaction) {
      reaction();
    }
    if (after) {
      after();
    }
  }
  [[nodiscard]] bool has(std::string_view what) const {
    return trace.find(what) != std::string::npos;
  }
  [[nodiscard]] bool lost() const { return has(" CL("); }
};

/// Records for a child.
class ChildProbe final : public SubprocessProtocol {
 public:
  explicit ChildProbe(std::shared_ptr<ChildRecord> record) : record_(std::move(record)) {}
  void connection_made(std::shared_ptr<SubprocessTransport> transport) override {
    record_->transport = std::move(transport);
    record_->note("CM", record_->on_made);
  }
  void pipe_data_received(int fd, Bytes data) override {
    record_->received[fd] += as_text(data);
    record_->note("DR" + std::to_string(fd), [&] {
      if (record_->on_data) {
        record_->on_data(fd);
      }
    });
  }
  void pipe_connection_lost(int fd, std::error_code error) override {
    record_->note("PL" + std::to_string(fd) + "(" + testing::name_of(error) + ")", [&] {
      if (record_->on_pipe_lost) {
        record_->on_pipe_lost(fd);
      }
    });
  }
  void process_exited() override { record_->note("PX", record_->on_exit); }
  void pause_writing() override { record_->note("PW", record_->on_pause); }
  void resume_writing() override { record_->note("RW", record_->on_resume); }
  void connection_lost(std::error_code error) override {
    record_->note("CL(" + testing::name_of(error) + ")", record_->on_lost);
  }

 private:
  std::shared_ptr<ChildRecord> record_;
};

/// A real loop and a real child.
class SubprocessTest : public ::testing::Test {
 protected:
  SubprocessTest() {
    LoopOptions options;
    options.log = [this](LogLevel level, std::string_view message) {
      if (level >= LogLevel::warning) {
        logged_.emplace_back(message);
      }
    };
    loop_ = std::make_unique<EventLoop>(std::move(options));
    loop_->set_exception_handler([this](const ExceptionContext& context) {
      reports_.push_back(context.message + (context.exception ? ": " + context.what() : ""));
    });
    record_ = new_record();
  }
  void TearDown() override {
    record_.reset();
    loop_.reset();
    EXPECT_EQ(Texts{}, reports_);
    EXPECT_EQ(Texts{}, logged_);
  }

  [[nodiscard]] std::shared_ptr<ChildRecord> new_record() {
    auto record = std::make_shared<ChildRecord>();
    record->after = [this] { loop_->stop(); };
    return record;
  }
  [[nodiscard]] auto factory(std::shared_ptr<ChildRecord> record) {
    return [record = std::move(record)] { return std::make_shared<ChildProbe>(record); };
  }
  /// Turns of the loop, each after something was told, until `condition` holds.
  void run_until(std::string_view what, const std::function<bool()>& condition) {
    constexpr seconds patience{20};
    bool late = false;
    TimerHandle deadline = loop_->call_later(patience, [&] {
      late = true;
      loop_->stop();
    });
    while (!condition() && !late) {
      loop_->run_forever();
    }
    deadline.cancel();
    ASSERT_FALSE(late) << "in vain waited for: " << what << "; so far: " << record_->trace;
  }
  void run_until_lost() {
    run_until("connection_lost", [this] { return record_->lost(); });
  }
  void turn(int count = 1) {
    for (int i = 0; i < count; ++i) {
      loop_->stop();
      loop_->run_forever();
    }
  }
  using Started = Future<SubprocessConnection<ChildProbe>>;
  Started begin(Argv argv, SubprocessOptions options = {}) {
    return loop_->subprocess_exec(factory(record_), std::move(argv), std::move(options));
  }
  /// Starts a child and lets its transport begin.
  SubprocessTransport& start(Argv argv, SubprocessOptions options = {}) {
    return made(begin(std::move(argv), std::move(options)));
  }
  SubprocessTransport& shell(std::string command, SubprocessOptions options = {}) {
    return made(loop_->subprocess_shell(factory(record_), std::move(command), std::move(options)));
  }
  /// Throws what the future failed with.
  SubprocessTransport& made(Started started) {
    started.add_done_callback([this](const Started&) { loop_->stop(); });
    run_until("the start", [&] { return started.done(); });
    return *started.get().transport;
  }
  /// What a child without input writes, once it is gone.
  std::string output_of(Argv argv, SubprocessOptions options = {}) {
    options.stdin_ = Stdio::devnull();
    start(std::move(argv), std::move(options));
    run_until_lost();
    return record_->received[1];
  }
  std::string output_of_shell(std::string command, SubprocessOptions options = {}) {
    return output_of({"/bin/sh", "-c", std::move(command)}, std::move(options));
  }
  /// What start() failed with.
  std::string failure_of(Argv argv, SubprocessOptions options = {}) {
    const Started future = begin(std::move(argv), std::move(options));
    turn(3);
    EXPECT_EQ("", record_->trace);
    return outcome_of(future);
  }
  [[nodiscard]] static SubprocessOptions without_pipes() {
    SubprocessOptions options;
    options.stdin_ = Stdio::devnull();
    options.stdout_ = Stdio::devnull();
    options.stderr_ = Stdio::devnull();
    return options;
  }
  [[nodiscard]] std::string trace() const { return record_->trace; }

  Texts logged_;
  Texts reports_;
  std::unique_ptr<EventLoop> loop_;
  std::shared_ptr<ChildRecord> record_;
};

}  // namespace sluice::transports
