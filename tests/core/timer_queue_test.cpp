#include "core/timer_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <random>
#include <utility>
#include <vector>

namespace sluice::core {
namespace {

using std::chrono::milliseconds;

struct Timer {
  int number = 0;
  std::size_t place = 0;
};

class Timers : public ::testing::Test {
 protected:
  static TimePoint at(int ms) { return TimePoint(milliseconds(ms)); }

  Timer& add(int ms, int number) {
    Timer& timer = timers_.emplace_back(Timer{number});
    queue_.add(at(ms), timer);
    return timer;
  }
  std::vector<int> due(int ms) {
    std::vector<int> numbers;
    while (const Timer* const timer = queue_.pop_due(at(ms))) {
      numbers.push_back(timer->number);
    }
    return numbers;
  }

  std::deque<Timer> timers_;
  TimerQueue<Timer> queue_;
};

TEST_F(Timers, AnEmptyQueueHasNoNextTime) {
  EXPECT_FALSE(queue_.next_due().has_value());
  EXPECT_TRUE(due(1000).empty());
}

// W-165
TEST_F(Timers, RunInOrderOfTime) {
  add(30, 3);
  add(10, 1);
  add(20, 2);
  EXPECT_EQ(at(10), queue_.next_due());
  EXPECT_EQ((std::vector{1, 2, 3}), due(30));
}

// W-165
TEST_F(Timers, EqualTimesKeepTheOrderOfInsertion) {
  std::vector<int> expected;
  for (int i = 0; i < 50; ++i) {
    add(10, i);
    expected.push_back(i);
  }
  EXPECT_EQ(expected, due(10));
}

// W-165
TEST_F(Timers, NoneComesBeforeItsTime) {
  add(10, 1);
  EXPECT_TRUE(due(9).empty());
  EXPECT_EQ(std::vector{1}, due(10));
  EXPECT_EQ(0U, queue_.size());
}

TEST_F(Timers, ThoseThatAreNotDueStay) {
  add(10, 1);
  add(11, 2);
  EXPECT_EQ(std::vector{1}, due(10));
  EXPECT_EQ(at(11), queue_.next_due());
}

TEST_F(Timers, ATimerAddedWhileTheDueOnesAreTakenComesIfItIsDue) {
  add(10, 1);
  EXPECT_EQ(1, queue_.pop_due(at(20))->number);
  add(15, 2);
  add(25, 3);
  EXPECT_EQ(std::vector{2}, due(20));
  EXPECT_EQ(1U, queue_.size());
}

// W-164
TEST_F(Timers, ACancelledOneIsLeftOutAndDoesNotCountAsNext) {
  Timer& first = add(10, 1);
  add(20, 2);
  queue_.remove(first);
  EXPECT_EQ(at(20), queue_.next_due());
  EXPECT_EQ(std::vector{2}, due(100));
}

TEST_F(Timers, OneCancelledByAnEarlierOneOfTheSameTimeIsLeftOut) {
  add(10, 1);
  Timer& second = add(10, 2);
  EXPECT_EQ(1, queue_.pop_due(at(10))->number);
  queue_.remove(second);
  EXPECT_EQ(nullptr, queue_.pop_due(at(10)));
}

TEST_F(Timers, WhenAllAreCancelledThereIsNoNextTime) {
  queue_.remove(add(10, 1));
  queue_.remove(add(20, 2));
  EXPECT_FALSE(queue_.next_due().has_value());
  EXPECT_EQ(0U, queue_.size());
}

// W-172
TEST_F(Timers, CancelledOnesTakeNoRoomAndTheOthersKeepTheirOrder) {
  for (int i = 0; i < 200; ++i) {
    add(1000 + i, i);
  }
  for (std::size_t i = 0; i < 200; i += 2) {
    queue_.remove(timers_[i]);
  }
  EXPECT_EQ(100U, queue_.size());
  std::vector<int> expected(100);
  std::generate(expected.begin(), expected.end(), [n = -1]() mutable { return n += 2; });
  EXPECT_EQ(expected, due(5000));
}

TEST_F(Timers, AnyOneIsTakenUntilNoneIsLeft) {
  add(10, 1);
  add(20, 2);
  const Timer* const one = queue_.pop_any();
  const Timer* const other = queue_.pop_any();
  EXPECT_EQ(3, one->number + other->number);
  EXPECT_EQ(nullptr, queue_.pop_any());
  add(30, 3);
  EXPECT_EQ(std::vector{3}, due(30));
}

// Any order of adding and cancelling gives what a stable sort gives.
TEST_F(Timers, AgreeWithAStableSort) {
  std::mt19937 random(20240229);
  std::vector<std::pair<int, Timer*>> model;
  for (int i = 0; i < 5000; ++i) {
    const int ms = static_cast<int>(random() % 50);
    model.emplace_back(ms, &add(ms, i));
    if (random() % 3 == 0) {
      const auto victim = model.begin() + static_cast<std::ptrdiff_t>(random() % model.size());
      queue_.remove(*victim->second);
      model.erase(victim);
    }
  }
  std::ranges::stable_sort(model, {}, [](const auto& entry) { return entry.first; });
  std::vector<int> expected;
  for (const auto& [ms, timer] : model) {
    expected.push_back(timer->number);
  }
  EXPECT_EQ(expected, due(50));
}

}  // namespace
}  // namespace sluice::core
