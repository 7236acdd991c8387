// Whose bytes a WriteQueue links, and when it lets go of them.
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/test_bytes.hpp"
#include "core/write_queue.hpp"

namespace sluice::core {
namespace {

using testing::pattern;

class QueueOwners : public ::testing::Test {
 protected:
  SegmentPool pool_;
  WriteQueue queue_{pool_};
};

TEST_F(QueueOwners, AreKeptAliveUntilTheirBytesAreGone) {
  const auto owner = std::make_shared<std::string>(pattern(0, 4096));
  queue_.append(Buffer::share(owner, as_bytes(*owner)));
  EXPECT_EQ(2, owner.use_count());
  queue_.acknowledge(4095);
  queue_.release_owners();
  EXPECT_EQ(2, owner.use_count());
  queue_.acknowledge(1);
  EXPECT_EQ(2, owner.use_count());
  queue_.release_owners();
  EXPECT_EQ(1, owner.use_count());
}

TEST_F(QueueOwners, AreLetGoInTheOrderOfTheirBytes) {
  const std::string text = pattern(0, 4096);
  std::string order;
  for (const char name : {'a', 'b', 'c'}) {
    const auto end = [&order, name](const void* /*text*/) { order += name; };
    queue_.append(Buffer::share(std::shared_ptr<const void>(text.data(), end), as_bytes(text)));
  }
  queue_.acknowledge(queue_.size());
  queue_.release_owners();
  EXPECT_EQ("abc", order);
}

TEST_F(QueueOwners, AreNotLetGoInsideOneAnother) {
  const std::string text = pattern(0, 4096);
  int on_the_stack = 0;
  int ended = 0;
  std::function<Buffer()> block = [&] {
    const auto end = [&](const void* /*text*/) {
      EXPECT_EQ(1, ++on_the_stack);
      if (++ended < 3) {
        queue_.append(block());
        queue_.acknowledge(text.size());
        queue_.release_owners();
      }
      --on_the_stack;
    };
    return Buffer::share(std::shared_ptr<const void>(text.data(), end), as_bytes(text));
  };
  queue_.append(block());
  queue_.acknowledge(text.size());
  for (const int expected : {1, 2, 3}) {
    EXPECT_TRUE(pool_.owners_wait());
    queue_.release_owners();
    EXPECT_EQ(expected, ended);
  }
  EXPECT_FALSE(pool_.owners_wait());
}

// A transport may be held for longer than its loop lives.
TEST_F(QueueOwners, AreNotLookedForByAnEmptyQueueWhosePoolIsGone) {
  auto pool = std::make_unique<SegmentPool>();
  WriteQueue other(*pool);
  other.append(Buffer::copy_of(pattern(0, 4096)));
  other.clear();
  other.release_owners();
  pool.reset();
}

TEST_F(QueueOwners, FindTheQueueWholeWhenTheyAreLetGo) {
  const std::string last_words = "its last words";
  auto* const text = new std::string(pattern(0, 4096));
  const auto end = [&](const void* /*owner*/) {
    delete text;
    queue_.append_copy(as_bytes(last_words));
  };
  queue_.append(Buffer::share(std::shared_ptr<const void>(text, end), as_bytes(*text)));
  queue_.acknowledge(4096);
  EXPECT_TRUE(queue_.empty());
  queue_.release_owners();
  std::array<Bytes, 2> pieces;
  ASSERT_EQ(1U, queue_.gather(pieces));
  EXPECT_EQ(last_words, testing::joined(std::span(pieces).first(1)));
  queue_.check_invariants();
}

}  // namespace
}  // namespace sluice::core
