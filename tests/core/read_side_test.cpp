#include "core/read_side.hpp"

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sluice::core {
namespace {

using Readiness = ReadSide::Readiness;
using Log = std::vector<std::string>;

constexpr std::size_t memory_size = 8;

SourceResult received(std::size_t count) {
  return {SourceResult::Kind::received, count};
}
const SourceResult would_block{SourceResult::Kind::would_block};
const SourceResult end{SourceResult::Kind::end};
const SourceResult failed{SourceResult::Kind::failed, 0,
                          std::make_error_code(std::errc::connection_reset)};

class Reading : public ::testing::Test {
 protected:
  friend ReadSide;  // whose Host it is

  Log take_log() { return std::exchange(log_, {}); }
  // What the loop does for request_read.
  void next_turn() {
    ++polls_;
    if (std::exchange(requested_, false)) {
      side_.on_ready(*this, Readiness::data);
    }
  }

  SourceResult read(std::span<std::byte> memory) {
    EXPECT_FALSE(memory.empty());
    if (another_) {
      return *another_;
    }
    log_.emplace_back("read");
    if (answers_.empty()) {
      return would_block;
    }
    const SourceResult answer = answers_.front();
    answers_.pop_front();
    return answer;
  }
  [[nodiscard]] bool short_read_empties() const { return short_empties_; }
  [[nodiscard]] const Lifecycle& life() const { return life_; }
  [[nodiscard]] std::uint64_t polls() const { return polls_; }
  std::span<std::byte> read_memory() {
    on_memory_();
    if (no_memory_) {
      return {};
    }
    return memory_;
  }
  void deliver(std::span<std::byte> memory, std::size_t count) {
    EXPECT_EQ(memory_.data(), memory.data());
    log_.push_back("data " + std::to_string(count));
    on_data_();
  }
  void deliver_end() { log_.emplace_back("end"); }
  void read_failed(std::error_code error) { log_.push_back("failed " + error.message()); }
  void request_read() { requested_ = true; }

  std::deque<SourceResult> answers_;
  std::optional<SourceResult> another_;  // what another source answers
  bool short_empties_ = true;
  bool no_memory_ = false;
  bool requested_ = false;
  std::array<std::byte, memory_size> memory_{};
  std::function<void()> on_memory_ = [] {};
  std::function<void()> on_data_ = [] {};
  Log log_;
  Lifecycle life_;
  std::uint64_t polls_ = 1;
  ReadSide side_;
};

// W-154
TEST_F(Reading, OneReadinessIsOneReadAndOneDelivery) {
  answers_ = {received(3), received(3)};
  side_.on_ready(*this, Readiness::data);
  EXPECT_EQ((Log{"read", "data 3"}), take_log());
}

// W-154
TEST_F(Reading, AReadThatFillsTheMemoryIsContinuedInTheNextTurn) {
  answers_ = {received(memory_size), received(2)};
  side_.on_ready(*this, Readiness::data);
  EXPECT_EQ((Log{"read", "data 8"}), take_log());
  EXPECT_TRUE(requested_);
  next_turn();
  EXPECT_EQ((Log{"read", "data 2"}), take_log());
  EXPECT_FALSE(requested_);
}

// An edge comes once: as long as no read has proved that the source is empty, reading goes on.
TEST_F(Reading, WhereAShortReadProvesNothingReadingGoesOnUntilItWouldBlock) {
  short_empties_ = false;
  answers_ = {received(1)};
  side_.on_ready(*this, Readiness::data);
  EXPECT_TRUE(requested_);
  next_turn();
  EXPECT_EQ((Log{"read", "data 1", "read"}), take_log());
  EXPECT_FALSE(requested_);
}

// The protocol that is asked for memory may secure the transport, or begin or end a relay.
TEST_F(Reading, ASourceThatChangesWhileMemoryIsAskedForIsReadFromAtOnce) {
  answers_ = {received(3)};
  on_memory_ = [this] { another_ = end; };
  side_.on_ready(*this, Readiness::data);
  EXPECT_EQ(Log{"end"}, take_log());
  EXPECT_EQ(1U, answers_.size());
}

TEST_F(Reading, WhatWouldBlockIsNotDelivered) {
  side_.on_ready(*this, Readiness::data);
  EXPECT_EQ(Log{"read"}, take_log());
  EXPECT_FALSE(requested_);
}

// W-152
TEST_F(Reading, IsReadingUntilPausedAndAgainAfterResume) {
  EXPECT_TRUE(side_.is_reading(life_));
  side_.pause(life_);
  side_.pause(life_);
  EXPECT_FALSE(side_.is_reading(life_));
  EXPECT_EQ(ReadSide::State::paused, side_.state());
  side_.resume(*this);
  side_.resume(*this);
  EXPECT_TRUE(side_.is_reading(life_));
}

// W-83, W-153
TEST_F(Reading, WhatArrivesWhilePausedIsReadAfterResume) {
  answers_ = {received(3)};
  side_.pause(life_);
  side_.on_ready(*this, Readiness::data);
  EXPECT_TRUE(take_log().empty());
  side_.resume(*this);
  EXPECT_TRUE(take_log().empty()) << "resume_reading calls nothing itself";
  EXPECT_TRUE(requested_);
  next_turn();
  EXPECT_EQ((Log{"read", "data 3"}), take_log());
}

TEST_F(Reading, ResumeWithNothingArrivedAsksForNoRead) {
  side_.pause(life_);
  side_.resume(*this);
  EXPECT_FALSE(requested_);
}

TEST_F(Reading, PausedBetweenARequestAndItsGrantReadsNothingUntilResumed) {
  answers_ = {received(memory_size), received(2)};
  side_.on_ready(*this, Readiness::data);
  side_.pause(life_);
  log_.clear();
  next_turn();
  EXPECT_TRUE(take_log().empty());
  side_.resume(*this);
  EXPECT_TRUE(requested_);
  next_turn();
  EXPECT_EQ((Log{"read", "data 2"}), take_log());
}

TEST_F(Reading, PausedFromInsideADeliveryStopsTheNextRead) {
  answers_ = {received(memory_size), received(2)};
  on_data_ = [this] { side_.pause(life_); };
  side_.on_ready(*this, Readiness::data);
  next_turn();
  EXPECT_EQ((Log{"read", "data 8"}), take_log());
}

// W-153: resumed by a callback of the same turn, which polled before.
TEST_F(Reading, ReadinessOlderThanTheResumeWaitsForTheNextTurn) {
  answers_ = {received(3)};
  side_.pause(life_);
  side_.resume(*this);
  side_.on_ready(*this, Readiness::data);
  EXPECT_TRUE(take_log().empty());
  EXPECT_TRUE(requested_);
  next_turn();
  EXPECT_EQ((Log{"read", "data 3"}), take_log());
}

// W-158
TEST_F(Reading, ClosedFromInsideADeliveryReadsNoMore) {
  answers_ = {received(memory_size), received(2)};
  on_data_ = [this] { ASSERT_TRUE(life_.move_to(LifeState::draining)); };
  side_.on_ready(*this, Readiness::data);
  next_turn();
  EXPECT_EQ((Log{"read", "data 8"}), take_log());
  EXPECT_FALSE(side_.is_reading(life_));
}

// W-40, W-42
TEST_F(Reading, NothingIsReadOnceClosing) {
  answers_ = {received(3)};
  ASSERT_TRUE(life_.move_to(LifeState::draining));
  side_.on_ready(*this, Readiness::data);
  EXPECT_TRUE(take_log().empty());
}

// W-152
TEST_F(Reading, PauseAndResumeDoNothingOnceClosing) {
  side_.pause(life_);
  side_.on_ready(*this, Readiness::data);
  ASSERT_TRUE(life_.move_to(LifeState::losing));
  side_.resume(*this);
  EXPECT_EQ(ReadSide::State::paused, side_.state());
  EXPECT_FALSE(requested_);
  Lifecycle other;
  ASSERT_TRUE(other.move_to(LifeState::draining));
  ReadSide closing;
  closing.pause(other);
  EXPECT_EQ(ReadSide::State::reading, closing.state());
}

// W-155, Q-25
TEST_F(Reading, TheEndIsDeliveredOnceAndForAll) {
  answers_ = {end, received(3)};
  side_.on_ready(*this, Readiness::data);
  EXPECT_EQ((Log{"read", "end"}), take_log());
  EXPECT_EQ(ReadSide::State::ended, side_.state());
  EXPECT_FALSE(side_.is_reading(life_));
  side_.on_ready(*this, Readiness::data);
  side_.on_ready(*this, Readiness::hangup);
  side_.pause(life_);
  side_.resume(*this);
  next_turn();
  EXPECT_TRUE(take_log().empty());
}

// W-157
TEST_F(Reading, AnErrorIsToldOnceAndEndsReading) {
  answers_ = {failed, received(3)};
  side_.on_ready(*this, Readiness::data);
  EXPECT_EQ((Log{"read", "failed " + failed.error.message()}), take_log());
  side_.on_ready(*this, Readiness::data);
  EXPECT_TRUE(take_log().empty());
}

// After a hang-up no edge comes any more: reading must go on by itself until the end is seen.
TEST_F(Reading, AfterAHangUpReadingGoesOnUntilTheEnd) {
  answers_ = {received(1), received(1), end};
  side_.on_ready(*this, Readiness::hangup);
  next_turn();
  next_turn();
  EXPECT_EQ((Log{"read", "data 1", "read", "data 1", "read", "end"}), take_log());
}

TEST_F(Reading, AHangUpWhilePausedIsRemembered) {
  answers_ = {received(1), end};
  side_.pause(life_);
  side_.on_ready(*this, Readiness::hangup);
  side_.on_ready(*this, Readiness::data);
  EXPECT_TRUE(take_log().empty());
  side_.resume(*this);
  next_turn();
  next_turn();
  EXPECT_EQ((Log{"read", "data 1", "read", "end"}), take_log());
}

// W-156: the host has lost the transport over it and given no memory.
TEST_F(Reading, WithoutMemoryNothingIsRead) {
  no_memory_ = true;
  side_.on_ready(*this, Readiness::data);
  EXPECT_TRUE(take_log().empty());
}

// W-158, W-159: asking a BufferedProtocol for memory runs its code.
TEST_F(Reading, PausedWhileAskedForMemoryReadsNothing) {
  answers_ = {received(3)};
  on_memory_ = [this] { side_.pause(life_); };
  side_.on_ready(*this, Readiness::data);
  EXPECT_TRUE(take_log().empty());
  on_memory_ = [] {};
  side_.resume(*this);
  next_turn();
  EXPECT_EQ((Log{"read", "data 3"}), take_log());
}

TEST_F(Reading, ClosedWhileAskedForMemoryReadsNothing) {
  answers_ = {received(3)};
  on_memory_ = [this] { ASSERT_TRUE(life_.move_to(LifeState::draining)); };
  side_.on_ready(*this, Readiness::data);
  EXPECT_TRUE(take_log().empty());
}

}  // namespace
}  // namespace sluice::core
