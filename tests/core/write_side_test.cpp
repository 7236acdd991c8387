// The write side: writing and flushing.
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
using testing::pattern;

// ---- owners of Buffers ----

// A program's block, whose end writes the next one.
Buffer block_that_writes(testing::FakeTransport& transport, std::size_t size, std::string next) {
  auto* const text = new std::string(pattern(0, size));
  std::shared_ptr<const std::string> owner(
      text, [&transport, next = std::move(next)](const std::string* block) {
        delete block;
        transport.side.write(as_bytes(next));
      });
  return Buffer::share(owner, as_bytes(*owner));
}

class OwnersThatWrite : public Coalescing, public ::testing::WithParamInterface<std::size_t> {};

TEST_P(OwnersThatWrite, LoseNothingAndChangeNoOrder) {
  const std::size_t size = GetParam();
  const std::string next = "the next block";
  side().write(block_that_writes(transport_, size, next));
  side().write(as_bytes(std::string("behind it")));
  for (int turn = 0; turn < 3; ++turn) {
    side().flush(FlushCause::end_of_turn);
    side().check_invariants();
  }
  // A copy is made, or the sink takes all, before write() returns.
  const bool ends_at_once = size <= WriteQueue::copy_limit || size > side().limits().high;
  EXPECT_EQ(transport_.out,
            pattern(0, size) + (ends_at_once ? next + "behind it" : "behind it" + next));
  EXPECT_EQ(0U, side().size());
}
INSTANTIATE_TEST_SUITE_P(Sizes, OwnersThatWrite, ::testing::Values(1, 100, 512, 513, 2000, 100000));

// ---- write ----

// W-11
TEST_F(Immediate, AWriteOnAnEmptyBufferIsOfferedWholeAndAtOnce) {
  transport_.write(100);
  EXPECT_EQ(Log{"send 100"}, transport_.take_log());
  EXPECT_EQ(transport_.given(), transport_.out);
  EXPECT_EQ(0U, side().size());
  EXPECT_EQ(WriteSide::FlowState::idle, side().flow_state());
}

// W-11, W-23: what is taken at once is never copied.
TEST_F(Immediate, WhatTheSinkTakesIsOfferedFromTheCallersMemory) {
  const std::string text = pattern(0, 100);
  transport_.write(text);
  EXPECT_EQ(as_bytes(text).data(), transport_.last_offered);
  EXPECT_EQ(0U, transport_.pool.slabs_alive());
}

// W-12
TEST_F(Immediate, AnAttemptThatWouldBlockQueuesEverything) {
  transport_.room = 0;
  transport_.write(100);
  EXPECT_EQ(Log{"send 100"}, transport_.take_log());
  EXPECT_EQ(100U, side().size());
  EXPECT_EQ(WriteSide::FlowState::blocked, side().flow_state());
  EXPECT_FALSE(transport_.flush_requested);
}

// W-13
TEST_F(Immediate, TheRestOfAShortWriteIsQueued) {
  transport_.room = 40;
  transport_.write(100);
  EXPECT_EQ(60U, side().size());
  EXPECT_EQ(WriteSide::FlowState::blocked, side().flow_state());
  transport_.ready(FakeTransport::no_limit);
  EXPECT_EQ(transport_.given(), transport_.out);
}

// W-14
TEST_F(Immediate, AWriteOnABlockedTransportMakesNoCall) {
  fill(10);
  transport_.write(5);
  transport_.write_buffer(1000);
  EXPECT_TRUE(transport_.take_log().empty());
  EXPECT_EQ(1015U, side().size());
}

// W-10
TEST_F(Immediate, WritingNothingDoesNothing) {
  transport_.write("");
  side().write(Buffer());
  EXPECT_TRUE(transport_.take_log().empty());
  transport_.abort();
  transport_.write("");
  EXPECT_EQ(0U, side().statistics().writes_dropped);
}

// W-15, W-57, W-62
TEST_F(Immediate, AFailingAttemptLosesTheConnectionAndReturnsNormally) {
  transport_.script = {SinkResult::failed(broken)};
  transport_.write(100);
  EXPECT_EQ((Log{"send 100", "failed"}), transport_.take_log());
  EXPECT_EQ(broken, transport_.lost_with);
  EXPECT_EQ(0U, side().size());
  EXPECT_EQ(0U, side().statistics().writes_dropped) << "the failing write is not a drop";
}

// W-15
TEST_F(Immediate, AFailingAttemptDiscardsWhatWasQueued) {
  fill(10);
  transport_.script = {SinkResult::failed(broken)};
  transport_.ready();
  EXPECT_EQ((Log{"send 10", "failed"}), transport_.take_log());
  EXPECT_EQ(10U, side().statistics().bytes_discarded);
  EXPECT_EQ(0U, side().size());
}

// W-11
TEST_F(Coalescing, AWriteIsQueuedAndSentAtTheEndOfTheTurn) {
  transport_.write(100);
  EXPECT_TRUE(transport_.take_log().empty());
  EXPECT_EQ(100U, side().size());
  EXPECT_EQ(WriteSide::FlowState::dirty, side().flow_state());
  EXPECT_TRUE(transport_.flush_requested);
  transport_.end_turn();
  EXPECT_EQ(Log{"send 100"}, transport_.take_log());
  EXPECT_EQ(WriteSide::FlowState::idle, side().flow_state());
}

// W-11, W-18
TEST_F(Coalescing, AllWritesOfATurnGoInOneCall) {
  for (int i = 0; i < 100; ++i) {
    transport_.write(64);
  }
  transport_.end_turn();
  EXPECT_EQ(Log{"send 6400"}, transport_.take_log());
  EXPECT_EQ(transport_.given(), transport_.out);
}

// W-22: however much is queued, all of it goes before what is offered from the caller's memory.
TEST_F(Coalescing, ALargeWriteGoesBehindAQueueOfManyMebibytes) {
  side().set_limits(64 << 20, 0);
  for (int i = 0; i < 300; ++i) {
    transport_.write(10'000);
  }
  transport_.write(WriteSide::direct_send_bytes);
  EXPECT_EQ(transport_.given(), transport_.out);
  EXPECT_EQ(WriteSide::FlowState::idle, side().flow_state());
}

// Copying this much would cost more than the call that is saved.
TEST_F(Coalescing, ALargeBorrowedWriteIsSentAtOnceBehindWhatIsQueued) {
  transport_.write(100);
  transport_.write(WriteSide::direct_send_bytes - 1);
  EXPECT_TRUE(transport_.take_log().empty());
  transport_.write(WriteSide::direct_send_bytes);
  EXPECT_EQ((Log{"send 32867"}), transport_.take_log());
  EXPECT_EQ(transport_.given(), transport_.out);
}

// W-66: pause means that the kernel is full, not that the turn is long.
TEST_F(Coalescing, PassingTheHighMarkFlushesFirst) {
  side().set_limits(100, 10);
  transport_.write(60);
  transport_.write(41);
  EXPECT_EQ((Log{"send 101"}), transport_.take_log());
  EXPECT_EQ(0U, side().size());
  transport_.write_buffer(101);
  EXPECT_EQ((Log{"send 101"}), transport_.take_log());
  EXPECT_EQ(transport_.given(), transport_.out);
}

// W-67
TEST_F(Coalescing, ReachingTheHighMarkDoesNotFlush) {
  side().set_limits(100, 10);
  transport_.write(100);
  EXPECT_TRUE(transport_.take_log().empty());
}

// W-66
TEST_F(Coalescing, PassingTheHighMarkOnABlockedTransportOnlyPauses) {
  side().set_limits(100, 10);
  transport_.room = 0;
  transport_.write(50);
  transport_.end_turn();
  transport_.clear_log();
  transport_.write(51);
  EXPECT_EQ((Log{"PW"}), transport_.take_log());
}

// A sink that keeps bytes may not be given what the caller can change.
TEST(KeepingSink, BorrowedBytesAreCopiedBeforeTheyAreOffered) {
  FakeTransport transport(WriteTiming::at_once, DropRule::count_every_loss, true);
  const std::string text = pattern(0, WriteSide::direct_send_bytes);
  transport.write(text);
  EXPECT_NE(as_bytes(text).data(), transport.last_offered);
  EXPECT_EQ(text, transport.out);
}

// ---- writelines ----

class Lines : public Immediate {
 protected:
  void lines(std::vector<std::string_view> texts) {
    std::vector<Bytes> pieces;
    for (const std::string_view text : texts) {
      pieces.push_back(as_bytes(text));
    }
    side().writelines(std::span<const Bytes>(pieces));
  }
};

// W-24
TEST_F(Lines, ArePiecesOfOneWriteInOrder) {
  side().set_limits(2, 1);
  transport_.room = 4;
  lines({"ab", "cd", "ef"});
  EXPECT_EQ((Log{"send 6"}), transport_.take_log());
  EXPECT_EQ("abcd", transport_.out);
  EXPECT_EQ(2U, side().size());
}

// W-24
TEST_F(Lines, PauseOnceForAllPieces) {
  side().set_limits(2, 1);
  transport_.room = 0;
  lines({"ab", "cd", "ef"});
  EXPECT_EQ((Log{"send 6", "PW"}), transport_.take_log());
  EXPECT_EQ(1U, side().statistics().pauses);
}

TEST_F(Lines, OfBuffersAreSharedWhenLarge) {
  const auto owner = std::make_shared<std::string>(pattern(0, 4096));
  const std::vector<Buffer> pieces{Buffer::copy_of("head"), Buffer::share(owner, as_bytes(*owner))};
  transport_.room = 0;
  side().writelines(std::span<const Buffer>(pieces));
  EXPECT_EQ(3, owner.use_count());
  transport_.ready(FakeTransport::no_limit);
  EXPECT_EQ("head" + *owner, transport_.out);
}

// W-25
TEST_F(Lines, MakeOneAttemptEvenIfOlderBytesWait) {
  fill(10);
  transport_.room = 12;
  lines({"ab", "cd"});
  EXPECT_EQ((Log{"send 14"}), transport_.take_log());
  EXPECT_EQ(2U, side().size());
}

// W-25, W-70
TEST_F(Lines, MayResumeByThatAttempt) {
  side().set_limits(10, 4);
  fill(20);
  transport_.room = 20;
  lines({"ab", "cd"});
  EXPECT_EQ((Log{"send 24", "RW"}), transport_.take_log());
}

TEST_F(Lines, CoalesceLikeAWrite) {
  transport_.ground.timing = WriteTiming::end_of_turn;
  lines({"ab", "cd"});
  EXPECT_TRUE(transport_.take_log().empty());
  transport_.end_turn();
  EXPECT_EQ((Log{"send 4"}), transport_.take_log());
}

// W-27, W-28, Q-7
TEST_F(Lines, OfNothingDoNothingAndEmptyPiecesAreSkipped) {
  lines({});
  lines({"", ""});
  EXPECT_TRUE(transport_.take_log().empty());
  lines({"", "ab", "", "cd", ""});
  EXPECT_EQ("abcd", transport_.out);
  EXPECT_EQ(0U, side().size());
}

// W-30
TEST_F(Lines, DroppedCountAsOneWriteAndAllTheirBytes) {
  transport_.abort();
  lines({"ab", "cd"});
  EXPECT_EQ(1U, side().statistics().writes_dropped);
  EXPECT_EQ(4U, side().statistics().bytes_dropped);
}

// W-26
TEST_F(Lines, AfterWriteEofThrowEvenWhenEmpty) {
  side().write_eof();
  try {
    lines({});
    FAIL() << "no exception";
  } catch (const std::logic_error& error) {
    EXPECT_STREQ("Cannot call writelines() after write_eof()", error.what());
  }
}

// ---- Flushing ----

// W-18
TEST_F(Immediate, AReadinessEventIsOneCall) {
  fill(100);
  transport_.ready(30);
  EXPECT_EQ((Log{"send 100"}), transport_.take_log());
  transport_.ready(30);
  EXPECT_EQ((Log{"send 70"}), transport_.take_log());
  EXPECT_EQ(40U, side().size());
}

// W-18
TEST_F(Immediate, AFlushOffersNoMorePiecesThanIovMax) {
  fill(1);
  for (std::size_t i = 0; i < Sink::max_pieces + 5; ++i) {
    transport_.write_buffer(WriteQueue::copy_limit + 1);
  }
  transport_.ready(FakeTransport::no_limit);
  EXPECT_EQ(Sink::max_pieces, transport_.offered_pieces.back());
  EXPECT_EQ(WriteSide::FlowState::dirty, side().flow_state());
  EXPECT_TRUE(transport_.flush_requested);
  transport_.end_turn();
  EXPECT_EQ(6U, transport_.offered_pieces.back());
  EXPECT_EQ(transport_.given(), transport_.out);
  EXPECT_EQ(WriteSide::FlowState::idle, side().flow_state());
}

// W-19
TEST_F(Immediate, AFlushThatWouldBlockChangesNothing) {
  side().set_limits(10, 5);
  fill(20);
  transport_.ready();
  EXPECT_EQ((Log{"send 20"}), transport_.take_log());
  EXPECT_EQ(20U, side().size());
  EXPECT_EQ(WriteSide::FlowState::blocked, side().flow_state());
}

TEST_F(Immediate, ReadinessWithNothingQueuedDoesNothing) {
  transport_.ready();
  EXPECT_TRUE(transport_.take_log().empty());
}

TEST_F(Coalescing, ReadinessDoesNotSendWhatTheTurnsEndWillSend) {
  transport_.write(10);
  transport_.ready();
  EXPECT_TRUE(transport_.take_log().empty());
}

TEST_F(Coalescing, TheTurnsEndDoesNotSendWhatWaitsForReadiness) {
  transport_.room = 0;
  transport_.write(10);
  transport_.end_turn();
  transport_.clear_log();
  transport_.room = FakeTransport::no_limit;
  side().flush(FlushCause::end_of_turn);
  EXPECT_TRUE(transport_.take_log().empty());
  transport_.ready();
  EXPECT_EQ((Log{"send 10"}), transport_.take_log());
}

TEST_F(Immediate, FlushAfterTheLossDoesNothing) {
  fill(10);
  transport_.abort();
  transport_.ready();
  side().flush(FlushCause::end_of_turn);
  EXPECT_TRUE(transport_.take_log().empty());
}

// Readiness that was found before an attempt filled the sink says nothing any more.
TEST_F(Lines, AnAttemptAfterThePollMakesItsReadinessStale) {
  fill(10);
  ++transport_.ground.polls;
  transport_.room = 2;
  lines({"ab"});
  EXPECT_EQ(Log{"send 12"}, transport_.take_log());
  transport_.late_ready();
  EXPECT_TRUE(transport_.take_log().empty());
  transport_.ready(FakeTransport::no_limit);
  EXPECT_EQ(Log{"send 10"}, transport_.take_log());
}

// W-19: an attempt that moves nothing does not resume.
TEST_F(Lines, AnAttemptThatWouldBlockResumesNobody) {
  side().set_limits(10, 4);
  fill(20);
  lines({"ab"});
  EXPECT_EQ(Log{"send 22"}, transport_.take_log());
}

// W-15
TEST_F(Lines, AFailingAttemptLosesTheConnection) {
  fill(20);
  transport_.script = {SinkResult::failed(broken)};
  lines({"ab"});
  EXPECT_EQ((Log{"send 22", "failed"}), transport_.take_log());
  EXPECT_EQ(22U, side().statistics().bytes_discarded);
}

}  // namespace
}  // namespace sluice::core
