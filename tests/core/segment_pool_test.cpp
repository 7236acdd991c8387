#include "core/segment_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/allocation_probe.hpp"

namespace sluice::core {
namespace {

TEST(SegmentPool, ANewSlabIsEmptyAndHasOneReference) {
  SegmentPool pool;
  Slab* slab = pool.new_slab();
  EXPECT_EQ(1U, slab->references);
  EXPECT_EQ(0U, slab->used);
  EXPECT_EQ(1U, pool.slabs_alive());
  pool.release(slab);
}

TEST(SegmentPool, ASlabsBytesBeginWhereTheSystemCopiesFastAndFit) {
  SegmentPool pool;
  std::vector<Slab*> slabs;
  std::vector<std::unique_ptr<std::string>> between;
  for (std::size_t i = 0; i < 20; ++i) {
    slabs.push_back(pool.new_slab());
    between.push_back(std::make_unique<std::string>(16 * i + 100, 'x'));
    Slab* const slab = slabs.back();
    EXPECT_EQ(0U, reinterpret_cast<std::uintptr_t>(slab->storage) % fast_copy_alignment);
    EXPECT_LE(slab->storage + Slab::capacity, reinterpret_cast<std::byte*>(slab + 1));
  }
  std::for_each(slabs.begin(), slabs.end(), [&](Slab* slab) { pool.release(slab); });
}

TEST(SegmentPool, AReleasedSlabIsUsedAgainAndCleanly) {
  SegmentPool pool;
  Slab* slab = pool.new_slab();
  slab->used = 100;
  pool.release(slab);
  EXPECT_EQ(slab, pool.new_slab());
  EXPECT_EQ(0U, slab->used);
  EXPECT_EQ(1U, slab->references);
  EXPECT_EQ(1U, pool.slabs_alive());
  pool.release(slab);
}

TEST(SegmentPool, OnlyTheLastReferenceRecyclesASlab) {
  SegmentPool pool;
  Slab* slab = pool.new_slab();
  ++slab->references;
  pool.release(slab);
  Slab* other = pool.new_slab();
  EXPECT_NE(slab, other);
  pool.release(slab);
  pool.release(other);
  EXPECT_EQ(2U, pool.slabs_alive());
}

TEST(SegmentPool, FreeSlabsBeyondTheReserveGoBackToTheSystem) {
  SegmentPool pool;
  std::vector<Slab*> slabs;
  for (std::size_t i = 0; i < SegmentPool::slab_reserve + 10; ++i) {
    slabs.push_back(pool.new_slab());
  }
  EXPECT_EQ(SegmentPool::slab_reserve + 10, pool.slabs_alive());
  for (Slab* slab : slabs) {
    pool.release(slab);
  }
  EXPECT_EQ(SegmentPool::slab_reserve, pool.slabs_alive());
}

TEST(SegmentPool, TheReserveIsWhatLiesLowestSoThatTheHeapCanShrink) {
  SegmentPool pool;
  std::vector<Slab*> slabs;
  for (std::size_t i = 0; i < SegmentPool::slab_reserve + 10; ++i) {
    slabs.push_back(pool.new_slab());
  }
  std::ranges::sort(slabs, std::greater<>());
  // Those in the middle come last.
  std::rotate(slabs.begin(), slabs.begin() + 5, slabs.end());
  for (Slab* slab : slabs) {
    pool.release(slab);
  }
  std::ranges::sort(slabs);
  slabs.resize(SegmentPool::slab_reserve);
  std::vector<Slab*> kept;
  for (std::size_t i = 0; i < SegmentPool::slab_reserve; ++i) {
    kept.push_back(pool.new_slab());
  }
  std::ranges::sort(kept);
  EXPECT_EQ(slabs, kept);
  for (Slab* slab : kept) {
    pool.release(slab);
  }
}

TEST(SegmentPool, AReleasedSegmentIsUsedAgainAndCleanly) {
  SegmentPool pool;
  const auto owner = std::make_shared<std::string>("text");
  Segment* segment = pool.new_segment();
  segment->keep(Buffer::share(owner, as_bytes(*owner)).owner());
  segment->bytes = as_bytes(*owner);
  pool.release(segment);
  EXPECT_EQ(2, owner.use_count());
  pool.release_owners();
  EXPECT_EQ(1, owner.use_count());
  EXPECT_EQ(segment, pool.new_segment());
  EXPECT_EQ(nullptr, segment->next);
  EXPECT_EQ(nullptr, segment->slab());
  EXPECT_EQ(1U, pool.segments_alive());
  pool.release(segment);
}

TEST(SegmentPool, ASegmentLetsItsSlabGo) {
  SegmentPool pool;
  Segment* segment = pool.new_segment();
  Slab* const slab = pool.new_slab();
  segment->keep(slab);
  EXPECT_EQ(slab, segment->slab());
  pool.release(segment);
  EXPECT_EQ(0U, slab->references);
  EXPECT_EQ(slab, pool.new_slab());
  pool.release(slab);
}

TEST(SegmentPool, FreeSegmentsBeyondTheReserveGoBackToTheSystem) {
  SegmentPool pool;
  std::vector<Segment*> segments;
  for (std::size_t i = 0; i < SegmentPool::segment_reserve + 10; ++i) {
    segments.push_back(pool.new_segment());
  }
  for (Segment* segment : segments) {
    pool.release(segment);
  }
  pool.release_owners();
  EXPECT_EQ(SegmentPool::segment_reserve, pool.segments_alive());
}

TEST(SegmentPool, WhatComesFromTheReserveIsNotAllocated) {
  SegmentPool pool;
  pool.release(pool.new_slab());
  pool.release(pool.new_segment());
  pool.release_owners();
  const testing::Allocations before = testing::allocations();
  pool.release(pool.new_slab());
  pool.release(pool.new_segment());
  EXPECT_EQ(0U, (testing::allocations() - before).calls);
}

TEST(SegmentPool, WithoutMemoryItThrowsAndCountsNothing) {
  SegmentPool pool;
  const testing::FailingAllocation failing(1);
  EXPECT_THROW(static_cast<void>(pool.new_slab()), std::bad_alloc);
  EXPECT_EQ(0U, pool.slabs_alive());
}

}  // namespace
}  // namespace sluice::core
