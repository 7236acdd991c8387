#include "core/intrusive_list.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace sluice::core {
namespace {

struct FirstTag;
struct SecondTag;

struct Item : ListHook<FirstTag>, ListHook<SecondTag> {
  explicit Item(int given) : number(given) {}
  int number;
};

using First = IntrusiveList<Item, FirstTag>;
using Second = IntrusiveList<Item, SecondTag>;

std::vector<int> drain(First& list) {
  std::vector<int> numbers;
  while (!list.empty()) {
    numbers.push_back(list.pop_front().number);
  }
  return numbers;
}

TEST(IntrusiveList, KeepsTheOrderOfInsertion) {
  Item one(1), two(2), three(3);
  First list;
  EXPECT_TRUE(list.empty());
  list.push_back(one);
  list.push_back(two);
  list.push_back(three);
  EXPECT_EQ((std::vector{1, 2, 3}), drain(list));
}

TEST(IntrusiveList, PopUnlinks) {
  Item one(1);
  First list;
  list.push_back(one);
  EXPECT_TRUE(one.ListHook<FirstTag>::linked());
  EXPECT_EQ(&one, &list.pop_front());
  EXPECT_FALSE(one.ListHook<FirstTag>::linked());
  list.push_back(one);
  EXPECT_FALSE(list.empty());
}

TEST(IntrusiveList, TheFrontIsSeenWithoutBeingTaken) {
  Item one(1), two(2);
  First list;
  list.push_back(one);
  list.push_back(two);
  EXPECT_EQ(&one, &list.front());
  EXPECT_EQ((std::vector{1, 2}), drain(list));
}

TEST(IntrusiveList, AMemberUnlinkedInTheMiddleLeavesTheRest) {
  Item one(1), two(2), three(3);
  First list;
  list.push_back(one);
  list.push_back(two);
  list.push_back(three);
  two.ListHook<FirstTag>::unlink();
  EXPECT_EQ((std::vector{1, 3}), drain(list));
}

TEST(IntrusiveList, UnlinkingWhatIsNotLinkedDoesNothing) {
  Item one(1);
  one.ListHook<FirstTag>::unlink();
  EXPECT_FALSE(one.ListHook<FirstTag>::linked());
}

TEST(IntrusiveList, ADestroyedMemberLeaves) {
  Item one(1), three(3);
  First list;
  list.push_back(one);
  {
    Item two(2);
    list.push_back(two);
    list.push_back(three);
  }
  EXPECT_EQ((std::vector{1, 3}), drain(list));
}

TEST(IntrusiveList, ADestroyedListLetsItsMembersGo) {
  Item one(1), two(2);
  {
    First list;
    list.push_back(one);
    list.push_back(two);
  }
  EXPECT_FALSE(one.ListHook<FirstTag>::linked());
  EXPECT_FALSE(two.ListHook<FirstTag>::linked());
}

TEST(IntrusiveList, StealTakesAllInOrderBehindWhatIsThere) {
  Item one(1), two(2), three(3);
  First list;
  First other;
  list.push_back(one);
  other.push_back(two);
  other.push_back(three);
  list.steal(other);
  EXPECT_TRUE(other.empty());
  EXPECT_EQ((std::vector{1, 2, 3}), drain(list));
}

TEST(IntrusiveList, BothListsCanBeUsedAfterAStealAndMembersMayLeave) {
  Item one(1), two(2), three(3);
  First list;
  First other;
  other.push_back(one);
  other.push_back(two);
  list.steal(other);
  list.steal(other);
  other.push_back(three);
  two.ListHook<FirstTag>::unlink();
  EXPECT_EQ((std::vector{1}), drain(list));
  EXPECT_EQ((std::vector{3}), drain(other));
}

// The use steal() is for: members that come back while the list is served wait for the next round.
TEST(IntrusiveList, ALoopOverAStolenListEndsThoughMembersReturn) {
  Item one(1), two(2);
  First list;
  list.push_back(one);
  list.push_back(two);
  First round;
  round.steal(list);
  int served = 0;
  while (!round.empty()) {
    list.push_back(round.pop_front());
    ++served;
  }
  EXPECT_EQ(2, served);
  EXPECT_EQ((std::vector{1, 2}), drain(list));
}

TEST(IntrusiveList, AnItemCanBeInOneListPerTag) {
  Item one(1);
  First first;
  Second second;
  first.push_back(one);
  second.push_back(one);
  EXPECT_EQ(&one, &first.pop_front());
  EXPECT_TRUE(one.ListHook<SecondTag>::linked());
  EXPECT_EQ(&one, &second.pop_front());
}

}  // namespace
}  // namespace sluice::core
