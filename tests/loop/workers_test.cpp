#include "loop/workers.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "loop/loop_core.hpp"

namespace sluice::loop {
namespace {

using Texts = std::vector<std::string>;

// A door that jobs wait behind, and the order in which they came.
class Gate {
 public:
  void pass(const std::string& name) {
    std::unique_lock lock(mutex_);
    arrived_.push_back(name);
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return arrived_.size() >= count; });
  }
  [[nodiscard]] Texts arrived() {
    const std::lock_guard lock(mutex_);
    return arrived_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  Texts arrived_;
  bool open_ = false;
};

struct Diary {
  Gate gate;
  Texts texts;  // the loop's thread only
  const std::thread::id home = std::this_thread::get_id();
};

class Task final : public Workers::Job {
 public:
  Task(
      std::shared_ptr<Diary> diary, std::string name, std::function<void()> then = [] {})
      : diary_(std::move(diary)), name_(std::move(name)), then_(std::move(then)) {}
  void run() noexcept override {
    EXPECT_NE(diary_->home, std::this_thread::get_id());
    diary_->gate.pass(name_);
  }
  void done() override { note("done"); }
  void dropped() noexcept override { note("dropped"); }

 private:
  void note(const std::string& what) {
    EXPECT_EQ(diary_->home, std::this_thread::get_id());
    diary_->texts.push_back(name_ + " " + what);
    then_();
  }
  std::shared_ptr<Diary> diary_;
  std::string name_;
  std::function<void()> then_;
};

class FileWorkers : public ::testing::Test {
 protected:
  void submit(
      const std::string& name, std::function<void()> then = [] {}) {
    core_.file_workers().submit(std::make_shared<Task>(diary_, name, std::move(then)));
  }
  std::shared_ptr<Diary> diary_ = std::make_shared<Diary>();
  LoopCore core_{LoopOptions{}};
};

TEST_F(FileWorkers, RunElsewhereAndTellOnTheThreadOfTheLoop) {
  diary_->gate.open();
  submit("a", [this] { core_.stop(); });
  EXPECT_EQ(Texts{}, diary_->texts);
  core_.run_forever();
  EXPECT_EQ(Texts{"a done"}, diary_->texts);
}

TEST_F(FileWorkers, AreBoundedAndTakeTheRestInOrder) {
  for (std::size_t i = 0; i < Workers::max_threads; ++i) {
    submit("early");
  }
  diary_->gate.wait_for(Workers::max_threads);
  int left = 3;
  for (const char* name : {"a", "b", "c"}) {
    submit(name, [&] {
      if (--left == 0) {
        core_.stop();
      }
    });
  }
  EXPECT_EQ(Workers::max_threads, diary_->gate.arrived().size());
  diary_->gate.open();
  core_.run_forever();
  EXPECT_EQ(Workers::max_threads + 3, diary_->gate.arrived().size());
}

TEST_F(FileWorkers, AJobMayBeGivenAgainFromItsEnd) {
  diary_->gate.open();
  int rounds = 0;
  std::shared_ptr<Task> task;
  task = std::make_shared<Task>(diary_, "a", [&] {
    if (++rounds < 100) {
      core_.file_workers().submit(task);
    } else {
      core_.stop();
    }
  });
  core_.file_workers().submit(task);
  core_.run_forever();
  EXPECT_EQ(100, rounds);
  task.reset();
}

TEST_F(FileWorkers, WhatOneEndThrowsDoesNotKeepTheNextFromBeingTold) {
  std::string reported;
  core_.set_exception_handler(
      [&](const ExceptionContext& context) { reported += context.what() + ";"; });
  diary_->gate.open();
  // Each has a thread of its own, so either may be the last one.
  submit("a", [this] {
    core_.stop();
    throw std::runtime_error("thrown");
  });
  submit("b", [this] { core_.stop(); });
  while (diary_->texts.size() < 2) {
    core_.run_forever();
  }
  EXPECT_EQ("thrown;", reported);
}

// The bytes that a write has in its hands are the loop's.
TEST_F(FileWorkers, ALoopThatClosesWaitsForWhatRunsAndDropsTheRest) {
  for (std::size_t i = 0; i < Workers::max_threads; ++i) {
    submit("early");
  }
  submit("late", [this] { diary_->gate.open(); });
  diary_->gate.wait_for(Workers::max_threads);
  core_.close();
  EXPECT_EQ(
      (Texts{"late dropped", "early dropped", "early dropped", "early dropped", "early dropped"}),
      diary_->texts);
  EXPECT_EQ(Workers::max_threads, diary_->gate.arrived().size());
}

TEST(WorkersAlone, ClosedTwiceAreClosedOnce) {
  Workers workers(Workers::AtClose::wait, [](detail::Callback) {});
  workers.close();
  workers.close();
}

// A signal of the process is to be handled by its own threads, and SIGXFSZ to be an error.
TEST_F(FileWorkers, AreNotDisturbedBySignals) {
  class Mask final : public Workers::Job {
   public:
    explicit Mask(LoopCore& core) : core_(core) {}
    void run() noexcept override { ::pthread_sigmask(SIG_BLOCK, nullptr, &mask); }
    void done() override { core_.stop(); }
    void dropped() noexcept override {}
    sigset_t mask{};

   private:
    LoopCore& core_;
  };
  const auto job = std::make_shared<Mask>(core_);
  core_.file_workers().submit(job);
  core_.run_forever();
  EXPECT_EQ(1, ::sigismember(&job->mask, SIGXFSZ));
  EXPECT_EQ(1, ::sigismember(&job->mask, SIGTERM));
}

}  // namespace
}  // namespace sluice::loop
