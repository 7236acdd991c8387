// External ranges in a WriteQueue.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/allocation_probe.hpp"
#include "core/fake_range.hpp"
#include "core/sink.hpp"
#include "core/test_bytes.hpp"
#include "core/write_queue.hpp"

namespace sluice::core {
namespace {

using testing::FakeRange;
using testing::joined;
using testing::pattern;

class QueueRanges : public ::testing::Test {
 protected:
  ~QueueRanges() override { queue_.check_invariants(); }

  void copy(std::string_view text) { queue_.append_copy(as_bytes(text)); }
  std::shared_ptr<FakeRange> put(std::string text) {
    auto range = std::make_shared<FakeRange>(std::move(text));
    queue_.append_external(range);
    return range;
  }
  std::string front() {
    std::vector<Bytes> pieces(queue_.segment_count() + 1);
    pieces.resize(queue_.gather(pieces));
    return joined(pieces);
  }

  SegmentPool pool_;
  WriteQueue queue_{pool_};
};

TEST_F(QueueRanges, GatherEndsBeforeARangeEvenInsideASegment) {
  copy("abc");
  const auto range = put("xyz");
  copy("def");
  EXPECT_EQ(1U, queue_.segment_count());
  EXPECT_EQ("abc", front());
  EXPECT_EQ(3U, queue_.front_size());
  EXPECT_EQ(6U, queue_.size());
  EXPECT_EQ(nullptr, queue_.next_external());
  queue_.acknowledge(3);
  EXPECT_EQ("", front());
  EXPECT_EQ(range.get(), queue_.next_external());
  EXPECT_EQ(range, queue_.remove_external(*range));
  EXPECT_EQ("def", front());
}

TEST_F(QueueRanges, AQueueWithARangeIsNotEmptyThoughItHasNoBytes) {
  const auto range = put("x");
  EXPECT_FALSE(queue_.empty());
  EXPECT_EQ(0U, queue_.size());
  queue_.remove_external(*range);
  EXPECT_TRUE(queue_.empty());
}

TEST_F(QueueRanges, AnyRangeCanBeTakenOut) {
  const std::array ranges{put("1"), put("2"), put("3")};
  EXPECT_EQ(ranges[1], queue_.remove_external(*ranges[1]));
  EXPECT_EQ(nullptr, queue_.remove_external(*ranges[1]));
  queue_.check_invariants();
  EXPECT_EQ(ranges[2], queue_.remove_external(*ranges[2]));
  queue_.check_invariants();
  EXPECT_EQ(ranges[0], queue_.next_external()->remaining() > 0 ? ranges[0] : nullptr);
  const auto last = put("4");
  queue_.remove_external(*ranges[0]);
  EXPECT_EQ(last.get(), queue_.next_external());
}

TEST_F(QueueRanges, FetchingPutsABlockBeforeTheRange) {
  copy("a");
  const auto range = put(pattern(0, WriteQueue::fetch_bytes + 10));
  const auto other = put("y");
  copy("z");
  queue_.acknowledge(1);
  EXPECT_EQ(WriteQueue::fetch_bytes, queue_.fetch_external().count);
  EXPECT_EQ(pattern(0, WriteQueue::fetch_bytes), front());
  EXPECT_EQ(10U, range->remaining());
  queue_.check_invariants();
  queue_.acknowledge(WriteQueue::fetch_bytes);
  EXPECT_EQ(10U, queue_.fetch_external().count);
  queue_.acknowledge(10);
  queue_.remove_external(*range);
  EXPECT_EQ(other.get(), queue_.next_external());
  queue_.remove_external(*other);
  EXPECT_EQ("z", front());
}

TEST_F(QueueRanges, FetchingWithoutMemoryChangesNothing) {
  const auto range = put("abc");
  {
    const testing::FailingAllocation failing(1);
    EXPECT_THROW(queue_.fetch_external(), std::bad_alloc);
    EXPECT_TRUE(failing.failed());
    EXPECT_EQ(3U, range->remaining());
    queue_.check_invariants();
  }
  EXPECT_EQ(3U, queue_.fetch_external().count);
}

TEST_F(QueueRanges, FetchingOverAndOverAllocatesNothing) {
  const auto range = put(pattern(0, 100 * WriteQueue::fetch_bytes));
  queue_.acknowledge(queue_.fetch_external().count);
  const testing::Allocations before = testing::allocations();
  while (range->remaining() > 0) {
    queue_.acknowledge(queue_.fetch_external().count);
  }
  EXPECT_EQ(0U, (testing::allocations() - before).calls);
}

TEST_F(QueueRanges, TakenRangesComeInOrderOneByOne) {
  const std::array ranges{put("1"), put("2"), put("3")};
  std::shared_ptr<External> chain = queue_.take_externals();
  EXPECT_TRUE(queue_.empty());
  for (const auto& range : ranges) {
    EXPECT_EQ(range, WriteQueue::pop(chain));
  }
  EXPECT_EQ(nullptr, chain);
}

// W-22: bytes and ranges, some of them read into memory, come out in the order they went in.
TEST(QueueRangeProperties, FirstInFirstOutForAnyMixture) {
  const bool holds = rc::check("first in, first out", [] {
    SegmentPool pool;
    WriteQueue queue(pool);
    std::string in;
    std::string out;
    std::deque<std::shared_ptr<FakeRange>> ranges;
    const int steps = *rc::gen::inRange(1, 60);
    for (int step = 0; step < steps; ++step) {
      const std::size_t size =
          *rc::gen::oneOf(rc::gen::inRange<std::size_t>(0, 40),
                          rc::gen::inRange<std::size_t>(Slab::capacity - 3, Slab::capacity + 3));
      const std::string text = pattern(in.size(), size);
      const int what = *rc::gen::inRange(0, 6);
      if (what == 0) {
        in += text;
        queue.append_copy(as_bytes(text));
      } else if (what == 1) {
        in += text;
        queue.append(Buffer::copy_of(text));
      } else if (what == 2) {
        in += text;
        ranges.push_back(std::make_shared<FakeRange>(text));
        queue.append_external(ranges.back());
      } else if (External* const next = queue.next_external(); next == nullptr) {
        std::array<Bytes, 4> pieces;
        const std::string offered =
            joined(std::span(pieces).first(queue.gather(pieces))).substr(0, size);
        out += offered;
        queue.acknowledge(offered.size());
      } else if (next->remaining() == 0) {
        RC_ASSERT(queue.remove_external(*next) == ranges.front());
        ranges.pop_front();
      } else if (what == 3) {
        RC_ASSERT(queue.fetch_external().count > 0U);
      } else {
        const std::string part(ranges.front()->left_of_it().substr(0, size));
        out += part;
        next->advance(part.size());
      }
      queue.check_invariants();
      RC_ASSERT(in.starts_with(out));
    }
  });
  EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace sluice::core
