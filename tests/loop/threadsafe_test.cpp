// call_soon_threadsafe and the inbox behind it.
#include <malloc.h>

#include <array>
#include <atomic>
#include <latch>
#include <stdexcept>
#include <thread>

#include "loop/inbox.hpp"
#include "loop/loop_fixture.hpp"

namespace sluice::loop {
namespace {

// W-166
TEST(FromOtherThreads, EveryCallbackRunsOnceAndEachThreadsInOrder) {
  constexpr int threads = 8;
  constexpr int calls = 2000;
  EventLoop loop;
  const std::thread::id home = std::this_thread::get_id();
  std::array<int, threads> next{};
  int left = threads * calls;
  std::vector<std::thread> callers;
  for (std::size_t caller = 0; caller < threads; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; i < calls; ++i) {
        loop.call_soon_threadsafe([&, caller, i] {
          EXPECT_EQ(home, std::this_thread::get_id());
          EXPECT_EQ(i, next[caller]++);
          if (--left == 0) {
            loop.stop();
          }
        });
      }
    });
  }
  loop.run_forever();
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(0, left);
}

// W-166
TEST(FromOtherThreads, ALoopThatSleepsIsWoken) {
  EventLoop loop;
  std::latch running(1);
  std::thread caller([&] {
    running.wait();
    loop.call_soon_threadsafe([&] { loop.stop(); });
  });
  loop.call_soon([&] { running.count_down(); });
  loop.run_forever();
  caller.join();
}

// W-166
TEST(FromOtherThreads, APingPongOfTwoLoopsLosesNoWakeUp) {
  constexpr int rounds = 3000;
  EventLoop here;
  std::latch ready(1);
  EventLoop* there = nullptr;
  std::function<void(int)> ping = [&](int round) {
    if (round == rounds) {
      there->call_soon_threadsafe([&] { there->stop(); });
      here.stop();
      return;
    }
    there->call_soon_threadsafe(
        [&, round] { here.call_soon_threadsafe([&, round] { ping(round + 1); }); });
  };
  std::thread thread([&] {
    EventLoop loop;
    there = &loop;
    ready.count_down();
    loop.run_forever();
  });
  ready.wait();
  here.call_soon([&] { ping(0); });
  here.run_forever();
  thread.join();
}

// W-166: with no timer and nothing else to do, one wake-up that is lost is the end. The thread
// posts the next callback as soon as one has run, so while the loop decides whether to sleep.
TEST(FromOtherThreads, AThreadThatWaitsForEachCallbackLosesNoWakeUp) {
  constexpr int rounds = 20000;
  EventLoop loop;
  std::atomic<int> answers = 0;
  std::thread poster([&] {
    for (int round = 0; round < rounds; ++round) {
      loop.call_soon_threadsafe([&] { ++answers; });
      while (answers.load() == round) {
        std::this_thread::yield();
      }
    }
    loop.call_soon_threadsafe([&] { loop.stop(); });
  });
  loop.run_forever();
  poster.join();
  EXPECT_EQ(rounds, answers.load());
}

// W-166: one of the two is often the second to post since the loop took what was posted.
TEST(FromOtherThreads, NeitherOfTwoThreadsThatWaitForTheirCallbacksWaitsInVain) {
  constexpr int rounds = 5000;
  EventLoop loop;
  std::atomic<int> waiting = 2;
  const auto post_and_wait = [&] {
    for (int i = 0; i < rounds; ++i) {
      std::atomic<bool> ran = false;
      loop.call_soon_threadsafe([&ran] {
        ran = true;
        ran.notify_one();
      });
      ran.wait(false);
    }
    if (--waiting == 0) {
      loop.call_soon_threadsafe([&] { loop.stop(); });
    }
  };
  std::thread first(post_and_wait);
  std::thread second(post_and_wait);
  loop.run_forever();
  first.join();
  second.join();
  EXPECT_EQ(0, waiting.load());
}

// W-166
TEST(FromOtherThreads, TheMemoryOfABurstIsGivenBack) {
  const auto bytes_in_use = [] {
    const auto info = mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  EventLoop loop;
  const auto before = bytes_in_use();
  for (int i = 0; i < 100'000; ++i) {
    loop.call_soon_threadsafe([] {});
  }
  loop.call_soon_threadsafe([&loop] { loop.stop(); });
  loop.run_forever();
  EXPECT_LT(bytes_in_use(), before + 1'000'000);
}

// W-166
TEST(FromOtherThreads, TheCallbackIsDestroyedOnTheThreadOfTheLoop) {
  struct Owner {
    ~Owner() { destroyed_on = std::this_thread::get_id(); }
    std::thread::id& destroyed_on;
  };
  EventLoop loop;
  std::thread::id destroyed_on;
  std::thread caller([&] {
    loop.call_soon_threadsafe(
        [&loop, owner = std::unique_ptr<Owner>(new Owner{destroyed_on})] { loop.stop(); });
  });
  caller.join();
  loop.run_forever();
  EXPECT_EQ(std::this_thread::get_id(), destroyed_on);
}

// W-166
TEST(FromOtherThreads, AClosedLoopThrowsWhoeverCalls) {
  EventLoop loop;
  std::latch posted(1);
  std::atomic<int> accepted = 0;
  std::string refusal;
  std::thread caller([&] {
    refusal = thrown_by([&] {
      for (;;) {
        loop.call_soon_threadsafe([] {});
        if (++accepted == 1) {
          posted.count_down();
        }
      }
    });
  });
  posted.wait();
  loop.close();
  caller.join();
  EXPECT_EQ("logic_error: Event loop is closed", refusal);
}

// W-166
TEST(FromOtherThreads, DebugModeAllowsIt) {
  EventLoop loop(LoopOptions{.debug = true});
  std::thread caller;
  loop.call_soon(
      [&] { caller = std::thread([&] { loop.call_soon_threadsafe([&] { loop.stop(); }); }); });
  loop.run_forever();
  caller.join();
}

class Posting : public LoopTest {};

// W-166
TEST_F(Posting, WorksOnTheThreadOfTheLoopToo) {
  loop_->call_soon_threadsafe([this] {
    trace_.push_back("posted");
    loop_->stop();
  });
  loop_->run_forever();
  EXPECT_EQ(Texts{"posted"}, trace_);
}

// W-166
TEST_F(Posting, OnTheThreadOfTheLoopItKeepsTheOrderOfCallSoon) {
  const auto queue = [this] {
    note_soon("1");
    loop_->call_soon_threadsafe(note("2"));
    note_soon("3");
    loop_->call_soon_threadsafe(note("4"));
    loop_->call_soon_threadsafe(note("5"));
    note_soon("6");
  };
  const Texts in_order{"1", "2", "3", "4", "5", "6"};
  queue();
  turn();
  EXPECT_EQ(in_order, trace_) << "while no turn runs";
  trace_.clear();
  loop_->call_soon(queue);
  turn();
  EXPECT_EQ(Texts{}, trace_);
  turn();
  EXPECT_EQ(in_order, trace_) << "in a turn";
}

// W-166
TEST_F(Posting, WhatAnotherThreadHasPostedComesBeforeWhatIsQueuedAfterIt) {
  std::thread([this] { loop_->call_soon_threadsafe(note("posted")); }).join();
  note_soon("queued after it");
  turn();
  EXPECT_EQ((Texts{"posted", "queued after it"}), trace_);
}

// W-162
TEST_F(Posting, WhatIsPostedDuringATurnWaitsForTheNextOne) {
  loop_->call_soon([this] { loop_->call_soon_threadsafe(note("posted")); });
  note_soon("soon");
  turn();
  EXPECT_EQ(Texts{"soon"}, trace_);
  turn();
  EXPECT_EQ((Texts{"soon", "posted"}), trace_);
}

//
TEST_F(Posting, AWakeUpThatIsBeingAnsweredDoesNotSwallowTheNextOne) {
  loop_->call_soon_threadsafe([this] {
    // The event of the first is collected and not handled yet.
    loop_->call_soon_threadsafe([this] {
      trace_.push_back("second");
      loop_->stop();
    });
  });
  loop_->run_forever();
  EXPECT_EQ(Texts{"second"}, trace_);
}

//
TEST_F(Posting, OneWakeUpServesAllThatIsPostedTogether) {
  for (int i = 0; i < 10; ++i) {
    loop_->call_soon_threadsafe(note(std::to_string(i)));
  }
  EXPECT_EQ(1U, kernel_->count_calls("write"));
  turn();
  EXPECT_EQ(10U, trace_.size());
}

//
TEST_F(Posting, NobodyWakesALoopThatIsAwake) {
  loop_->call_soon([this] {
    loop_->call_soon_threadsafe([this] {
      trace_.push_back("posted");
      loop_->stop();
    });
  });
  loop_->run_forever();
  EXPECT_EQ(Texts{"posted"}, trace_);
  EXPECT_EQ(0U, kernel_->count_calls("write"));
}

//
TEST_F(Posting, WhatTheLastTurnLeavesUntakenIsToldByTheDescriptorWhenTheRunEnds) {
  loop_->call_soon([this] {
    loop_->call_soon_threadsafe(note("posted"));
    loop_->stop();
  });
  loop_->run_forever();
  EXPECT_EQ(Texts{}, trace_);
  EXPECT_EQ(1U, kernel_->count_calls("write"));
  loop_->call_soon_threadsafe(note("more"));
  EXPECT_EQ(1U, kernel_->count_calls("write"));
  turn();
  EXPECT_EQ((Texts{"posted", "more"}), trace_);
}

// W-173
TEST_F(Posting, WhatIsPostedIsNotMissedByATurnThatDoesNotWait) {
  turn();
  loop_->call_soon_threadsafe(note("posted"));
  turn();
  EXPECT_EQ(Texts{"posted"}, trace_);
}

class Mailbox : public CoreTest {
 protected:
  [[nodiscard]] bool post(Inbox& inbox, std::string name) {
    detail::Callback callback = [this, name = std::move(name)] { trace_.push_back(name); };
    return inbox.post(callback);
  }
};

TEST_F(Mailbox, GivesBackWhatWasPostedInOrder) {
  Inbox inbox(*kernel_, core_->reactor());
  EXPECT_TRUE(post(inbox, "1"));
  EXPECT_TRUE(post(inbox, "2"));
  for (detail::Callback& callback : inbox.take()) {
    callback();
  }
  EXPECT_EQ((Texts{"1", "2"}), trace_);
  EXPECT_TRUE(inbox.take().empty());
}

TEST_F(Mailbox, RefusesWhenItIsClosedAndLeavesTheCallbackToTheCaller) {
  Inbox inbox(*kernel_, core_->reactor());
  inbox.close();
  inbox.close();
  detail::Callback callback = [this] { trace_.push_back("still there"); };
  EXPECT_FALSE(inbox.post(callback));
  callback();
  EXPECT_EQ(Texts{"still there"}, trace_);
}

TEST_F(Mailbox, ClosingDestroysWhatIsQueued) {
  bool gone = false;
  Inbox inbox(*kernel_, core_->reactor());
  detail::Callback callback = [tracer = Tracer(gone)] {};
  EXPECT_TRUE(inbox.post(callback));
  inbox.close();
  EXPECT_TRUE(gone);
}

TEST_F(Mailbox, WithoutADescriptorItIsNotMade) {
  kernel_->fail_next("eventfd", EMFILE);
  EXPECT_EQ("system_error: eventfd for an event loop: Too many open files",
            thrown_by([this] { const Inbox inbox(*kernel_, core_->reactor()); }));
}

TEST_F(Mailbox, WhenItCannotBeWatchedItsDescriptorIsClosed) {
  const std::size_t before = kernel_->open_descriptors();
  kernel_->fail_next("epoll_ctl", ENOMEM);
  EXPECT_EQ("system_error: epoll_ctl for the wake-up of an event loop: Cannot allocate memory",
            thrown_by([this] { const Inbox inbox(*kernel_, core_->reactor()); }));
  EXPECT_EQ(before, kernel_->open_descriptors());
}

}  // namespace
}  // namespace sluice::loop
