// The write side: sinks that stop of their own accord, and sinks that take another's place.
#include <gtest/gtest.h>

#include <string>

#include "core/write_side.hpp"
#include "core/write_side_fixture.hpp"

namespace sluice::core {
namespace {

TEST_F(Coalescing, ASinkThatHasWorkedEnoughIsOfferedTheRestInTheNextTurn) {
  transport_.script = {SinkResult::enough(40)};
  transport_.write(100);
  transport_.end_turn();
  EXPECT_EQ(60U, side().size());
  EXPECT_EQ(WriteSide::FlowState::dirty, side().flow_state());
  EXPECT_TRUE(transport_.flush_requested);
  transport_.out = transport_.given().substr(0, 40);
  transport_.end_turn();
  EXPECT_EQ(transport_.given(), transport_.out);
  EXPECT_EQ(WriteSide::FlowState::idle, side().flow_state());
}

TEST_F(Immediate, ASinkThatYieldsInsideAWriteIsAskedAgainAtTheEndOfTheTurn) {
  transport_.script = {SinkResult::enough(40)};
  transport_.write(100);
  EXPECT_EQ(60U, side().size());
  EXPECT_EQ(WriteSide::FlowState::dirty, side().flow_state());
  EXPECT_TRUE(transport_.flush_requested);
  transport_.end_turn();
  EXPECT_TRUE(side().empty());
}

TEST_F(Immediate, YieldedBytesAreWrittenAndNoShortWrite) {
  transport_.script = {SinkResult::enough(40)};
  transport_.write(100);
  EXPECT_EQ(40U, side().statistics().bytes_written);
  EXPECT_EQ(0U, side().statistics().short_writes);
  EXPECT_EQ(0U, side().statistics().would_blocks);
}

// W-70
TEST_F(Coalescing, AYieldThatReachesTheLowMarkResumes) {
  side().set_limits(50, 20);
  transport_.room = 0;
  transport_.write(100);
  transport_.clear_log();
  transport_.script = {SinkResult::enough(80)};
  transport_.ready();
  EXPECT_EQ((Log{"send 100", "RW"}), transport_.take_log());
}

TEST_F(Coalescing, ADrainingTransportIsDoneWhenAYieldHasTakenTheLastByte) {
  transport_.write(100);
  transport_.close();
  transport_.script = {SinkResult::enough(100)};
  transport_.end_turn();
  EXPECT_EQ((Log{"send 100", "drained soon"}), transport_.take_log());
}

TEST_F(Coalescing, ASinkThatIsReadyForAnotherReasonIsAskedAtTheEndOfTheTurn) {
  transport_.room = 0;
  transport_.write(100);
  transport_.end_turn();
  ASSERT_EQ(WriteSide::FlowState::blocked, side().flow_state());
  transport_.room = 1000;
  side().sink_ready();
  EXPECT_EQ(100U, side().size());
  transport_.end_turn();
  EXPECT_TRUE(side().empty());
}

TEST_F(Coalescing, ReadinessWithoutAnythingBlockedAsksForNothing) {
  side().sink_ready();
  EXPECT_FALSE(transport_.flush_requested);
  transport_.room = 0;
  transport_.write(100);
  transport_.end_turn();
  transport_.abort();
  side().sink_ready();
  EXPECT_FALSE(transport_.flush_requested);
}

// A sink that remembers what it was offered.
class OtherSink final : public Sink {
 public:
  SinkResult write(std::span<const Bytes> pieces) noexcept override {
    std::size_t count = 0;
    for (const Bytes& piece : pieces) {
      out += as_text(piece);
      count += piece.size();
    }
    return SinkResult::accepted(count);
  }
  std::error_code shutdown() noexcept override {
    shut = true;
    return {};
  }
  std::string out;
  bool shut = false;
};

//
TEST_F(Coalescing, AnotherSinkGetsWhatIsQueuedAndMarksAndPauseStay) {
  side().set_limits(50, 20);
  transport_.room = 30;
  transport_.write(100);
  transport_.end_turn();
  ASSERT_TRUE(side().paused());
  OtherSink other;
  side().set_sink(other);
  EXPECT_TRUE(side().paused());
  EXPECT_EQ(70U, side().size());
  transport_.ready();
  EXPECT_EQ(transport_.given(), transport_.out + other.out);
  EXPECT_FALSE(side().paused());
  EXPECT_EQ((WriteBufferLimits{20, 50}), side().limits());
  side().write_eof();
  EXPECT_TRUE(other.shut);
}

}  // namespace
}  // namespace sluice::core
