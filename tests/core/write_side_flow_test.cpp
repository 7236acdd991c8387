// The write side: flow control and the end of the stream.
#include "core/write_side.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/write_side_fixture.hpp"

namespace sluice::core {
namespace {

using testing::FakeTransport;

// ---- Flow control ----

// W-66, W-67, W-68
TEST_F(Immediate, PausesOnceAndStrictlyAboveHighWithTheDataInTheBuffer) {
  side().set_limits(100, 10);
  fill(100);
  EXPECT_TRUE(transport_.take_log().empty());
  std::size_t seen = 0;
  transport_.on_pause = [&] { seen = side().size(); };
  transport_.write(1);
  transport_.write(1);
  EXPECT_EQ(Log{"PW"}, transport_.take_log());
  EXPECT_EQ(101U, seen);
}

// W-69
TEST_F(Immediate, AWriteInsidePauseIsOnlyAppended) {
  side().set_limits(10, 5);
  transport_.room = 0;
  transport_.on_pause = [&] { transport_.write(5); };
  transport_.write(11);
  EXPECT_EQ((Log{"send 11", "PW"}), transport_.take_log());
  EXPECT_EQ(16U, side().size());
}

// W-70, W-72
TEST_F(Immediate, ResumesAtTheLowMarkFromWithinTheFlush) {
  side().set_limits(100, 10);
  fill(101);
  transport_.ready(90);
  EXPECT_EQ((Log{"send 101"}), transport_.take_log());
  transport_.ready(1);
  EXPECT_EQ((Log{"send 11", "RW"}), transport_.take_log());
  EXPECT_EQ(10U, side().size());
}

// W-78: a producer in the place of another.
TEST_F(Immediate, ANewProducerHearsWhatItHasMissed) {
  side().set_limits(100, 10);
  side().catch_up(false);
  EXPECT_TRUE(transport_.take_log().empty());
  side().catch_up(true);
  EXPECT_EQ((Log{"RW"}), transport_.take_log());
  fill(101);
  side().catch_up(true);
  EXPECT_TRUE(transport_.take_log().empty());
  side().catch_up(false);
  EXPECT_EQ((Log{"PW"}), transport_.take_log());
  EXPECT_EQ(1U, side().statistics().pauses);
}

// W-71, T-9
TEST_F(Immediate, AWriteInsideResumeMayPauseNestedInIt) {
  side().set_limits(10, 5);
  fill(11);
  int rounds = 0;
  transport_.on_resume = [&] {
    if (++rounds <= 2) {
      transport_.write(11);
    }
    transport_.log.emplace_back("RW returns");
  };
  transport_.ready(11);
  EXPECT_EQ((Log{"send 11", "RW", "send 11", "PW", "RW returns"}), transport_.take_log());
  transport_.ready(11);
  EXPECT_EQ((Log{"send 11", "RW", "send 11", "PW", "RW returns"}), transport_.take_log());
  transport_.ready(11);
  EXPECT_EQ((Log{"send 11", "RW", "RW returns"}), transport_.take_log());
}

// W-71: however resume is provoked from inside resume, it comes later.
TEST_F(Immediate, ResumeIsNeverNestedInResume) {
  side().set_limits(10, 5);
  fill(11);
  bool first = true;
  transport_.on_resume = [&] {
    if (std::exchange(first, false)) {
      transport_.write(11);
      side().set_limits(100, 50);
      transport_.log.emplace_back("RW returns");
    }
  };
  transport_.ready(11);
  EXPECT_EQ((Log{"send 11", "RW", "send 11", "PW", "RW returns"}), transport_.take_log());
  EXPECT_TRUE(transport_.resume_check_requested);
  transport_.end_turn();
  EXPECT_EQ(Log{"RW"}, transport_.take_log());
}

// W-75
TEST_F(Immediate, LimitsRaisedInsidePauseResumeLater) {
  side().set_limits(10, 5);
  transport_.room = 0;
  transport_.on_pause = [&] { side().set_limits(100, 50); };
  transport_.write(11);
  EXPECT_EQ((Log{"send 11", "PW"}), transport_.take_log());
  EXPECT_TRUE(transport_.resume_check_requested);
  transport_.end_turn();
  EXPECT_EQ(Log{"RW"}, transport_.take_log());
}

// W-75: what the program has queued before it runs before it, so no flush may come first.
TEST_F(Immediate, AResumeCheckThatWasAskedForIsNotOvertakenByTheFlushOfItsTurn) {
  side().set_limits(10, 5);
  transport_.room = 0;
  transport_.on_pause = [&] { side().set_limits(100, 50); };
  transport_.write(11);
  side().flush(core::FlushCause::end_of_turn);
  EXPECT_EQ((Log{"send 11", "PW"}), transport_.take_log());
  side().check_resume();
  EXPECT_EQ(Log{"RW"}, transport_.take_log());
}

// W-75, T-7, Q-11
TEST_F(Immediate, ChangedLimitsRunBothChecks) {
  fill(50);
  side().set_limits(49, 5);
  EXPECT_EQ(Log{"PW"}, transport_.take_log());
  side().set_limits(100, 49);
  EXPECT_TRUE(transport_.take_log().empty());
  side().set_limits(100, 50);
  EXPECT_EQ(Log{"RW"}, transport_.take_log());
  side().set_limits(50, 50);
  EXPECT_TRUE(transport_.take_log().empty());
}

// W-56
TEST_F(Immediate, RefusedLimitsChangeNothing) {
  EXPECT_THROW(side().set_limits(1, 2), std::invalid_argument);
  EXPECT_EQ(default_write_buffer_limits, side().limits());
}

// W-74
TEST_F(Immediate, WithHighZeroAWholeWriteDoesNotPauseAndAnyRestDoes) {
  side().set_limits(0, 0);
  transport_.write(100);
  EXPECT_EQ((Log{"send 100"}), transport_.take_log());
  transport_.room = 99;
  transport_.write(100);
  EXPECT_EQ((Log{"send 100", "PW"}), transport_.take_log());
  transport_.ready(1);
  EXPECT_EQ((Log{"send 1", "RW"}), transport_.take_log());
}

// Sending from inside write() may reach the low mark: the turn's end tells.
TEST_F(Coalescing, AResumeThatAWriteBringsAboutComesAtTheEndOfTheTurn) {
  side().set_limits(40, 30);
  transport_.write(20);
  side().set_limits(10, 10);
  EXPECT_EQ(Log{"PW"}, transport_.take_log());
  transport_.write(5);
  EXPECT_EQ((Log{"send 25"}), transport_.take_log());
  transport_.end_turn();
  EXPECT_EQ(Log{"RW"}, transport_.take_log());
}

TEST_F(Coalescing, SuchAResumeComesEvenIfSomethingStaysBlocked) {
  side().set_limits(40, 30);
  transport_.write(20);
  side().set_limits(10, 10);
  EXPECT_EQ(Log{"PW"}, transport_.take_log());
  transport_.room = 20;
  transport_.write(5);
  EXPECT_EQ(5U, side().size());
  transport_.clear_log();
  transport_.end_turn();
  EXPECT_EQ(Log{"RW"}, transport_.take_log());
}

// W-66: the writes after the first of a turn are appended without a look; none may pass the mark.
TEST_F(Coalescing, ARunOfSmallWritesPausesWithTheByteThatPassesTheHighMark) {
  side().set_limits(100, 50);
  transport_.room = 0;
  transport_.write(40);
  for (int i = 0; i < 60; ++i) {
    transport_.write(1);
  }
  EXPECT_EQ(Log{}, transport_.take_log());
  EXPECT_EQ(100U, side().size());
  transport_.write(1);
  EXPECT_TRUE(side().paused());
  EXPECT_EQ(101U, side().statistics().peak_buffer_size);
}

TEST_F(Coalescing, ARunOfSmallWritesThrowsAfterWriteEof) {
  transport_.write(2);
  transport_.write(2);
  side().write_eof();
  EXPECT_THROW(transport_.write(2), std::logic_error);
  EXPECT_EQ(4U, side().size());
}

TEST_F(Coalescing, ARunOfSmallWritesIsDroppedFromCloseOn) {
  transport_.write(2);
  transport_.write(2);
  transport_.close();
  side().write(as_bytes("dropped"));
  EXPECT_EQ(7U, side().statistics().bytes_dropped);
  transport_.end_turn();
  EXPECT_EQ(transport_.given(), transport_.out);
}

TEST_F(Coalescing, LoweredLimitsHoldForARunOfSmallWrites) {
  transport_.room = 0;
  transport_.write(2);
  transport_.write(2);
  side().set_limits(5, 1);
  transport_.write(1);
  EXPECT_FALSE(side().paused());
  transport_.write(1);
  EXPECT_TRUE(side().paused());
}

TEST_F(Coalescing, TheStatisticsSeeARunOfSmallWrites) {
  transport_.write(2);
  transport_.write(2);
  EXPECT_EQ(4U, side().statistics().peak_buffer_size);
  transport_.end_turn();
  EXPECT_EQ(0U, side().size());
  EXPECT_EQ(4U, side().statistics().peak_buffer_size);
  EXPECT_EQ(4U, side().statistics().bytes_written);
  transport_.write(3);
  transport_.write(3);
  transport_.abort();
  EXPECT_EQ(6U, side().statistics().peak_buffer_size);
  EXPECT_EQ(6U, side().statistics().bytes_discarded);
}

// W-71: above the marks a blocked transport only collects; what it collects counts.
TEST_F(Coalescing, ARunOfSmallWritesWhilePausedDelaysTheResume) {
  side().set_limits(10, 4);
  transport_.room = 0;
  transport_.write(11);
  transport_.end_turn();
  for (int i = 0; i < 5; ++i) {
    transport_.write(1);
  }
  EXPECT_EQ(16U, side().size());
  transport_.clear_log();
  transport_.ready(11);
  EXPECT_TRUE(side().paused());
  transport_.ready(1);
  EXPECT_FALSE(side().paused());
}

// ---- write_eof ----

// W-33
TEST_F(Immediate, WriteEofOnAnEmptyBufferShutsDownAtOnce) {
  side().write_eof();
  EXPECT_EQ(Log{"shutdown"}, transport_.take_log());
  EXPECT_EQ(WriteSide::HalfState::eof_sent, side().half_state());
}

// W-33, W-35
TEST_F(Immediate, WriteEofWithBytesQueuedWaitsForTheLastOne) {
  side().set_limits(10, 5);
  fill(20);
  side().write_eof();
  EXPECT_TRUE(transport_.take_log().empty());
  EXPECT_EQ(WriteSide::HalfState::eof_pending, side().half_state());
  transport_.ready(15);
  EXPECT_EQ((Log{"send 20", "RW"}), transport_.take_log());
  transport_.ready(5);
  EXPECT_EQ((Log{"send 5", "shutdown"}), transport_.take_log());
}

// W-34
TEST_F(Immediate, WriteEofMayBeRepeated) {
  fill(1);
  side().write_eof();
  side().write_eof();
  transport_.ready(1);
  side().write_eof();
  EXPECT_EQ((Log{"send 1", "shutdown"}), transport_.take_log());
}

// W-8
TEST_F(Immediate, AWriteAfterWriteEofThrowsEvenWhenEmpty) {
  side().write_eof();
  try {
    transport_.write("");
    FAIL() << "no exception";
  } catch (const std::logic_error& error) {
    EXPECT_STREQ("Cannot call write() after write_eof()", error.what());
  }
  EXPECT_THROW(side().write(Buffer::copy_of("a")), std::logic_error);
}

// W-6: nothing throws once the transport is closing.
TEST_F(Immediate, AWriteAfterWriteEofAndCloseIsADrop) {
  side().write_eof();
  transport_.close();
  transport_.write("abc");
  transport_.write("");
  EXPECT_EQ(1U, side().statistics().writes_dropped);
  EXPECT_EQ(3U, side().statistics().bytes_dropped);
}

// W-34, W-36
TEST_F(Immediate, WriteEofOnAClosingTransportDoesNothing) {
  fill(1);
  transport_.close();
  side().write_eof();
  EXPECT_EQ(WriteSide::HalfState::open, side().half_state());
  transport_.ready(1);
  EXPECT_EQ((Log{"send 1", "drained now"}), transport_.take_log());
}

// W-36
TEST_F(Immediate, WriteEofThenCloseSendsEverythingAndCloses) {
  fill(10);
  side().write_eof();
  transport_.close();
  transport_.ready(10);
  EXPECT_EQ((Log{"send 10", "drained now"}), transport_.take_log());
  EXPECT_EQ(transport_.given(), transport_.out);
}

// W-37, Q-12
TEST_F(Immediate, AFailingShutdownLosesTheConnection) {
  transport_.shutdown_error = broken;
  side().write_eof();
  EXPECT_EQ((Log{"shutdown", "failed"}), transport_.take_log());
  EXPECT_EQ(broken, transport_.lost_with);
}

// W-21: what resume_writing wrote goes out before the half-close... and before a close.
TEST_F(Immediate, CloseInsideResumeWaitsForWhatResumeWrote) {
  side().set_limits(10, 5);
  fill(11);
  transport_.on_resume = [&] {
    transport_.write(7);
    transport_.close();
  };
  transport_.ready(11);
  EXPECT_EQ((Log{"send 11", "RW", "send 7"}), transport_.take_log());
  EXPECT_TRUE(transport_.side.life().draining());
  transport_.ready(7);
  EXPECT_EQ((Log{"send 7", "drained now"}), transport_.take_log());
  EXPECT_EQ(transport_.given(), transport_.out);
}

TEST_F(Immediate, WriteEofInsideResumeShutsDownOnce) {
  side().set_limits(10, 0);
  fill(11);
  transport_.on_resume = [&] { side().write_eof(); };
  transport_.ready(11);
  EXPECT_EQ((Log{"send 11", "RW", "shutdown"}), transport_.take_log());
}

}  // namespace
}  // namespace sluice::core
