#include "core/timer_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace sluice::core {
namespace {

using std::chrono::milliseconds;

struct Item {
  int number = 0;
  std::shared_ptr<bool> flag = std::make_shared<bool>(false);
  [[nodiscard]] bool cancelled() const { return *flag; }
};

class Timers : public ::testing::Test {
 protected:
  static TimePoint at(int ms) { return TimePoint(milliseconds(ms)); }

  Item add(int ms, int number) {
    Item item{number};
    queue_.add(at(ms), item);
    return item;
  }
  void cancel(const Item& item) {
    *item.flag = true;
    queue_.note_cancelled();
  }
  std::vector<int> due(int ms) {
    std::vector<int> numbers;
    queue_.pop_due(at(ms), [&](const Item& item) { numbers.push_back(item.number); });
    return numbers;
  }

  TimerQueue<Item> queue_;
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
  std::vector<int> numbers;
  queue_.pop_due(at(20), [&](const Item& item) {
    numbers.push_back(item.number);
    if (item.number == 1) {
      add(15, 2);
      add(25, 3);
    }
  });
  EXPECT_EQ((std::vector{1, 2}), numbers);
  EXPECT_EQ(1U, queue_.size());
}

// W-164
TEST_F(Timers, ACancelledOneIsLeftOutAndDoesNotCountAsNext) {
  const Item first = add(10, 1);
  add(20, 2);
  cancel(first);
  EXPECT_EQ(at(20), queue_.next_due());
  EXPECT_EQ(std::vector{2}, due(100));
}

TEST_F(Timers, OneCancelledByAnEarlierOneOfTheSameTimeIsLeftOut) {
  add(10, 1);
  const Item second = add(10, 2);
  std::vector<int> numbers;
  queue_.pop_due(at(10), [&](const Item& item) {
    numbers.push_back(item.number);
    cancel(second);
  });
  EXPECT_EQ(std::vector{1}, numbers);
}

TEST_F(Timers, WhenAllAreCancelledThereIsNoNextTime) {
  cancel(add(10, 1));
  cancel(add(20, 2));
  EXPECT_FALSE(queue_.next_due().has_value());
  EXPECT_EQ(0U, queue_.size());
}

// W-172
TEST_F(Timers, ManyCancelledOnesAreSweptOut) {
  std::vector<Item> items;
  for (int i = 0; i < 200; ++i) {
    items.push_back(add(1000 + i, i));
  }
  for (int i = 99; i < 199; ++i) {
    cancel(items[static_cast<std::size_t>(i)]);
  }
  static_cast<void>(queue_.next_due());
  EXPECT_EQ(200U, queue_.size()) << "half are cancelled, not more";
  cancel(items[199]);
  static_cast<void>(queue_.next_due());
  EXPECT_EQ(99U, queue_.size());
  std::vector<int> expected(99);
  std::generate(expected.begin(), expected.end(), [n = 0]() mutable { return n++; });
  EXPECT_EQ(expected, due(5000));
}

// W-172
TEST_F(Timers, FewCancelledOnesMayStay) {
  std::vector<Item> items;
  for (int i = 0; i < 100; ++i) {
    items.push_back(add(1000 + i, i));
  }
  for (int i = 1; i < 100; ++i) {
    cancel(items[static_cast<std::size_t>(i)]);
  }
  static_cast<void>(queue_.next_due());
  EXPECT_EQ(100U, queue_.size()) << "only above 100 timers is it worth a sweep";
  EXPECT_EQ(std::vector{0}, due(5000));
}

TEST_F(Timers, ClearForgetsAllAndTheQueueGoesOn) {
  cancel(add(10, 1));
  add(20, 2);
  queue_.clear();
  EXPECT_EQ(0U, queue_.size());
  EXPECT_FALSE(queue_.next_due().has_value());
  add(30, 3);
  EXPECT_EQ(std::vector{3}, due(30));
}

// Any order of adding and cancelling gives what a stable sort gives.
TEST_F(Timers, AgreeWithAStableSort) {
  std::mt19937 random(20240229);
  std::vector<std::pair<int, Item>> model;
  for (int i = 0; i < 2000; ++i) {
    const int ms = static_cast<int>(random() % 50);
    model.emplace_back(ms, add(ms, i));
    if (random() % 3 == 0) {
      const Item& victim = model[random() % model.size()].second;
      if (!victim.cancelled()) {
        cancel(victim);
      }
      static_cast<void>(queue_.next_due());
    }
  }
  std::ranges::stable_sort(model, {}, [](const auto& entry) { return entry.first; });
  std::vector<int> expected;
  for (const auto& [ms, item] : model) {
    if (!item.cancelled()) {
      expected.push_back(item.number);
    }
  }
  EXPECT_EQ(expected, due(50));
}

}  // namespace
}  // namespace sluice::core
