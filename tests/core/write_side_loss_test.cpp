// The write side: closing, losing, bytes in flight, and what became of every byte.
#include "core/write_side.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/allocation_probe.hpp"
#include "core/write_side_fixture.hpp"

namespace sluice::core {
namespace {

using testing::FakeTransport;
using testing::pattern;

// ---- Closing and losing ----

// W-40, W-21
TEST_F(Coalescing, ADrainingTransportIsDrainedByTheEndOfTheTurnToo) {
  transport_.write(10);
  transport_.close();
  EXPECT_TRUE(transport_.side.life().draining());
  transport_.end_turn();
  EXPECT_EQ((Log{"send 10", "drained soon"}), transport_.take_log());
}

// W-76
TEST_F(Immediate, ADrainingPausedTransportResumesAndThenCloses) {
  side().set_limits(10, 5);
  fill(11);
  transport_.close();
  transport_.ready(11);
  EXPECT_EQ((Log{"send 11", "RW", "drained now"}), transport_.take_log());
}

// W-51, W-79
TEST_F(Immediate, AbortWhilePausedDiscardsAndDoesNotResume) {
  side().set_limits(10, 5);
  fill(11);
  transport_.abort();
  EXPECT_EQ(0U, side().size());
  side().check_resume();
  side().set_limits(1000, 500);
  EXPECT_TRUE(transport_.take_log().empty());
  EXPECT_EQ(11U, side().statistics().bytes_discarded);
}

// W-53
TEST_F(Immediate, AbortInsidePauseEmptiesTheBufferAtOnce) {
  side().set_limits(10, 5);
  transport_.room = 0;
  transport_.on_pause = [&] {
    transport_.abort();
    EXPECT_EQ(0U, side().size());
  };
  transport_.write(11);
  EXPECT_EQ((Log{"send 11", "PW"}), transport_.take_log());
  EXPECT_EQ(11U, side().statistics().bytes_discarded);
  EXPECT_FALSE(transport_.flush_requested) << "a lost transport wants nothing";
}

TEST_F(Immediate, AbortInsideResumeStopsTheFlush) {
  side().set_limits(10, 5);
  fill(11);
  side().write_eof();
  transport_.on_resume = [&] { transport_.abort(); };
  transport_.ready(11);
  EXPECT_EQ((Log{"send 11", "RW"}), transport_.take_log()) << "no shutdown after the loss";
}

// W-61
TEST_F(Immediate, AfterAnyLossOfASocketFourDropsAreSilent) {
  transport_.abort();
  for (int i = 0; i < 6; ++i) {
    transport_.write("x");
  }
  EXPECT_EQ((Log{"warn 5", "warn 6"}), transport_.take_log());
  EXPECT_EQ(6U, side().statistics().writes_dropped);
}

Log warnings_in(const Log& log) {
  Log warnings;
  std::copy_if(log.begin(), log.end(), std::back_inserter(warnings),
               [](const std::string& line) { return line.starts_with("warn"); });
  return warnings;
}

// W-61
TEST(DropsOnSockets, WhatIsDroppedWhileOneDrainsIsCountedLikeWhatIsDroppedAfterIt) {
  for (const int before : {1, 4, 6}) {
    testing::FakeTransport transport(WriteTiming::at_once);
    transport.room = 0;
    transport.write("queued");
    transport.close();
    for (int i = 0; i < before; ++i) {
      transport.write("x");
    }
    transport.ready(FakeTransport::no_limit);
    for (int i = before; i < 6; ++i) {
      transport.write("x");
    }
    EXPECT_EQ((Log{"warn 5", "warn 6"}), warnings_in(transport.take_log())) << before;
  }
}

// W-63
TEST(DropsOnPipes, AfterACloseFiveDropsAreSilent) {
  FakeTransport transport(WriteTiming::at_once, DropRule::count_failures);
  transport.close();
  for (int i = 0; i < 7; ++i) {
    transport.write("x");
  }
  EXPECT_EQ((Log{"warn 6", "warn 7"}), transport.take_log());
}

// W-63, T-13
TEST(DropsOnPipes, AfterAWriteErrorFourDropsAreSilent) {
  FakeTransport transport(WriteTiming::at_once, DropRule::count_failures);
  transport.script = {SinkResult::failed(broken)};
  for (int i = 0; i < 8; ++i) {
    transport.write("x");
  }
  EXPECT_EQ((Log{"send 1", "failed", "warn 5", "warn 6", "warn 7"}), transport.take_log());
}

// W-16
TEST_F(Immediate, AWriteOnADrainingTransportIsDropped) {
  fill(10);
  transport_.close();
  transport_.write("late");
  transport_.ready(FakeTransport::no_limit);
  EXPECT_EQ(transport_.given(), transport_.out);
  EXPECT_EQ(4U, side().statistics().bytes_dropped);
}

// ---- Bytes in flight ----

class InFlight : public ::testing::Test {
 protected:
  WriteSide& side() { return transport_.side; }
  void launch(std::size_t count) {
    transport_.script = {SinkResult::in_flight()};
    transport_.write(count);
    transport_.end_turn();
    transport_.clear_log();
    ASSERT_EQ(WriteSide::FlowState::in_flight, side().flow_state());
  }
  FakeTransport transport_{WriteTiming::end_of_turn, DropRule::count_every_loss, true};
};

TEST_F(InFlight, BytesCountAsBufferedUntilTheyAreComplete) {
  launch(10);
  EXPECT_EQ(10U, side().size());
  side().complete(SinkResult::accepted(10));
  EXPECT_EQ(0U, side().size());
  EXPECT_EQ(WriteSide::FlowState::idle, side().flow_state());
  EXPECT_EQ(10U, side().statistics().bytes_written);
}

TEST_F(InFlight, ThePeakCountsARunOfSmallWritesMeanwhile) {
  launch(10);
  for (int i = 0; i < 5; ++i) {
    transport_.write(2);
  }
  side().complete(SinkResult::accepted(10));
  EXPECT_EQ(20U, side().statistics().peak_buffer_size);
}

TEST_F(InFlight, NothingIsOfferedMeanwhile) {
  launch(10);
  transport_.write(10);
  transport_.end_turn();
  transport_.ready();
  EXPECT_TRUE(transport_.take_log().empty());
  EXPECT_EQ(20U, side().size());
  side().complete(SinkResult::accepted(10));
}

TEST_F(InFlight, WhatCameMeanwhileIsSentAfterTheCompletion) {
  launch(10);
  transport_.write(5);
  side().complete(SinkResult::accepted(10));
  EXPECT_TRUE(transport_.flush_requested);
  transport_.end_turn();
  EXPECT_EQ((Log{"send 5"}), transport_.take_log());
}

TEST_F(InFlight, WhatAShortCompletionLeavesIsOfferedAgain) {
  launch(10);
  side().complete(SinkResult::accepted(4));
  EXPECT_EQ(6U, side().size());
  transport_.end_turn();
  EXPECT_EQ((Log{"send 6"}), transport_.take_log());
}

TEST_F(InFlight, AShortCompletionIsAShortWriteAndAWholeOneIsNot) {
  launch(10);
  side().complete(SinkResult::accepted(4));
  EXPECT_EQ(1U, side().statistics().short_writes);
  transport_.script = {SinkResult::in_flight()};
  transport_.end_turn();
  side().complete(SinkResult::accepted(6));
  EXPECT_EQ(1U, side().statistics().short_writes);
  EXPECT_EQ(2U, side().statistics().send_calls);
}

// A sink that bounds how long one piece of its work can take.
TEST_F(InFlight, ASinkMayTakeUpAPartOfWhatItIsOffered) {
  transport_.script = {SinkResult::in_flight(4), SinkResult::in_flight(6)};
  transport_.write(10);
  transport_.end_turn();
  EXPECT_EQ(10U, side().size());
  side().complete(SinkResult::accepted(4));
  transport_.end_turn();
  EXPECT_EQ((Log{"send 10", "send 6"}), transport_.take_log());
  EXPECT_EQ(0U, side().statistics().short_writes);
  side().complete(SinkResult::accepted(6));
  EXPECT_TRUE(side().empty());
}

TEST_F(InFlight, AfterACompletionAWriteAtOnceIsOfferedAtOnce) {
  transport_.ground.timing = WriteTiming::at_once;
  transport_.script = {SinkResult::in_flight(), SinkResult::in_flight()};
  transport_.write(10);
  transport_.write(5);
  side().complete(SinkResult::accepted(10));
  transport_.end_turn();
  EXPECT_EQ((Log{"send 10", "send 5"}), transport_.take_log());
  side().complete(SinkResult::accepted(5));
  transport_.script = {SinkResult::in_flight()};
  transport_.write(7);
  EXPECT_EQ((Log{"send 7"}), transport_.take_log());
  side().complete(SinkResult::accepted(7));
}

TEST_F(InFlight, LimitsChangedMeanwhilePauseAndResume) {
  launch(10);
  side().set_limits(5, 2);
  side().set_limits(20, 10);
  EXPECT_EQ((Log{"PW", "RW"}), transport_.take_log());
  side().complete(SinkResult::accepted(10));
}

TEST_F(InFlight, AFailureAfterAnAbortChangesNothing) {
  launch(10);
  transport_.abort();
  side().complete(SinkResult::failed(broken));
  EXPECT_EQ(1U, transport_.losses);
  EXPECT_EQ(std::error_code(), transport_.lost_with);
  EXPECT_EQ(10U, side().statistics().bytes_discarded);
}

TEST_F(InFlight, AWriteOfAClosingTransportIsDroppedMeanwhile) {
  launch(10);
  transport_.close();
  transport_.write(5);
  EXPECT_EQ(5U, side().statistics().bytes_dropped);
  side().complete(SinkResult::accepted(10));
  EXPECT_EQ((Log{"drained now"}), transport_.take_log());
}

TEST_F(InFlight, ACompletionThatWouldBlockWaitsForReadiness) {
  launch(10);
  side().complete(SinkResult::would_block());
  EXPECT_EQ(WriteSide::FlowState::blocked, side().flow_state());
  transport_.ready();
  EXPECT_EQ(Log{"send 10"}, transport_.take_log());
}

TEST_F(InFlight, AFailedCompletionLosesTheConnection) {
  launch(10);
  side().complete(SinkResult::failed(broken));
  EXPECT_EQ(broken, transport_.lost_with);
  EXPECT_EQ(10U, side().statistics().bytes_discarded);
}

TEST_F(InFlight, ACompletionResumesDrainsAndShutsDown) {
  side().set_limits(5, 2);
  launch(10);
  EXPECT_TRUE(side().paused());
  side().write_eof();
  side().complete(SinkResult::accepted(10));
  EXPECT_EQ((Log{"RW", "shutdown"}), transport_.take_log());
}

TEST_F(InFlight, ADrainingTransportIsDrainedByTheCompletion) {
  launch(10);
  transport_.close();
  EXPECT_TRUE(transport_.side.life().draining());
  side().complete(SinkResult::accepted(10));
  EXPECT_EQ(Log{"drained now"}, transport_.take_log());
}

// Freed memory that the kernel still reads would go out as garbage.
TEST_F(InFlight, AbortKeepsTheBytesUntilTheSinkIsDone) {
  const auto owner = std::make_shared<std::string>(pattern(0, 4096));
  transport_.script = {SinkResult::in_flight()};
  side().write(Buffer::share(owner, as_bytes(*owner)));
  transport_.end_turn();
  transport_.abort();
  EXPECT_EQ(0U, side().size());
  EXPECT_EQ(4096U, side().statistics().bytes_discarded);
  EXPECT_EQ(2, owner.use_count());
  side().complete(SinkResult::accepted(96));
  EXPECT_EQ(1, owner.use_count());
  EXPECT_EQ(96U, side().statistics().bytes_written);
  EXPECT_EQ(4000U, side().statistics().bytes_discarded);
}

TEST_F(InFlight, WithoutMemoryTheConnectionIsLostAndTheBytesStayUntilTheSinkIsDone) {
  launch(10);
  const std::string text = pattern(0, Slab::capacity);
  {
    const testing::FailingAllocation failing(1);
    transport_.write(text);
  }
  EXPECT_EQ(std::errc::not_enough_memory, transport_.lost_with);
  side().complete(SinkResult::accepted(10));
  EXPECT_EQ(10U, side().statistics().bytes_written);
}

// ---- Statistics: W-60 ----

TEST_F(Immediate, StatisticsTellWhatBecameOfEveryByte) {
  side().set_limits(10, 5);
  transport_.room = 4;
  transport_.write(20);
  transport_.ready(0);
  transport_.ready(6);
  transport_.abort();
  transport_.write("late");
  const WriteStatistics& told = side().statistics();
  EXPECT_EQ(10U, told.bytes_written);
  EXPECT_EQ(10U, told.bytes_discarded);
  EXPECT_EQ(4U, told.bytes_dropped);
  EXPECT_EQ(1U, told.writes_dropped);
  EXPECT_EQ(3U, told.send_calls);
  EXPECT_EQ(2U, told.short_writes);
  EXPECT_EQ(1U, told.would_blocks);
  EXPECT_EQ(1U, told.pauses);
  EXPECT_EQ(16U, told.peak_buffer_size);
}

// ---- Without memory ----

TEST_F(Coalescing, WithoutMemoryTheConnectionIsLost) {
  const std::string text = pattern(0, 100);
  {
    const testing::FailingAllocation failing(1);
    transport_.write(text);
  }
  EXPECT_EQ(std::errc::not_enough_memory, transport_.lost_with);
  EXPECT_EQ(0U, side().size());
}

// W-60
TEST_F(Immediate, WithoutMemoryToCountItADroppedWriteIsStillOnlyDropped) {
  transport_.abort();
  {
    const testing::FailingAllocation failing(1);
    transport_.write(10);
    EXPECT_TRUE(failing.failed());
  }
  EXPECT_EQ(0U, side().statistics().writes_dropped);
  transport_.write(10);
  EXPECT_EQ(1U, side().statistics().writes_dropped);
  EXPECT_EQ(10U, side().statistics().bytes_dropped);
}

TEST_F(Immediate, WithoutMemoryForTheRestOfAShortWriteTheConnectionIsLost) {
  const std::string text = pattern(0, Slab::capacity - 1);
  transport_.room = 5;
  {
    const testing::FailingAllocation failing(1, sizeof(Slab));
    transport_.write(text);
  }
  EXPECT_EQ((Log{"send " + std::to_string(text.size()), "failed"}), transport_.take_log());
  EXPECT_EQ(std::errc::not_enough_memory, transport_.lost_with);
  EXPECT_EQ(5U, side().statistics().bytes_written);
}

}  // namespace
}  // namespace sluice::core
