// A task that waits for data goes on inside the event that brings it.
#include <stdexcept>
#include <thread>

#include "streams/stream_fixture.hpp"

namespace sluice::streams {
namespace {

class ReadingAtOnce : public StreamTest {
 protected:
  Task<> note_what_comes() {
    for (;;) {
      const std::string text = co_await reader().read(100);
      if (text.empty()) {
        break;
      }
      note(text);
    }
    note("end");
  }
  /// Open, with a task that waits.
  void wait_for_data() {
    open();
    loop_->create_task(note_what_comes());
    turn(2);
  }
};

// C-4
TEST_F(ReadingAtOnce, DataIsTakenInTheTurnInWhichItComes) {
  wait_for_data();
  deliver("one");
  EXPECT_EQ(Texts{"one"}, trace_);
  deliver("two");
  EXPECT_EQ((Texts{"one", "two"}), trace_);
}

// C-4
TEST_F(ReadingAtOnce, NobodyIsOvertakenWhoWasQueuedBeforeTheDataCame) {
  wait_for_data();
  loop_->call_soon([this] { loop_->call_soon([this] { note("queued"); }); });
  deliver("data");
  EXPECT_EQ(Texts{}, trace_);
  turn();
  EXPECT_EQ((Texts{"queued", "data"}), trace_);
}

// C-4
TEST_F(ReadingAtOnce, NorWhoWasPostedByAnotherThread) {
  wait_for_data();
  loop_->call_soon([this] {
    std::thread([this] { loop_->call_soon_threadsafe([this] { note("posted"); }); }).join();
  });
  deliver("data");
  EXPECT_EQ(Texts{}, trace_);
  turn();
  EXPECT_EQ((Texts{"posted", "data"}), trace_);
}

// C-4
TEST_F(ReadingAtOnce, WhatTheTaskQueuesAndWakesIsForTheNextTurn) {
  open();
  Event event;
  const auto waits = [&]() -> Task<> {
    co_await event.wait();
    note("woken");
  };
  const auto reads = [&]() -> Task<> {
    note(co_await reader().read(100));
    loop_->call_soon([this] { note("queued"); });
    event.set();
  };
  loop_->create_task(waits());
  loop_->create_task(reads());
  turn(2);
  deliver("data");
  EXPECT_EQ(Texts{"data"}, trace_);
  turn();
  EXPECT_EQ((Texts{"data", "queued", "woken"}), trace_);
}

// W-11
TEST_F(ReadingAtOnce, AnAnswerIsSentBeforeTheEventsThatFollow) {
  open();
  const auto answers = [this]() -> Task<> {
    writer().write("answer to " + co_await reader().read(100));
  };
  loop_->create_task(answers());
  turn(2);
  loop_->call_later(nanoseconds(0), [this] { note(kernel_->sent(fd_)); });
  deliver("data");
  EXPECT_EQ(Texts{"answer to data"}, trace_);
}

TEST_F(ReadingAtOnce, TheTaskMayLetGoOfTheStream) {
  const std::size_t before = kernel_->open_descriptors();
  open();
  const auto reads = [this](StreamPair stream) -> Task<> {
    note(co_await stream.reader.read(100));
    stream.writer.transport()->abort();
  };
  loop_->create_task(reads(std::move(*pair_)));
  pair_.reset();
  turn(2);
  deliver("data");
  EXPECT_EQ(Texts{"data"}, trace_);
  turn(2);
  EXPECT_EQ(before, kernel_->open_descriptors());
  turn(2);
}

TEST_F(ReadingAtOnce, WhatTheTaskThrowsIsTheTasks) {
  open();
  const auto reads = [this]() -> Task<> {
    co_await reader().read(100);
    throw std::runtime_error("of the task");
  };
  const Future<void> task = loop_->create_task(reads());
  turn(2);
  deliver("data");
  EXPECT_EQ("of the task", outcome_of(task));
  EXPECT_FALSE(writer().is_closing());
}

TEST_F(ReadingAtOnce, AReaderThatTookTooLittleIsStillPaused) {
  open(10);
  const auto reads = [this]() -> Task<> { note(co_await reader().read(1)); };
  loop_->create_task(reads());
  turn(2);
  deliver(std::string(22, 'x'));
  EXPECT_EQ(Texts{"x"}, trace_);
  EXPECT_FALSE(std::static_pointer_cast<Transport>(writer().transport())->is_reading());
}

}  // namespace
}  // namespace sluice::streams
