#include "core/write_queue.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/allocation_probe.hpp"
#include "core/sink.hpp"
#include "core/test_bytes.hpp"

namespace sluice::core {
namespace {

using testing::joined;
using testing::pattern;

constexpr std::size_t large = WriteQueue::copy_limit + 1;

class Queue : public ::testing::Test {
 protected:
  ~Queue() override {
    queue_.check_invariants();
    queue_.clear();
    queue_.check_invariants();
  }

  void copy(std::string_view text) { queue_.append_copy(as_bytes(text)); }
  void copy(std::size_t count) {
    copy(pattern(given_, count));
    given_ += count;
  }
  Buffer link(std::size_t count) {
    Buffer buffer = Buffer::copy_of(pattern(given_, count));
    given_ += count;
    queue_.append(Buffer(buffer));
    return buffer;
  }
  std::vector<Bytes> gather(std::size_t most = Sink::max_pieces) {
    std::vector<Bytes> pieces(most);
    pieces.resize(queue_.gather(pieces));
    return pieces;
  }
  std::string content() { return joined(gather(queue_.segment_count() + 1)); }

  SegmentPool pool_;
  WriteQueue queue_{pool_};
  std::size_t given_ = 0;
};

TEST_F(Queue, StartsEmptyAndWithoutMemory) {
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(0U, queue_.size());
  EXPECT_EQ(0U, queue_.segment_count());
  EXPECT_FALSE(queue_.in_flight());
  EXPECT_EQ(0U, pool_.slabs_alive());
  EXPECT_TRUE(gather().empty());
}

// Q-7, W-28
TEST_F(Queue, EmptyPiecesAreDroppedAtTheDoor) {
  copy("");
  queue_.append(Buffer());
  EXPECT_EQ(0U, queue_.segment_count());
  EXPECT_EQ(0U, pool_.slabs_alive());
  copy("a");
  copy("");
  EXPECT_EQ(1U, queue_.size());
}

TEST_F(Queue, SmallCopiesShareOneSegment) {
  copy("abc");
  copy("def");
  EXPECT_EQ(6U, queue_.size());
  EXPECT_EQ(1U, queue_.segment_count());
  EXPECT_EQ("abcdef", content());
}

// W-23
TEST_F(Queue, ACopyDoesNotDependOnTheCallersMemory) {
  std::string text = "before";
  copy(text);
  text = "after!";
  EXPECT_EQ("before", content());
}

TEST_F(Queue, ALargeBufferIsLinkedNotCopied) {
  const Buffer buffer = link(large);
  ASSERT_EQ(1U, queue_.segment_count());
  EXPECT_EQ(buffer.bytes().data(), gather().front().data());
  EXPECT_EQ(0U, pool_.slabs_alive());
}

TEST_F(Queue, ASmallBufferIsCopied) {
  const Buffer buffer = link(WriteQueue::copy_limit);
  EXPECT_NE(buffer.bytes().data(), gather().front().data());
  EXPECT_EQ(1U, pool_.slabs_alive());
}

TEST_F(Queue, BeginsWithAMessageAndTheLaneBehindIt) {
  const std::string text = pattern(0, 100);
  queue_.begin(as_bytes(text).first(60), 40);
  EXPECT_EQ(60U, queue_.size());
  EXPECT_EQ(1U, queue_.segment_count());
  EXPECT_EQ(40U, queue_.lane_room());
  queue_.check_invariants();
  EXPECT_TRUE(queue_.append_in_lane(as_bytes(text).subspan(60)));
  EXPECT_EQ(text, content());
  queue_.acknowledge(100);
  EXPECT_TRUE(queue_.empty());
  queue_.check_invariants();
}

TEST_F(Queue, BeginsWithNoLongerALaneThanTheSlabHasRoomFor) {
  const std::string text = pattern(0, Slab::capacity - 3);
  queue_.begin(as_bytes(text), 1000);
  EXPECT_EQ(3U, queue_.lane_room());
  queue_.check_invariants();
}

TEST_F(Queue, WithoutMemoryItDoesNotBegin) {
  {
    const testing::FailingAllocation failing(1);
    EXPECT_THROW(queue_.begin(as_bytes("ab"), 10), std::bad_alloc);
    EXPECT_TRUE(failing.failed());
  }
  EXPECT_TRUE(queue_.empty());
  queue_.check_invariants();
}

TEST_F(Queue, TheOnlyPieceIsAllThatWasWrittenTheLaneIncluded) {
  queue_.begin(as_bytes("ab"), 10);
  EXPECT_TRUE(queue_.append_in_lane(as_bytes("cd")));
  EXPECT_EQ("abcd", as_text(queue_.only_piece()));
  EXPECT_EQ(0U, queue_.lane_room());
}

TEST_F(Queue, ASlabIsFilledToTheLastByte) {
  copy(Slab::capacity - 1);
  copy(1);
  EXPECT_EQ(1U, queue_.segment_count());
  EXPECT_EQ(1U, pool_.slabs_alive());
  copy(1);
  EXPECT_EQ(2U, queue_.segment_count());
  EXPECT_EQ(2U, pool_.slabs_alive());
  EXPECT_EQ(pattern(0, Slab::capacity + 1), content());
}

TEST_F(Queue, WhatDoesNotFitTheSlabGoesWholeIntoTheNext) {
  copy(Slab::capacity - 1);
  copy(2);
  const std::vector<Bytes> pieces = gather();
  ASSERT_EQ(2U, pieces.size());
  EXPECT_EQ(2U, pieces.back().size());
  EXPECT_EQ(pattern(0, Slab::capacity + 1), content());
}

TEST_F(Queue, ACopyAsLargeAsASlabHasMemoryOfItsOwn) {
  copy(Slab::capacity);
  EXPECT_EQ(0U, pool_.slabs_alive());
  copy(Slab::capacity * 3);
  EXPECT_EQ(2U, queue_.segment_count());
  EXPECT_EQ(pattern(0, Slab::capacity * 4), content());
}

TEST_F(Queue, SmallWritesAroundALinkedBufferShareOneSlab) {
  copy(10);
  link(large);
  copy(10);
  link(large);
  copy(10);
  EXPECT_EQ(5U, queue_.segment_count());
  EXPECT_EQ(1U, pool_.slabs_alive());
  EXPECT_EQ(pattern(0, 30 + 2 * large), content());
}

TEST_F(Queue, ASlabLivesUntilTheLastSegmentInItIsGone) {
  copy(10);
  link(large);
  copy(10);
  copy(Slab::capacity - 20);
  copy(1);
  EXPECT_EQ(2U, pool_.slabs_alive());
  queue_.acknowledge(10 + large);
  EXPECT_EQ(pattern(10 + large, Slab::capacity - 9), content());
  queue_.acknowledge(queue_.size());
  EXPECT_TRUE(queue_.empty());
  queue_.check_invariants();
}

TEST_F(Queue, ASlabIsFilledOnThoughItsFirstBytesAreGone) {
  copy(10);
  link(large);
  queue_.acknowledge(10);
  copy(5);
  EXPECT_EQ(1U, pool_.slabs_alive());
  EXPECT_EQ(pattern(10, large + 5), content());
}

// W-18
TEST_F(Queue, GatherFillsNoMoreThanItIsGiven) {
  for (int i = 0; i < 5; ++i) {
    link(large);
  }
  EXPECT_EQ(3U, gather(3).size());
  EXPECT_EQ(pattern(0, 3 * large), joined(gather(3)));
  EXPECT_EQ(5U, gather(5).size());
  EXPECT_EQ(5U, gather(6).size());
  EXPECT_TRUE(gather(0).empty());
}

TEST_F(Queue, GatherChangesNothing) {
  copy(10);
  link(large);
  const std::string before = content();
  EXPECT_EQ(before, content());
  EXPECT_EQ(10U + large, queue_.size());
}

TEST_F(Queue, AcknowledgeInsideASegmentLeavesItsRest) {
  copy("abcdef");
  queue_.acknowledge(2);
  EXPECT_EQ("cdef", content());
  EXPECT_EQ(1U, queue_.segment_count());
  queue_.acknowledge(0);
  EXPECT_EQ("cdef", content());
}

TEST_F(Queue, AcknowledgeAtASegmentsEndRemovesIt) {
  copy(10);
  link(large);
  queue_.acknowledge(10);
  EXPECT_EQ(1U, queue_.segment_count());
  EXPECT_EQ(pattern(10, large), content());
}

TEST_F(Queue, AcknowledgeAcrossSegmentsRemovesThem) {
  copy(10);
  link(large);
  copy(10);
  queue_.acknowledge(10 + large + 3);
  EXPECT_EQ(1U, queue_.segment_count());
  EXPECT_EQ(pattern(10 + large + 3, 7), content());
}

TEST_F(Queue, AppendingGoesOnAfterAPartialAcknowledge) {
  copy("abc");
  queue_.acknowledge(2);
  copy("def");
  EXPECT_EQ("cdef", content());
  EXPECT_EQ(1U, queue_.segment_count());
}

TEST_F(Queue, WhenEverythingIsGoneNoMemoryIsHeld) {
  copy(10);
  link(large);
  queue_.acknowledge(10 + large);
  EXPECT_TRUE(queue_.empty());
  EXPECT_TRUE(gather().empty());
  queue_.check_invariants();
  copy("next");
  EXPECT_EQ("next", content());
}

TEST_F(Queue, SubmittedBytesStayUntilAcknowledged) {
  copy("abcdef");
  queue_.submit(4);
  EXPECT_TRUE(queue_.in_flight());
  EXPECT_EQ(6U, queue_.size());
  copy("gh");
  EXPECT_EQ(8U, queue_.size());
  queue_.acknowledge(4);
  EXPECT_FALSE(queue_.in_flight());
  EXPECT_EQ("efgh", content());
}

TEST_F(Queue, WhatWasSubmittedAndNotAcknowledgedIsOursAgain) {
  copy("abcdef");
  queue_.submit(6);
  queue_.acknowledge(1);
  EXPECT_FALSE(queue_.in_flight());
  EXPECT_EQ("bcdef", content());
  queue_.submit(5);
  queue_.acknowledge(0);
  EXPECT_EQ("bcdef", content());
}

TEST_F(Queue, ClearForgetsEverythingAndTellsHowMuch) {
  copy(10);
  link(large);
  EXPECT_EQ(10 + large, queue_.clear());
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(0U, queue_.segment_count());
  EXPECT_EQ(0U, queue_.clear());
  copy("next");
  EXPECT_EQ("next", content());
}

TEST_F(Queue, ADestroyedQueueGivesEverythingBack) {
  const auto owner = std::make_shared<std::string>(pattern(0, 4096));
  {
    WriteQueue other(pool_);
    other.append(Buffer::share(owner, as_bytes(*owner)));
    other.append_copy(as_bytes("small"));
  }
  EXPECT_EQ(1, owner.use_count());
}

// The steady state of a server: write, flush, write, flush.
TEST_F(Queue, TheLaneBeginsBehindTheLastByte) {
  queue_.open_lane(100);
  EXPECT_FALSE(queue_.append_in_lane(as_bytes("x"))) << "nothing to go behind";
  copy("ab");
  queue_.open_lane(100);
  EXPECT_TRUE(queue_.append_in_lane(as_bytes("cd")));
  EXPECT_EQ(4U, queue_.size());
  queue_.check_invariants();
  EXPECT_EQ("abcd", content());
  EXPECT_EQ(1U, queue_.segment_count());
}

TEST_F(Queue, TheLaneIsAsLongAsItWasOpened) {
  copy("ab");
  queue_.open_lane(3);
  EXPECT_FALSE(queue_.append_in_lane(as_bytes("cdef")));
  EXPECT_TRUE(queue_.append_in_lane(as_bytes("cde")));
  EXPECT_EQ(0U, queue_.lane_room());
  EXPECT_FALSE(queue_.append_in_lane(as_bytes("f")));
  EXPECT_EQ("abcde", content());
}

TEST_F(Queue, TheLaneEndsWithTheSlab) {
  copy(Slab::capacity - 3);
  queue_.open_lane(100);
  EXPECT_EQ(3U, queue_.lane_room());
  EXPECT_TRUE(queue_.append_in_lane(as_bytes("abc")));
  queue_.check_invariants();
  copy("d");
  EXPECT_EQ(2U, queue_.segment_count());
  EXPECT_EQ(Slab::capacity + 1, queue_.size());
}

// Short messages are copied by moves that overlap: none may reach beyond its message, or leave a
// byte of it out.
TEST_F(Queue, AShortMessageOfAnyLengthIsAppendedInTheLaneWhole) {
  for (std::size_t size = 1; size <= 2 * ShortMessage::most; ++size) {
    const std::string before = std::string(40, '-');
    const std::string message = pattern(size, size);
    copy(before);
    queue_.open_lane(before.size() + 2 * message.size());
    const bool is_short = size >= ShortMessage::least && size <= ShortMessage::most;
    EXPECT_EQ(is_short, queue_.append_short_in_lane(as_bytes(message))) << size;
    if (is_short) {
      EXPECT_TRUE(queue_.append_in_lane(as_bytes(message)));
      EXPECT_EQ(before + message + message, content()) << size;
    }
    queue_.clear();
  }
}

TEST_F(Queue, AShortMessageThatTheLaneHasNoRoomForIsLeftOut) {
  copy("ab");
  queue_.open_lane(ShortMessage::least);
  EXPECT_FALSE(queue_.append_short_in_lane(as_bytes(std::string(ShortMessage::least + 1, 'x'))));
  EXPECT_TRUE(queue_.append_short_in_lane(as_bytes(std::string(ShortMessage::least, 'x'))));
  EXPECT_FALSE(queue_.append_short_in_lane(as_bytes(std::string(ShortMessage::least, 'x'))));
  EXPECT_EQ("ab" + std::string(ShortMessage::least, 'x'), content());
}

TEST_F(Queue, NothingIsAppendedInTheLaneForAnEmptyPiece) {
  copy("ab");
  queue_.open_lane(100);
  EXPECT_FALSE(queue_.append_in_lane({}));
  EXPECT_EQ("ab", content());
}

TEST_F(Queue, ThereIsNoLaneBehindALinkedBuffer) {
  copy("ab");
  link(large);
  queue_.open_lane(100);
  EXPECT_EQ(0U, queue_.lane_room());
}

TEST_F(Queue, WhateverElseChangesTheQueueClosesTheLane) {
  const std::vector<std::pair<const char*, std::function<void()>>> changes{
      {"append_copy", [&] { queue_.append_copy(as_bytes("x")); }},
      {"append", [&] { queue_.append(Buffer::copy_of(std::string(large, 'x'))); }},
      {"gather", [&] { static_cast<void>(gather()); }},
      {"submit",
       [&] {
         queue_.submit(1);
         queue_.acknowledge(1);
       }},
      {"acknowledge", [&] { queue_.acknowledge(1); }},
      {"clear", [&] { queue_.clear(); }}};
  for (const auto& [name, change] : changes) {
    copy("ab");
    queue_.open_lane(100);
    EXPECT_TRUE(queue_.append_in_lane(as_bytes("cd"))) << name;
    change();
    EXPECT_EQ(0U, queue_.lane_room()) << name;
    EXPECT_FALSE(queue_.append_in_lane(as_bytes("e"))) << name;
    queue_.check_invariants();
    queue_.clear();
  }
}

TEST_F(Queue, TheSteadyStateAllocatesNothing) {
  copy(64);
  queue_.acknowledge(64);
  const std::string text = pattern(0, 64);
  const testing::Allocations before = testing::allocations();
  for (int i = 0; i < 1000; ++i) {
    queue_.append_copy(as_bytes(text));
    queue_.append_copy(as_bytes(text));
    queue_.acknowledge(128);
  }
  EXPECT_EQ(0U, (testing::allocations() - before).calls);
}

TEST_F(Queue, MemoryGoesBackAfterABurst) {
  for (int i = 0; i < 500; ++i) {
    copy(Slab::capacity - 1);
  }
  EXPECT_EQ(500U, pool_.slabs_alive());
  queue_.acknowledge(queue_.size());
  EXPECT_EQ(SegmentPool::slab_reserve, pool_.slabs_alive());
}

// ---- Without memory ----

TEST_F(Queue, WithoutMemoryForASlabNothingChanges) {
  const std::string text = pattern(0, 100);
  {
    const testing::FailingAllocation failing(1);
    EXPECT_THROW(queue_.append_copy(as_bytes(text)), std::bad_alloc);
    EXPECT_TRUE(failing.failed());
  }
  EXPECT_TRUE(queue_.empty());
  queue_.check_invariants();
  queue_.append_copy(as_bytes(text));
  EXPECT_EQ(100U, queue_.size());
}

TEST_F(Queue, WithoutMemoryForTheNextSlabTheFirstStays) {
  const std::string text = pattern(0, Slab::capacity - 1);
  queue_.append_copy(as_bytes(text));
  {
    const testing::FailingAllocation failing(1);
    EXPECT_THROW(queue_.append_copy(as_bytes("ab")), std::bad_alloc);
  }
  EXPECT_EQ(Slab::capacity - 1, queue_.size());
  queue_.check_invariants();
  queue_.append_copy(as_bytes("ab"));
  EXPECT_EQ(text + "ab", content());
}

TEST_F(Queue, WithoutMemoryForTheSegmentBehindALinkNothingChanges) {
  copy("ab");
  link(large);
  const std::string before = content();
  {
    const testing::FailingAllocation failing(1);
    EXPECT_THROW(queue_.append_copy(as_bytes("cd")), std::bad_alloc);
    EXPECT_TRUE(failing.failed());
  }
  EXPECT_EQ(before, content());
  queue_.append_copy(as_bytes("cd"));
  EXPECT_EQ(before + "cd", content());
}

// The first segment of a slab comes with it, so small writes need one allocation for many.
TEST_F(Queue, ASlabIsOneAllocation) {
  const testing::Allocations before = testing::allocations();
  copy("ab");
  EXPECT_EQ(1U, (testing::allocations() - before).calls);
  EXPECT_EQ(0U, pool_.segments_alive());
}

TEST_F(Queue, WithoutMemoryForALinkNothingChanges) {
  const auto owner = std::make_shared<std::string>(pattern(0, 4096));
  {
    const testing::FailingAllocation failing(1);
    EXPECT_THROW(queue_.append(Buffer::share(owner, as_bytes(*owner))), std::bad_alloc);
  }
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(1, owner.use_count());
}

// ---- At large ----

// W-22: whatever is written, however it is split on the way out, comes out as it went in.
TEST(QueueProperties, FirstInFirstOutForAnySplit) {
  const bool holds = rc::check("first in, first out", [] {
    SegmentPool pool;
    WriteQueue queue(pool);
    std::string in;
    std::string out;
    const int steps = *rc::gen::inRange(1, 60);
    for (int step = 0; step < steps; ++step) {
      const int what = *rc::gen::inRange(0, 5);
      if (what < 3) {
        const std::size_t count = *rc::gen::oneOf(
            rc::gen::inRange<std::size_t>(0, 40),
            rc::gen::inRange<std::size_t>(WriteQueue::copy_limit - 2, WriteQueue::copy_limit + 3),
            rc::gen::inRange<std::size_t>(Slab::capacity - 3, Slab::capacity + 3));
        const std::string text = pattern(in.size(), count);
        in += text;
        if (what == 0) {
          queue.append(Buffer::copy_of(text));
        } else if (what == 1 && queue.empty() && count > 0 && count < Slab::capacity) {
          queue.begin(as_bytes(text), *rc::gen::inRange<std::size_t>(0, 100));
        } else if (!queue.append_in_lane(as_bytes(text))) {
          queue.append_copy(as_bytes(text));
          queue.open_lane(*rc::gen::inRange<std::size_t>(0, 100));
        }
      } else {
        std::array<Bytes, 8> pieces;
        const std::size_t count = queue.gather(pieces);
        const std::string offered = joined(std::span(pieces).first(count));
        if (what == 3) {
          queue.submit(offered.size());
        }
        const std::size_t taken = *rc::gen::inRange<std::size_t>(0, offered.size() + 1);
        out += offered.substr(0, taken);
        queue.acknowledge(taken);
      }
      queue.check_invariants();
      RC_ASSERT(queue.size() == in.size() - out.size());
    }
    std::vector<Bytes> rest(queue.segment_count());
    rest.resize(queue.gather(rest));
    RC_ASSERT(out + joined(rest) == in);
    RC_ASSERT(queue.clear() == in.size() - out.size());
    RC_ASSERT(queue.segment_count() == 0U);
  });
  EXPECT_TRUE(holds);
}

// Seconds of this thread's time to drain `segments` segments, one at a time.
double time_to_drain(std::size_t segments) {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  };
  SegmentPool pool;
  WriteQueue queue(pool);
  const Buffer buffer = Buffer::copy_of(pattern(0, large));
  for (std::size_t i = 0; i < segments; ++i) {
    queue.append(Buffer(buffer));
  }
  const double begin = now();
  std::array<Bytes, 1> piece;
  while (queue.gather(piece) > 0) {
    queue.acknowledge(piece[0].size());
  }
  return now() - begin;
}

// 16 times as deep may take 16 times as long; if it were quadratic it would be 256 times. Both are
// too deep for the caches.
TEST(QueueProperties, DrainingADeepQueueIsLinear) {
  double shallow = 1e9;
  double deep = 1e9;
  for (int i = 0; i < 3; ++i) {
    shallow = std::min(shallow, time_to_drain(40'000));
    deep = std::min(deep, time_to_drain(640'000));
  }
  EXPECT_LT(deep, shallow * 90) << shallow << " s for 40,000 segments, " << deep
                                << " s for 640,000";
}

}  // namespace
}  // namespace sluice::core
