#include "loop/resolver.hpp"

#include <netdb.h>

#include <condition_variable>
#include <limits>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "loop/loop_fixture.hpp"
#include "testing/no_new_threads.hpp"

namespace sluice::loop {
namespace {

class Resolving : public CoreTest {
 protected:
  void resolve(const std::string& host, bool stop = true) {
    core_->resolver().resolve({host, 80}, [this, host, stop](const sys::Resolved& answer) {
      EXPECT_EQ(home_, std::this_thread::get_id());
      std::string text = host + ":";
      for (const SocketAddress& address : answer.addresses) {
        text += " " + address.to_string();
      }
      text += answer.error != 0 ? " error " + std::to_string(answer.error) : "";
      text += answer.system_error != 0 ? "/" + std::to_string(answer.system_error) : "";
      trace_.push_back(text);
      if (stop) {
        core_->stop();
      }
    });
  }
  const std::thread::id home_ = std::this_thread::get_id();
};

TEST_F(Resolving, AnswersOnTheThreadOfTheLoop) {
  kernel_->script_resolve("host", {"192.0.2.1", "::1"});
  resolve("host");
  core_->run_forever();
  EXPECT_EQ(Texts{"host: 192.0.2.1:80 [::1]:80"}, trace_);
}

TEST_F(Resolving, NeverAnswersInsideTheCall) {
  kernel_->script_resolve("host", {"192.0.2.1"});
  core_->call_soon([this] {
    resolve("host");
    EXPECT_EQ(Texts{}, trace_);
  });
  core_->run_forever();
  EXPECT_EQ(1U, trace_.size());
}

TEST_F(Resolving, AFailureIsAnAnswer) {
  kernel_->fail_resolve("nowhere", EAI_NONAME);
  resolve("nowhere");
  core_->run_forever();
  EXPECT_EQ(Texts{"nowhere: error " + std::to_string(EAI_NONAME)}, trace_);
}

TEST_F(Resolving, AFailureOfTheSystemKeepsItsNumber) {
  kernel_->fail_resolve("nowhere", EAI_SYSTEM, EMFILE);
  resolve("nowhere");
  core_->run_forever();
  EXPECT_EQ(Texts{"nowhere: error " + std::to_string(EAI_SYSTEM) + "/" + std::to_string(EMFILE)},
            trace_);
}

// Answers when it is told to, whatever else happens; "quick" is answered at once.
class BlockingNames final : public testing::ScriptedKernel {
 public:
  sys::Resolved resolve(const std::string& host, std::uint16_t /*port*/, AddressFamily /*family*/,
                        bool /*passive*/) noexcept override {
    if (host == "quick") {
      return {};
    }
    std::unique_lock lock(mutex_);
    ++inside_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return released_; });
    --inside_;
    changed_.notify_all();
    return {};
  }
  void wait_until_inside(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return inside_ == count; });
  }
  [[nodiscard]] int inside() {
    const std::lock_guard lock(mutex_);
    return inside_;
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int inside_ = 0;
  bool released_ = false;
};

class BlockedResolving : public ::testing::Test {
 protected:
  BlockedResolving() {
    LoopOptions options;
    options.system_calls = names_;
    core_ = std::make_unique<LoopCore>(std::move(options));
  }
  void resolve(bool& gone) {
    core_->resolver().resolve({"host", 80},
                              [this, tracer = Tracer(gone)](const sys::Resolved&) { ++answers_; });
  }

  std::shared_ptr<BlockingNames> names_ = std::make_shared<BlockingNames>();
  std::unique_ptr<LoopCore> core_;
  int answers_ = 0;
};

TEST_F(BlockedResolving, ALoopThatIsClosedMeanwhileDoesNotWait) {
  bool gone = false;
  resolve(gone);
  names_->wait_until_inside(1);
  core_.reset();
  // What the answer was for is gone, on this thread, while the lookup goes on.
  EXPECT_TRUE(gone);
  EXPECT_EQ(1, names_->inside());
  names_->let_go();
  names_->wait_until_inside(0);
  EXPECT_EQ(0, answers_);
}

TEST_F(BlockedResolving, WhatNoThreadHasTakenUpIsForgottenWithTheLoop) {
  std::array<bool, Resolver::max_threads + 3> gone{};
  for (bool& each : gone) {
    resolve(each);
  }
  names_->wait_until_inside(static_cast<int>(Resolver::max_threads));
  core_.reset();
  EXPECT_EQ((std::array<bool, gone.size()>{true, true, true, true, true, true, true}), gone);
  names_->let_go();
  names_->wait_until_inside(0);
  EXPECT_EQ(0, answers_);
}

TEST_F(BlockedResolving, AnAnswerThatHasArrivedButNotBeenToldIsDroppedWithTheLoop) {
  bool gone = false;
  resolve(gone);
  names_->wait_until_inside(1);
  names_->let_go();
  names_->wait_until_inside(0);
  core_.reset();
  EXPECT_TRUE(gone);
  EXPECT_EQ(0, answers_);
}

TEST(ResolvingWithoutALoop, ASlowNameDoesNotHoldUpAQuickOne) {
  const auto names = std::make_shared<BlockingNames>();
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<detail::Callback> posted;
  Texts answered;
  {
    Resolver resolver(names, [&](detail::Callback callback) {
      const std::lock_guard lock(mutex);
      posted.push_back(std::move(callback));
      changed.notify_all();
    });
    resolver.resolve({"slow"}, [&](const sys::Resolved&) { answered.emplace_back("slow"); });
    names->wait_until_inside(1);
    resolver.resolve({"quick"}, [&](const sys::Resolved&) { answered.emplace_back("quick"); });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return !posted.empty(); });
    detail::Callback answer = std::move(posted.front());
    lock.unlock();
    answer();
    EXPECT_EQ(Texts{"quick"}, answered);
  }
  names->let_go();
  names->wait_until_inside(0);
  EXPECT_EQ(1U, posted.size());
}

// A loop's mailbox for which there is no memory, `failures` times.
class FullMailbox {
 public:
  explicit FullMailbox(int failures) : failures_(failures) {}
  void post(detail::Callback callback) {
    const std::lock_guard lock(mutex_);
    if (failures_ > 0) {
      --failures_;
      throw std::bad_alloc();
    }
    posted_ = std::move(callback);
    changed_.notify_all();
  }
  void deliver() {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(
        changed_.wait_for(lock, seconds(10), [this] { return static_cast<bool>(posted_); }));
    // As the loop calls it: nothing of the mailbox is held meanwhile.
    detail::Callback callback = std::exchange(posted_, {});
    lock.unlock();
    callback();
  }
  [[nodiscard]] bool is_full() {
    const std::lock_guard lock(mutex_);
    return failures_ > 0;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  detail::Callback posted_;
  int failures_;
};

TEST(ResolvingWithoutALoop, WithoutMemoryForTheAnswerThatIsTheAnswer) {
  for (const int failures : {1, 3}) {
    FullMailbox mailbox(failures);
    const auto kernel = std::make_shared<testing::ScriptedKernel>();
    kernel->script_resolve("host", {"192.0.2.1"});
    Resolver resolver(kernel,
                      [&](detail::Callback callback) { mailbox.post(std::move(callback)); });
    int error = 0;
    resolver.resolve({"host", 80}, [&](const sys::Resolved& answer) { error = answer.error; });
    mailbox.deliver();
    EXPECT_EQ(EAI_MEMORY, error);
  }
}

TEST(ResolvingWithoutALoop, OneThatWaitsForMemoryEndsWithTheResolver) {
  FullMailbox mailbox(std::numeric_limits<int>::max());
  const auto kernel = std::make_shared<testing::ScriptedKernel>();
  kernel->script_resolve("host", {"192.0.2.1"});
  {
    Resolver resolver(kernel,
                      [&](detail::Callback callback) { mailbox.post(std::move(callback)); });
    resolver.resolve({"host", 80}, [](const sys::Resolved&) { ADD_FAILURE() << "no memory"; });
  }
  EXPECT_TRUE(mailbox.is_full());
}

TEST_F(Resolving, WithoutAThreadItThrowsAndForgetsTheQuestion) {
  kernel_->script_resolve("host", {"192.0.2.1"});
  {
    const testing::NoNewThreads no_threads;
    EXPECT_THROW(resolve("host"), std::system_error);
  }
  resolve("host");
  core_->run_forever();
  EXPECT_EQ(Texts{"host: 192.0.2.1:80"}, trace_);
  EXPECT_EQ(1U, kernel_->count_calls("resolve"));
}

TEST(ResolvingBySystem, SeveralAtOnceAreAllAnsweredOnTheThreadOfTheLoop) {
  constexpr int count = 50;
  const std::thread::id home = std::this_thread::get_id();
  LoopCore core{LoopOptions{}};
  int answers = 0;
  for (int i = 0; i < count; ++i) {
    core.resolver().resolve({"127.0.0.1", 80}, [&](const sys::Resolved& found) {
      EXPECT_EQ(home, std::this_thread::get_id());
      EXPECT_FALSE(found.addresses.empty());
      if (++answers == count) {
        core.stop();
      }
    });
  }
  core.run_forever();
}

TEST(ResolvingBySystem, ANumericHostIsResolved) {
  LoopCore core{LoopOptions{}};
  std::string answer;
  core.resolver().resolve({"127.0.0.1", 80, AddressFamily::ipv4}, [&](const sys::Resolved& found) {
    answer = found.addresses.empty() ? "nothing" : found.addresses.front().to_string();
    core.stop();
  });
  core.run_forever();
  EXPECT_EQ("127.0.0.1:80", answer);
}

}  // namespace
}  // namespace sluice::loop
