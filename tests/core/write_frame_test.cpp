// The write side for sinks that take whole messages: frames, and a sink that has enough.
#include <gtest/gtest.h>

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/write_side_fixture.hpp"

namespace sluice::core {
namespace {

using testing::FakeTransport;

class ImmediateFrames : public Immediate {
 protected:
  void write_frame(std::string_view header, std::string_view payload) {
    side().write_frame(as_bytes(header), as_bytes(payload));
  }
};

class CoalescingFrames : public Coalescing {
 protected:
  void write_frame(std::string_view header, std::string_view payload) {
    side().write_frame(as_bytes(header), as_bytes(payload));
  }
};

// W-135
TEST_F(ImmediateFrames, AFrameOnAnEmptyQueueIsOfferedAtOnceAndNotCopied) {
  const std::string header = "12345678";
  write_frame(header, "payload");
  EXPECT_EQ(Log{"send 15"}, transport_.take_log());
  EXPECT_EQ("12345678payload", transport_.out);
  EXPECT_EQ(as_bytes(header).data(), transport_.last_offered);
  EXPECT_EQ(std::vector<std::size_t>{2}, transport_.offered_pieces);
  EXPECT_EQ(0U, side().size());
  EXPECT_EQ(WriteSide::FlowState::idle, side().flow_state());
  EXPECT_EQ(15U, side().statistics().bytes_written);
}

// W-133
TEST_F(ImmediateFrames, AFrameWithoutAPayloadIsItsHeader) {
  write_frame("12345678", "");
  EXPECT_EQ("12345678", transport_.out);
  EXPECT_EQ(std::vector<std::size_t>{1}, transport_.offered_pieces) << "no piece is empty";
  side().write_frame(as_bytes("abcdefgh"), Buffer());
  EXPECT_EQ("12345678abcdefgh", transport_.out);
}

// W-133
TEST_F(ImmediateFrames, AFrameThatIsNotTakenIsQueuedWhole) {
  transport_.room = 0;
  write_frame("12345678", "payload");
  EXPECT_EQ(15U, side().size());
  EXPECT_EQ(WriteSide::FlowState::blocked, side().flow_state());
  write_frame("abcdefgh", "");
  EXPECT_EQ(23U, side().size());
  EXPECT_EQ(1U, transport_.take_log().size()) << "blocked means that no attempt is made";
  transport_.ready(FakeTransport::no_limit);
  EXPECT_EQ("12345678payloadabcdefgh", transport_.out);
}

// W-66: one check for both parts.
TEST_F(ImmediateFrames, ThePauseCheckComesAfterThePayload) {
  transport_.room = 0;
  side().set_limits(10, 0);
  std::size_t size_at_pause = 0;
  transport_.on_pause = [&] { size_at_pause = side().size(); };
  write_frame("12345678", "payload");
  EXPECT_EQ((Log{"send 15", "PW"}), transport_.take_log());
  EXPECT_EQ(15U, size_at_pause);
}

TEST_F(ImmediateFrames, AFailureLosesTheFrameAndTheTransport) {
  transport_.script = {SinkResult::failed(broken)};
  write_frame("12345678", "payload");
  EXPECT_EQ(broken, transport_.lost_with);
  EXPECT_EQ(15U, side().statistics().bytes_discarded);
}

TEST_F(ImmediateFrames, AfterCloseAFrameIsDroppedAndCounted) {
  transport_.close();
  write_frame("12345678", "payload");
  side().write_frame(as_bytes("12345678"), Buffer());
  EXPECT_EQ(2U, side().statistics().writes_dropped);
  EXPECT_EQ(23U, side().statistics().bytes_dropped);
  EXPECT_EQ("", transport_.out);
}

TEST_F(CoalescingFrames, TheFramesOfATurnAreOfferedTogether) {
  write_frame("12345678", "a");
  side().write_frame(as_bytes("abcdefgh"), Buffer::copy_of(std::string(2000, 'b')));
  EXPECT_EQ(2017U, side().size());
  EXPECT_TRUE(transport_.take_log().empty());
  transport_.end_turn();
  EXPECT_EQ(Log{"send 2017"}, transport_.take_log());
  EXPECT_EQ("12345678aabcdefgh" + std::string(2000, 'b'), transport_.out);
}

// Copying this much would cost more than the call that is saved.
TEST_F(CoalescingFrames, ALargeFrameWithNothingInItsWayIsOfferedAtOnce) {
  write_frame("12345678", std::string(WriteSide::direct_send_bytes, 'x'));
  EXPECT_EQ(1U, transport_.take_log().size());
  EXPECT_EQ(0U, transport_.pool.slabs_alive());
}

TEST_F(CoalescingFrames, ALargeFrameBehindAnotherWaitsForItsTurn) {
  write_frame("12345678", "first");
  write_frame("12345678", std::string(WriteSide::direct_send_bytes, 'x'));
  EXPECT_TRUE(transport_.take_log().empty());
  transport_.end_turn();
  EXPECT_EQ(1U, transport_.take_log().size());
}

// ---- A sink that stops by itself ----

TEST_F(CoalescingFrames, WhatASinkLeavesAlthoughItIsReadyIsOfferedAgainSoon) {
  transport_.write(100);
  transport_.script = {SinkResult::enough(40), SinkResult::enough(60)};
  transport_.end_turn();
  EXPECT_EQ(60U, side().size());
  EXPECT_EQ(WriteSide::FlowState::dirty, side().flow_state()) << "no readiness will come";
  EXPECT_TRUE(transport_.flush_requested);
  transport_.end_turn();
  EXPECT_EQ(0U, side().size());
  EXPECT_EQ(WriteSide::FlowState::idle, side().flow_state());
  EXPECT_FALSE(transport_.flush_requested);
  EXPECT_EQ(100U, side().statistics().bytes_written);
  EXPECT_EQ(0U, side().statistics().short_writes);
}

TEST_F(ImmediateFrames, AWriteOfWhichASinkLeavesAPartIsOfferedAgainSoon) {
  transport_.script = {SinkResult::enough(40)};
  transport_.write(100);
  EXPECT_EQ(60U, side().size());
  EXPECT_EQ(WriteSide::FlowState::dirty, side().flow_state());
  EXPECT_TRUE(transport_.flush_requested);
  transport_.end_turn();
  EXPECT_EQ(0U, side().size());
}

TEST_F(ImmediateFrames, AFrameThatASinkPutsOffIsOfferedAgainSoon) {
  transport_.script = {SinkResult::enough(0)};
  write_frame("12345678", "payload");
  EXPECT_EQ(15U, side().size());
  EXPECT_TRUE(transport_.flush_requested);
  transport_.end_turn();
  EXPECT_EQ("12345678payload", transport_.out);
}

// W-70
TEST_F(ImmediateFrames, ASinkThatHasEnoughStillResumesTheProducer) {
  fill(100);
  side().set_limits(50, 40);
  transport_.clear_log();
  transport_.script = {SinkResult::enough(60), SinkResult::enough(40)};
  transport_.ready();
  EXPECT_EQ((Log{"send 100", "RW"}), transport_.take_log());
  EXPECT_EQ(WriteSide::FlowState::dirty, side().flow_state());
  transport_.close();
  transport_.end_turn();
  EXPECT_EQ((Log{"send 40", "drained soon"}), transport_.take_log());
}

// ---- What the sink relies on ----

TEST(WriteQueueParts, WhatIsAppendedInOneCallStaysInOnePiece) {
  SegmentPool pool;
  WriteQueue queue(pool);
  std::vector<std::size_t> sizes;
  for (std::size_t i = 1; i < 400; ++i) {
    const std::string text(i * 37 % 20000 + 1, static_cast<char>('a' + i % 26));
    i % 3 == 0 ? queue.append(Buffer::copy_of(text)) : queue.append_copy(as_bytes(text));
    sizes.push_back(text.size());
  }
  std::size_t next = 0;
  while (!queue.empty()) {
    std::array<Bytes, 1> piece;
    ASSERT_EQ(1U, queue.gather(piece));
    std::size_t left = piece.front().size();
    while (left > 0) {
      ASSERT_LT(next, sizes.size());
      ASSERT_GE(left, sizes[next]) << "part " << next << " is split";
      left -= sizes[next++];
    }
    queue.acknowledge(piece.front().size());
  }
  EXPECT_EQ(sizes.size(), next);
}

}  // namespace
}  // namespace sluice::core
