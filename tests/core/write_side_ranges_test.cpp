// External ranges in a WriteSide: their place among the bytes, what the marks see of them, how they
// end.
#include <algorithm>
#include <stdexcept>

#include "core/allocation_probe.hpp"
#include "write_side_fixture.hpp"

namespace sluice::core {
namespace {

using testing::FakeRange;
using testing::pattern;

const std::error_code io_error = std::make_error_code(std::errc::io_error);

class Ranges : public Coalescing {
 protected:
  std::size_t discarded() { return side().statistics().bytes_discarded; }
  std::size_t written() { return side().statistics().bytes_written; }
};

// W-194
TEST_F(Ranges, BytesBeforeAndBehindARangeKeepTheirOrder) {
  transport_.write(10);
  const auto range = transport_.write_range(100);
  transport_.write(10);
  transport_.end_turn();
  EXPECT_EQ(transport_.given(), transport_.out);
  EXPECT_EQ((Log{"send 10", "range 100", "send 10"}), transport_.log);
  EXPECT_EQ(ExternalEnd::sent, range->end);
  EXPECT_EQ(WriteSide::FlowState::idle, side().flow_state());
  EXPECT_EQ(120U, written());
  EXPECT_FALSE(side().has_ranges());
}

TEST_F(Ranges, NothingIsSentBeforeTheTurnEnds) {
  transport_.write_range(100);
  EXPECT_TRUE(transport_.flush_requested);
  EXPECT_EQ("", transport_.out);
  EXPECT_EQ(WriteSide::FlowState::dirty, side().flow_state());
}

TEST_F(Ranges, ALargeWriteBehindARangeWaitsForIt) {
  const auto range = transport_.write_range(100);
  transport_.write(WriteSide::direct_send_bytes);
  transport_.write(default_write_buffer_limits.high + 1);
  EXPECT_EQ("", transport_.out);
  transport_.end_turn();
  EXPECT_EQ(transport_.given(), transport_.out);
}

TEST_F(Ranges, AShortCountGoesOnWhereItEnded) {
  const auto range = transport_.write_range(100);
  transport_.room = 30;
  transport_.end_turn();
  EXPECT_EQ(30U, range->moved());
  EXPECT_EQ(WriteSide::FlowState::blocked, side().flow_state());
  EXPECT_EQ(1U, side().statistics().would_blocks);
  transport_.ready(70);
  EXPECT_EQ(transport_.given(), transport_.out);
  EXPECT_EQ((Log{"range 100", "range 70", "range 70"}), transport_.log);
  EXPECT_EQ(1, range->times_left);
}

// W-54
TEST_F(Ranges, TheBufferSizeAndTheMarksSeeNoByteOfARange) {
  transport_.room = 0;
  side().set_limits(10, 5);
  transport_.write_range(1000);
  EXPECT_EQ(0U, side().size());
  EXPECT_FALSE(side().empty());
  EXPECT_TRUE(side().has_ranges());
  transport_.write(10);
  EXPECT_EQ(10U, side().size());
  EXPECT_EQ(Log{}, transport_.log);
  transport_.write(1);
  EXPECT_EQ(Log{"PW"}, transport_.log);
  transport_.room = testing::FakeTransport::no_limit;
  transport_.end_turn();
  EXPECT_EQ((Log{"PW", "range 1000", "send 11", "RW"}), transport_.log);
}

// W-42
TEST_F(Ranges, CloseWaitsForTheRange) {
  transport_.room = 0;
  const auto range = transport_.write_range(100);
  transport_.close();
  EXPECT_TRUE(transport_.side.life().draining());
  transport_.end_turn();
  EXPECT_TRUE(transport_.side.life().draining());
  transport_.ready(100);
  EXPECT_EQ("drained now", transport_.log.back());
  EXPECT_EQ(ExternalEnd::sent, range->end);
}

// W-33, W-194
TEST_F(Ranges, TheHalfCloseWaitsForTheRangeAndNoneComesBehindIt) {
  transport_.write_range(100);
  side().write_eof();
  EXPECT_THROW(transport_.write_range(1), std::logic_error);
  transport_.end_turn();
  EXPECT_EQ((Log{"range 100", "shutdown"}), transport_.log);
}

TEST_F(Ranges, ARangeWithoutBytesEndsInItsTurnAndNotBefore) {
  transport_.room = 0;
  transport_.write(10);
  const auto range = transport_.write_range(0);
  transport_.end_turn();
  EXPECT_EQ(0, range->times_left);
  transport_.ready(10);
  EXPECT_EQ(ExternalEnd::sent, range->end);
  EXPECT_EQ(WriteSide::FlowState::idle, side().flow_state());
}

TEST_F(Ranges, AnEmptyRangeLetsADrainingTransportEnd) {
  transport_.write_range(0);
  transport_.close();
  transport_.end_turn();
  EXPECT_EQ(Log{"drained soon"}, transport_.log);
}

TEST_F(Ranges, ARangeThatEndsEarlyIsSentAsFarAsItWent) {
  const auto range = std::make_shared<FakeRange>("short", 100);
  side().write_external(range, "sendfile()");
  transport_.write("behind");
  transport_.end_turn();
  EXPECT_EQ("shortbehind", transport_.out);
  EXPECT_EQ(5U, range->moved());
  EXPECT_EQ(ExternalEnd::sent, range->end);
}

// ---- Ends ----

// W-195, Q-27
TEST_F(Ranges, ALossTellsEveryRangeOnceWithItsReason) {
  transport_.room = 50;
  const auto first = transport_.write_range(100);
  const auto second = transport_.write_range(100);
  transport_.end_turn();
  transport_.range_script = {ExternalResult::sink_failed(broken)};
  transport_.ready();
  EXPECT_EQ(broken, transport_.lost_with);
  for (const auto& range : {first, second}) {
    EXPECT_EQ(ExternalEnd::lost, range->end);
    EXPECT_EQ(broken, range->error);
    EXPECT_EQ(1, range->times_left);
  }
}

// W-48
TEST_F(Ranges, AbortDiscardsTheRangeAndTheBytes) {
  transport_.room = 0;
  transport_.write(10);
  const auto range = transport_.write_range(100);
  transport_.write(10);
  transport_.end_turn();
  transport_.abort();
  EXPECT_EQ(ExternalEnd::lost, range->end);
  EXPECT_EQ(std::error_code(), range->error);
  EXPECT_EQ(20U, discarded());
  EXPECT_TRUE(side().empty());
  transport_.ready(1000);
  EXPECT_EQ("", transport_.out);
}

TEST_F(Ranges, BytesThatOnlyTheRangeHeldAreCountedAsDiscarded) {
  transport_.room = 0;
  transport_.write_range(100)->held_bytes = 60;
  transport_.abort();
  EXPECT_EQ(60U, discarded());
}

TEST_F(Ranges, ARangeThatCannotBeReadLosesTheTransport) {
  const auto range = transport_.write_range(100);
  transport_.write(10);
  transport_.range_script = {ExternalResult::moved(20), ExternalResult::source_failed(io_error)};
  transport_.end_turn();
  EXPECT_EQ(io_error, transport_.lost_with);
  EXPECT_EQ(ExternalEnd::unreadable, range->end);
  EXPECT_EQ(io_error, range->error);
  EXPECT_EQ(1, range->times_left);
  EXPECT_EQ(10U, discarded());
  EXPECT_EQ(20U, transport_.out.size());
}

TEST_F(Ranges, DroppingTellsNoRange) {
  const auto range = transport_.write_range(100);
  ASSERT_TRUE(transport_.side.move_to(LifeState::losing));
  side().drop();
  EXPECT_EQ(0, range->times_left);
  EXPECT_EQ(1, range.use_count());
}

TEST_F(Ranges, ManyRangesAreLetGoOfWithoutRecursion) {
  for (int i = 0; i < 200'000; ++i) {
    side().write_external(std::make_shared<FakeRange>(""), "sendfile()");
  }
  transport_.abort();
  WriteQueue queue(transport_.pool);
  for (int i = 0; i < 200'000; ++i) {
    queue.append_external(std::make_shared<FakeRange>(""));
  }
}

// ---- Taking one out ----

TEST_F(Ranges, ARangeThatHasNotBegunCanBeTakenOut) {
  transport_.room = 0;
  transport_.write("before ");
  const auto range = std::make_shared<FakeRange>("range");
  side().write_external(range, "sendfile()");
  transport_.write("behind");
  transport_.end_turn();
  EXPECT_TRUE(side().remove_external(*range));
  EXPECT_FALSE(side().remove_external(*range));
  EXPECT_EQ(0, range->times_left);
  transport_.ready(testing::FakeTransport::no_limit);
  EXPECT_EQ("before behind", transport_.out);
}

TEST_F(Ranges, ARangeThatHasBegunStays) {
  transport_.room = 1;
  const auto range = transport_.write_range(100);
  transport_.end_turn();
  EXPECT_FALSE(side().remove_external(*range));
  transport_.ready(99);
  EXPECT_EQ(transport_.given(), transport_.out);
}

TEST_F(Ranges, TakingTheLastOneOutEndsADrainingTransport) {
  const auto range = transport_.write_range(100);
  transport_.close();
  EXPECT_TRUE(side().remove_external(*range));
  EXPECT_EQ(Log{"drained soon"}, transport_.log);
}

TEST_F(Ranges, TakingTheLastOneOutMakesTheHalfClose) {
  const auto range = transport_.write_range(100);
  side().write_eof();
  EXPECT_TRUE(side().remove_external(*range));
  EXPECT_EQ(Log{"shutdown"}, transport_.log);
}

TEST_F(Ranges, ARangeMayBeQueuedAnewWhenItHasLeft) {
  const auto range = transport_.write_range(3);
  transport_.end_turn();
  range->renew(2);
  range->bytes = "xy";
  side().write_external(range, "sendfile()");
  transport_.end_turn();
  EXPECT_EQ(transport_.given() + "xy", transport_.out);
  EXPECT_EQ(2, range->times_left);
}

// ---- Fairness ----

TEST_F(Ranges, OneFlushSendsABurstAndTheRestFollowsInLaterTurns) {
  const auto range = transport_.write_range(2 * WriteSide::external_burst_bytes + 5);
  transport_.end_turn();
  EXPECT_EQ(WriteSide::external_burst_bytes, transport_.out.size());
  EXPECT_TRUE(transport_.flush_requested);
  transport_.end_turn();
  transport_.end_turn();
  EXPECT_EQ(transport_.given(), transport_.out);
  EXPECT_EQ(1, range->times_left);
}

TEST_F(Ranges, OneFlushMakesSoManyAttemptsAndTheRestFollows) {
  for (int i = 0; i < 2 * WriteSide::external_burst_attempts; ++i) {
    transport_.write_range(1);
  }
  transport_.end_turn();
  EXPECT_EQ(static_cast<std::size_t>(WriteSide::external_burst_attempts), transport_.out.size());
  EXPECT_TRUE(transport_.flush_requested);
  transport_.end_turn();
  EXPECT_EQ(transport_.given(), transport_.out);
}

// ---- Through memory ----

class RangesThroughMemory : public Ranges {
 protected:
  RangesThroughMemory() { transport_.reaches_ranges = false; }
};

// W-196
TEST_F(RangesThroughMemory, ARangeIsReadBlockByBlockAndWritten) {
  transport_.write(10);
  const auto range = transport_.write_range(3 * WriteQueue::fetch_bytes + 7);
  transport_.write(10);
  transport_.end_turn();
  EXPECT_EQ(transport_.given(), transport_.out);
  EXPECT_EQ(WriteQueue::fetch_bytes, range->largest_read);
  EXPECT_EQ(ExternalEnd::sent, range->end);
  EXPECT_EQ(transport_.given().size(), written());
}

// W-196
TEST_F(RangesThroughMemory, NoMoreThanOneBlockIsInMemory) {
  transport_.room = 0;
  const auto range = transport_.write_range(10 * WriteQueue::fetch_bytes);
  transport_.end_turn();
  for (int i = 0; i < 50 && range->times_left == 0; ++i) {
    EXPECT_LE(side().size(), WriteQueue::fetch_bytes);
    EXPECT_LE(transport_.pool.slabs_alive(), 2U);
    transport_.ready(WriteQueue::fetch_bytes / 3);
    transport_.end_turn();
  }
  EXPECT_EQ(transport_.given(), transport_.out);
}

// W-66
TEST_F(RangesThroughMemory, ABlockAboveTheHighMarkPausesAndItsEndResumes) {
  side().set_limits(100, 50);
  transport_.room = 0;
  transport_.write_range(1000);
  transport_.end_turn();
  EXPECT_EQ((Log{"PW", "send 1000"}), transport_.log);
  transport_.ready(1000);
  EXPECT_EQ("RW", transport_.log.back());
}

TEST_F(RangesThroughMemory, AbortInsideThatPauseIsOrdinary) {
  side().set_limits(100, 50);
  transport_.on_pause = [&] { transport_.abort(); };
  const auto range = transport_.write_range(1000);
  transport_.end_turn();
  EXPECT_EQ(Log{"PW"}, transport_.log);
  EXPECT_EQ(ExternalEnd::lost, range->end);
  EXPECT_EQ(1000U, discarded());
}

TEST_F(RangesThroughMemory, WhatThatPauseWritesComesBehindTheRange) {
  side().set_limits(100, 50);
  const auto range = transport_.write_range(WriteQueue::fetch_bytes + 100);
  transport_.on_pause = [&] { transport_.write(7); };
  transport_.end_turn();
  transport_.end_turn();
  EXPECT_EQ(transport_.given(), transport_.out);
}

TEST_F(RangesThroughMemory, ARangeThatEndsEarlyIsSentAsFarAsItWent) {
  const auto range = std::make_shared<FakeRange>("short", 100);
  side().write_external(range, "sendfile()");
  transport_.write("behind");
  transport_.end_turn();
  EXPECT_EQ("shortbehind", transport_.out);
  EXPECT_EQ(5U, range->moved());
}

TEST_F(RangesThroughMemory, ARangeThatCannotBeReadLosesTheTransport) {
  const auto range = transport_.write_range(100);
  range->read_error = io_error;
  transport_.end_turn();
  EXPECT_EQ(io_error, transport_.lost_with);
  EXPECT_EQ(ExternalEnd::unreadable, range->end);
}

TEST_F(RangesThroughMemory, WithoutMemoryTheTransportIsLost) {
  const auto range = transport_.write_range(100);
  {
    const testing::FailingAllocation failing(1);
    transport_.end_turn();
    EXPECT_TRUE(failing.failed());
  }
  EXPECT_EQ(std::errc::not_enough_memory, transport_.lost_with);
  EXPECT_EQ(ExternalEnd::lost, range->end);
}

TEST(RangesInFlight, ASinkThatKeepsBytesIsGivenTheBlocks) {
  testing::FakeTransport transport(WriteTiming::end_of_turn, DropRule::count_every_loss, true);
  transport.reaches_ranges = false;
  const auto range = transport.write_range(100);
  transport.write(5);
  transport.script = {SinkResult::in_flight()};
  transport.end_turn();
  EXPECT_EQ(WriteSide::FlowState::in_flight, transport.side.flow_state());
  transport.side.complete(SinkResult::accepted(100));
  transport.end_turn();
  EXPECT_EQ(ExternalEnd::sent, range->end);
  EXPECT_EQ((Log{"send 100", "send 5"}), transport.log);
}

TEST(RangesAtOnce, AWriteBehindARangeWaitsForIt) {
  testing::FakeTransport transport(WriteTiming::at_once);
  transport.write_range(100);
  transport.write(5);
  transport.side.writelines(std::span<const Bytes>());
  EXPECT_EQ("", transport.out);
  transport.end_turn();
  EXPECT_EQ(transport.given(), transport.out);
}

}  // namespace
}  // namespace sluice::core
