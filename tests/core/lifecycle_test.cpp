#include "core/lifecycle.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace sluice::core {
namespace {

constexpr std::array states{LifeState::open, LifeState::draining, LifeState::parting,
                            LifeState::losing, LifeState::closed};

// The only moves there are (W-1). Everything else in the square is refused.
const std::vector<std::pair<LifeState, LifeState>> moves{
    {LifeState::open, LifeState::draining},    {LifeState::open, LifeState::losing},
    {LifeState::draining, LifeState::parting}, {LifeState::draining, LifeState::losing},
    {LifeState::parting, LifeState::losing},   {LifeState::losing, LifeState::closed},
};

bool listed(LifeState from, LifeState to) {
  return std::ranges::find(moves, std::pair(from, to)) != moves.end();
}

Lifecycle in_state(LifeState wanted) {
  Lifecycle life;
  if (wanted == LifeState::draining || wanted == LifeState::parting) {
    EXPECT_TRUE(life.move_to(LifeState::draining));
    if (wanted == LifeState::parting) {
      EXPECT_TRUE(life.move_to(LifeState::parting));
    }
  } else if (wanted != LifeState::open) {
    EXPECT_TRUE(life.move_to(LifeState::losing));
  }
  if (wanted == LifeState::closed) {
    EXPECT_TRUE(life.move_to(LifeState::closed));
  }
  return life;
}

TEST(Lifecycle, TheTableAllowsTheListedMovesAndNoOther) {
  for (const LifeState from : states) {
    for (const LifeState to : states) {
      EXPECT_EQ(listed(from, to), Lifecycle::allowed(from, to))
          << static_cast<int>(from) << " to " << static_cast<int>(to);
    }
  }
}

TEST(Lifecycle, AnAllowedMoveIsMadeAndARefusedOneChangesNothing) {
  for (const LifeState from : states) {
    for (const LifeState to : states) {
      Lifecycle life = in_state(from);
      EXPECT_EQ(listed(from, to), life.move_to(to));
      EXPECT_EQ(listed(from, to) ? to : from, life.state());
    }
  }
}

TEST(Lifecycle, NoStateCanBeEnteredTwice) {
  for (const LifeState state : states) {
    EXPECT_FALSE(Lifecycle::allowed(state, state));
  }
}

TEST(Lifecycle, NoMoveLeadsBack) {
  for (const LifeState from : states) {
    for (const LifeState to : states) {
      EXPECT_FALSE(to < from && Lifecycle::allowed(from, to));
    }
  }
}

TEST(Lifecycle, ItStartsOpen) {
  EXPECT_EQ(LifeState::open, Lifecycle().state());
}

TEST(Lifecycle, EachQuestionHasItsRow) {
  struct Row {
    LifeState state;
    bool open, draining, closing, alive, closed;
  };
  constexpr std::array rows{
      Row{LifeState::open, true, false, false, true, false},
      Row{LifeState::draining, false, true, true, true, false},
      Row{LifeState::losing, false, false, true, false, false},
      Row{LifeState::closed, false, false, true, false, true},
  };
  for (const Row& row : rows) {
    const Lifecycle life = in_state(row.state);
    EXPECT_EQ(row.open, life.open());
    EXPECT_EQ(row.draining, life.draining());
    EXPECT_EQ(row.closing, life.closing());
    EXPECT_EQ(row.alive, life.alive());
    EXPECT_EQ(row.closed, life.closed());
  }
}

}  // namespace
}  // namespace sluice::core
