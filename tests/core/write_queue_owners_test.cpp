// Whose bytes a WriteQueue links, and when it lets go of them.
#include <gtest/gtest.h>

#include <array>
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
