// The machine behind pause_writing and resume_writing. The first half is Envoy's table of tests for
// its watermark buffer, one to one: marks 5 and 10, a size that grows and drains, two counters.
#include "core/watermarks.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace sluice::core {
namespace {

class Watermarks5And10 : public ::testing::Test {
 protected:
  Watermarks5And10() { marks_.set_limits(10, 5); }

  void grow(std::size_t bytes) {
    size_ += bytes;
    times_above_high_ += marks_.crossed_high(size_) ? 1 : 0;
  }
  void drain(std::size_t bytes) {
    size_ -= bytes;
    times_below_low_ += marks_.crossed_low(size_) ? 1 : 0;
  }
  void move_marks(std::size_t low, std::size_t high) {
    marks_.set_limits(high, low);
    times_above_high_ += marks_.crossed_high(size_) ? 1 : 0;
    times_below_low_ += marks_.crossed_low(size_) ? 1 : 0;
  }

  Watermarks marks_;
  std::size_t size_ = 0;
  int times_above_high_ = 0;
  int times_below_low_ = 0;
};

// W-67
TEST_F(Watermarks5And10, ExactlyAtTheHighMarkDoesNotPause) {
  grow(10);
  EXPECT_EQ(0, times_above_high_);
  EXPECT_EQ(Watermarks::State::flowing, marks_.state());
}

// W-66
TEST_F(Watermarks5And10, PauseFiresOnceWhenTheSizePassesHigh) {
  grow(10);
  grow(1);
  EXPECT_EQ(1, times_above_high_);
  EXPECT_TRUE(marks_.paused());
  grow(100);
  EXPECT_EQ(1, times_above_high_);
}

TEST_F(Watermarks5And10, OneBigWritePassesHighOnce) {
  grow(1000);
  EXPECT_EQ(1, times_above_high_);
}

TEST_F(Watermarks5And10, AddingNothingNeverPauses) {
  grow(0);
  EXPECT_EQ(0, times_above_high_);
  grow(10);
  grow(0);
  EXPECT_EQ(0, times_above_high_);
}

// W-70
TEST_F(Watermarks5And10, DrainExactlyAtTheLowMarkResumes) {
  grow(11);
  drain(5);
  EXPECT_EQ(0, times_below_low_);
  drain(1);
  EXPECT_EQ(5U, size_);
  EXPECT_EQ(1, times_below_low_);
  EXPECT_FALSE(marks_.paused());
}

TEST_F(Watermarks5And10, ResumeFiresOnce) {
  grow(11);
  drain(6);
  drain(1);
  drain(4);
  EXPECT_EQ(1, times_below_low_);
}

TEST_F(Watermarks5And10, BetweenTheMarksNothingHappens) {
  grow(11);
  drain(4);
  EXPECT_EQ(0, times_below_low_);
  grow(4);
  EXPECT_EQ(1, times_above_high_);
  drain(5);
  EXPECT_EQ(0, times_below_low_);
}

// What never passed high is never answered by a resume.
TEST_F(Watermarks5And10, BelowHighLowIsNotArmed) {
  grow(10);
  drain(10);
  EXPECT_EQ(0, times_above_high_);
  EXPECT_EQ(0, times_below_low_);
}

// W-73
TEST_F(Watermarks5And10, TheyAlternateOverManyRounds) {
  for (int round = 1; round <= 5; ++round) {
    grow(11);
    EXPECT_EQ(round, times_above_high_);
    EXPECT_EQ(round - 1, times_below_low_);
    drain(11);
    EXPECT_EQ(round, times_below_low_);
  }
}

// W-74
TEST_F(Watermarks5And10, WithLowZeroOnlyTheEmptyBufferResumes) {
  move_marks(0, 10);
  grow(11);
  EXPECT_EQ(1, times_above_high_);
  drain(10);
  EXPECT_EQ(0, times_below_low_);
  drain(1);
  EXPECT_EQ(1, times_below_low_);
}

// W-74
TEST_F(Watermarks5And10, WithHighZeroAnyBytePausesAndNoneDoesNot) {
  move_marks(0, 0);
  EXPECT_EQ(0, times_above_high_);
  grow(1);
  EXPECT_EQ(1, times_above_high_);
  drain(1);
  EXPECT_EQ(1, times_below_low_);
}

// W-75
TEST_F(Watermarks5And10, MarksMovedAcrossTheSizeFire) {
  move_marks(9, 20);
  grow(9);
  EXPECT_EQ(0, times_above_high_);
  move_marks(2, 9);
  EXPECT_EQ(0, times_above_high_) << "the size is at high, not above";
  move_marks(2, 8);
  EXPECT_EQ(1, times_above_high_);
  EXPECT_EQ(0, times_below_low_);
  move_marks(8, 20);
  EXPECT_EQ(0, times_below_low_) << "the size is above low";
  move_marks(9, 20);
  EXPECT_EQ(1, times_below_low_);
  move_marks(10, 20);
  EXPECT_EQ(1, times_below_low_);
}

TEST_F(Watermarks5And10, MarksMovedThereAndBackFireOnceEach) {
  grow(9);
  move_marks(1, 2);
  EXPECT_EQ(1, times_above_high_);
  move_marks(9, 10);
  EXPECT_EQ(1, times_below_low_);
  move_marks(5, 10);
  EXPECT_EQ(1, times_above_high_);
  EXPECT_EQ(1, times_below_low_);
}

TEST_F(Watermarks5And10, SettingTheSameMarksAgainChangesNothing) {
  grow(11);
  move_marks(5, 10);
  EXPECT_EQ(1, times_above_high_);
  EXPECT_EQ(0, times_below_low_);
  EXPECT_TRUE(marks_.paused());
}

// W-69, W-71: whoever is called finds the flag flipped already.
TEST_F(Watermarks5And10, TheStateFlipsBeforeTheAnswer) {
  EXPECT_TRUE(marks_.crossed_high(11));
  EXPECT_FALSE(marks_.crossed_high(12));
  EXPECT_TRUE(marks_.crossed_low(5));
  EXPECT_FALSE(marks_.crossed_low(4));
}

// ---- Limits: W-56 ----

struct LimitsCase {
  const char* name;
  std::optional<std::size_t> high;
  std::optional<std::size_t> low;
  WriteBufferLimits expected;
};

class LimitDefaults : public ::testing::TestWithParam<LimitsCase> {};

TEST_P(LimitDefaults, AreFilledInAsAsyncioDoes) {
  Watermarks marks;
  marks.set_limits(GetParam().high, GetParam().low);
  EXPECT_EQ(GetParam().expected, marks.limits());
}

INSTANTIATE_TEST_SUITE_P(
    W56, LimitDefaults,
    ::testing::Values(
        LimitsCase{"NoneGiven", {}, {}, {16384, 65536}},
        LimitsCase{"HighAlone", 100, {}, {25, 100}},
        LimitsCase{"HighAloneRoundsDown", 7, {}, {1, 7}}, LimitsCase{"HighThree", 3, {}, {0, 3}},
        LimitsCase{"HighZero", 0, {}, {0, 0}}, LimitsCase{"LowAlone", {}, 10, {10, 40}},
        LimitsCase{"LowZero", {}, 0, {0, 0}}, LimitsCase{"Both", 10, 5, {5, 10}},
        LimitsCase{"BothEqual", 5, 5, {5, 5}},
        LimitsCase{"Unlimited", unlimited, {}, {0, unlimited}},
        LimitsCase{"UnlimitedWithLow", unlimited, 10, {10, unlimited}},
        LimitsCase{
            "LowTooLargeForFourTimes", {}, unlimited / 4 + 1, {unlimited / 4 + 1, unlimited}},
        LimitsCase{"LowJustSmallEnough", {}, unlimited / 4, {unlimited / 4, unlimited / 4 * 4}}),
    [](const auto& tested) { return tested.param.name; });

TEST(WatermarkLimits, StartWithAsyncioDefaults) {
  EXPECT_EQ((WriteBufferLimits{16384, 65536}), Watermarks().limits());
  EXPECT_EQ(Watermarks::State::flowing, Watermarks().state());
}

// W-56
TEST(WatermarkLimits, HighBelowLowIsRefusedWithTheResolvedNumbers) {
  Watermarks marks;
  try {
    marks.set_limits(10, 11);
    FAIL() << "no exception";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ("high (10) must be >= low (11) must be >= 0", error.what());
  }
}

TEST(WatermarkLimits, AfterARefusalTheOldOnesStay) {
  Watermarks marks;
  marks.set_limits(100, 50);
  EXPECT_THROW(marks.set_limits(1, 2), std::invalid_argument);
  EXPECT_EQ((WriteBufferLimits{50, 100}), marks.limits());
}

TEST(WatermarkLimits, SettingThemDoesNotChangeTheState) {
  Watermarks marks;
  marks.set_limits(10, 5);
  ASSERT_TRUE(marks.crossed_high(11));
  marks.set_limits(unlimited, {});
  EXPECT_TRUE(marks.paused());
  marks.set_limits(10, 5);
  EXPECT_TRUE(marks.paused());
}

TEST(WatermarkLimits, UnlimitedNeverPauses) {
  Watermarks marks;
  marks.set_limits(unlimited, {});
  EXPECT_FALSE(marks.crossed_high(unlimited));
  EXPECT_FALSE(marks.crossed_high(unlimited - 1));
}

}  // namespace
}  // namespace sluice::core
