// What a write of a gibibyte costs, counted in what operator new is asked for. The source is mapped
// and never touched by us; where a copy has to be made, its pages are all the same ones
// (HollowAllocations), so that the test needs neither the memory nor the time.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/allocation_probe.hpp"
#include "core/sanitizers.hpp"
#include "core/write_side.hpp"
#include "sluice/buffer.hpp"

namespace sluice::core {
namespace {

using testing::Allocations;
using testing::allocations;

// A gibibyte; but the thread sanitizer writes four bytes of its own for each that is copied.
constexpr std::size_t huge = std::size_t{1} << (testing::under_thread_sanitizer ? 26 : 30);
// What a queue may need beside the bytes: a segment, a slab, a shared_ptr's notes.
constexpr std::size_t overhead = std::size_t{64} << 10;

// Address space that reads as zeros and costs nothing.
std::shared_ptr<const std::byte> map_zeros(std::size_t size) {
  void* address =
      ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) {
    throw std::bad_alloc();
  }
  return {static_cast<const std::byte*>(address),
          [size](const std::byte* memory) { ::munmap(const_cast<std::byte*>(memory), size); }};
}

// Counts and looks at nothing: every offer is answered with at most `room` bytes.
class CountingSink final : public Sink {
 public:
  SinkResult write(std::span<const Bytes> pieces) noexcept override {
    std::size_t offered = 0;
    for (const Bytes piece : pieces) {
      offered += piece.size();
    }
    first = pieces.front().data();
    pieces_offered += pieces.size();
    ++offers;
    if (room == 0) {
      return SinkResult::would_block();
    }
    const std::size_t count = std::min(room, offered);
    taken += count;
    return SinkResult::accepted(count);
  }
  std::error_code shutdown() noexcept override { return {}; }

  std::size_t room = 0;
  std::size_t taken = 0;
  std::size_t offers = 0;
  std::size_t pieces_offered = 0;
  const std::byte* first = nullptr;
};

class SilentHost final : public WriteSideHost {
 public:
  void call_pause_writing() noexcept override {}
  void call_resume_writing() noexcept override {}
  void request_flush() noexcept override {}
  void request_resume_check() override {}
  void write_failed(std::error_code /*error*/) override { ADD_FAILURE() << "lost"; }
  void drained(FlushCause /*cause*/) override {}
  void warn_dropped(std::uint64_t /*count*/) override {}
};

class HugeWrites : public ::testing::TestWithParam<WriteTiming> {
 protected:
  // Lets the sink take everything, `step` bytes at a time.
  void drain(std::size_t step) {
    sink_.room = step;
    side_.flush(FlushCause::end_of_turn);
    while (!side_.empty()) {
      ++ground_.polls;
      side_.flush(FlushCause::readiness);
    }
  }

  SegmentPool pool_;
  CountingSink sink_;
  SilentHost host_;
  CommonGround ground_{pool_, GetParam()};
  WriteSide side_{{ground_, sink_, host_, DropRule::count_every_loss}};
};

TEST_P(HugeWrites, AGibibyteInABufferIsNeverCopied) {
  const auto zeros = map_zeros(huge);
  const Allocations before = allocations();
  side_.write(Buffer::share(zeros, {zeros.get(), huge}));
  EXPECT_EQ(huge, side_.size());
  EXPECT_EQ(zeros.get(), sink_.first) << "the caller's own memory is offered";
  drain(std::size_t{100} << 20);
  EXPECT_EQ(huge, sink_.taken);
  EXPECT_LE((allocations() - before).bytes, overhead);
}

TEST_P(HugeWrites, OneBufferToAThousandTransportsIsStoredOnce) {
  const auto zeros = map_zeros(huge);
  const Buffer message = Buffer::share(zeros, {zeros.get(), huge});
  std::vector<std::unique_ptr<WriteSide>> sides;
  for (int i = 0; i < 1000; ++i) {
    sides.push_back(std::make_unique<WriteSide>(
        WriteSide::Parts{ground_, sink_, host_, DropRule::count_every_loss}));
  }
  const Allocations before = allocations();
  for (const auto& side : sides) {
    side->write(message);
  }
  EXPECT_LE((allocations() - before).bytes, 1000 * sizeof(Segment));
}

TEST_P(HugeWrites, AGibibyteOfBytesThatTheSinkTakesIsNotCopied) {
  const auto zeros = map_zeros(huge);
  sink_.room = huge;
  const Allocations before = allocations();
  side_.write(Bytes(zeros.get(), huge));
  EXPECT_EQ(huge, sink_.taken);
  EXPECT_EQ(0U, (allocations() - before).bytes);
}

TEST_P(HugeWrites, OfAGibibyteOfBytesOnlyWhatTheSinkDidNotTakeIsCopied) {
  constexpr std::size_t rest = std::size_t{1} << 20;
  const auto zeros = map_zeros(huge);
  sink_.room = huge - rest;
  const Allocations before = allocations();
  side_.write(Bytes(zeros.get(), huge));
  EXPECT_EQ(rest, side_.size());
  drain(rest / 3);
  EXPECT_EQ(huge, sink_.taken);
  EXPECT_GE((allocations() - before).bytes, rest);
  EXPECT_LE((allocations() - before).bytes, rest + overhead);
}

TEST_P(HugeWrites, AGibibyteOfBytesIsCopiedOnceAtMost) {
  const auto zeros = map_zeros(huge);
  const testing::HollowAllocations hollow;
  const Allocations before = allocations();
  side_.write(Bytes(zeros.get(), huge));
  EXPECT_EQ(huge, side_.size());
  drain(std::size_t{100} << 20);
  EXPECT_EQ(huge, sink_.taken);
  EXPECT_GE((allocations() - before).bytes, huge);
  EXPECT_LE((allocations() - before).bytes, huge + overhead);
}

// Each piece is gathered once on its way out, however deep the queue is.
TEST_P(HugeWrites, ADeepQueueIsOfferedOnce) {
  constexpr std::size_t depth = 200'000;
  const auto zeros = map_zeros(4096);
  side_.set_limits(unlimited, {});
  const Buffer piece = Buffer::share(zeros, {zeros.get(), 4096});
  for (std::size_t i = 0; i < depth; ++i) {
    side_.write(piece);
  }
  const std::size_t before = sink_.pieces_offered;
  sink_.room = Sink::max_pieces * 4096;
  // The first offer was refused when writes are sent at once; then the queue waits for readiness.
  ++ground_.polls;
  side_.flush(FlushCause::readiness);
  while (!side_.empty()) {
    side_.flush(FlushCause::end_of_turn);
  }
  EXPECT_EQ(depth, sink_.pieces_offered - before);
}

INSTANTIATE_TEST_SUITE_P(Timing, HugeWrites,
                         ::testing::Values(WriteTiming::at_once, WriteTiming::end_of_turn),
                         [](const auto& tested) {
                           return tested.param == WriteTiming::at_once ? "AtOnce" : "EndOfTurn";
                         });

}  // namespace
}  // namespace sluice::core
