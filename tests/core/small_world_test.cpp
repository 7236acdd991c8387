// WriteSide in a world so small that every sequence of steps can be tried: each is run beside a
// model that names its promises, and then to its end. Shorter sequences run first, so what is
// printed on failure is a shortest one.
//
// The constants: the marks are 2 and 5, so that writes of 1, 3 and 6 bytes reach every place around
// both (at low, between, at high by 3 + 1 + 1 and by rests, one above). Room comes in 1, 2 and 4
// bytes, so that rests of every length from 0 to 6 occur. The depths are what runs in about 20 s in
// an optimised build.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "core/exhaustive.hpp"
#include "core/sanitizers.hpp"
#include "core/small_world.hpp"

namespace sluice::testing {
namespace {

using Kind = Step::Kind;
using Alphabet = std::vector<Step>;
using core::WriteTiming;

#ifdef __OPTIMIZE__
constexpr bool optimised = true;
#else
constexpr bool optimised = false;
#endif
// Slow builds look for other mistakes: one or two steps less.
constexpr std::size_t left_out = under_address_sanitizer || under_thread_sanitizer ? 2
                                 : optimised                                       ? 0
                                                                                   : 1;

constexpr std::size_t deepest(std::size_t depth) {
  return depth - left_out;
}

const Alphabet steps{
    {Kind::write, 1},
    {Kind::write, 3},
    {Kind::write, 6},
    {Kind::write_buffer, 3},
    {Kind::writelines, 3},
    {Kind::ready, 0},
    {Kind::ready, 1},
    {Kind::ready, 2},
    {Kind::ready, 4},
    {Kind::ready, everything},
    {Kind::end_turn},
    {Kind::leave_turn},
    {Kind::fail_next},
    {Kind::write_eof},
    {Kind::close},
    {Kind::abort},
    {Kind::set_limits, 3, 3},
    {Kind::set_limits, 20, 10},
    {Kind::set_limits, 0, 0},
};

const Alphabet nested_actions{
    {Kind::nothing},
    {Kind::write, 1},
    {Kind::write, 6},
    {Kind::write_buffer, 6},
    {Kind::writelines, 3},
    {Kind::write_eof},
    {Kind::close},
    {Kind::abort},
    {Kind::set_limits, 20, 10},
    {Kind::set_limits, 1, 0},
};

// Without what a nested world has inside its callouts anyway.
const Alphabet nesting_steps{
    {Kind::write, 3}, {Kind::write, 6},         {Kind::writelines, 3},
    {Kind::ready, 1}, {Kind::ready, 4},         {Kind::ready, everything},
    {Kind::end_turn}, {Kind::fail_next},        {Kind::write_eof},
    {Kind::close},    {Kind::set_limits, 3, 3}, {Kind::set_limits, 20, 10},
};

const Alphabet flying_steps{
    {Kind::write, 1},      {Kind::write, 6},        {Kind::write_buffer, 3},
    {Kind::ready, 2},      {Kind::end_turn},        {Kind::fly_next},
    {Kind::complete, 0},   {Kind::complete, 1},     {Kind::complete, everything},
    {Kind::complete_full}, {Kind::complete_failed}, {Kind::write_eof},
    {Kind::close},         {Kind::abort},           {Kind::set_limits, 20, 10},
};

// Around the sizes at which bytes are linked instead of copied, a slab is full, and borrowed bytes
// are sent at once.
constexpr std::size_t copy_limit = core::WriteQueue::copy_limit;
constexpr std::size_t slab = core::Slab::capacity;
constexpr std::size_t direct = core::WriteSide::direct_send_bytes;
const Alphabet large_steps{
    {Kind::write, 1},
    {Kind::write, slab - 1},
    {Kind::write, slab},
    {Kind::write, direct - 1},
    {Kind::write, direct},
    {Kind::write_buffer, 1},
    {Kind::write_buffer, copy_limit},
    {Kind::write_buffer, copy_limit + 1},
    {Kind::write_buffer, slab},
    {Kind::writelines, slab},
    {Kind::ready, 1},
    {Kind::ready, slab - 1},
    {Kind::ready, slab},
    {Kind::ready, everything},
    {Kind::end_turn},
};

const Alphabet range_steps{
    {Kind::write, 1},          {Kind::write, 6},       {Kind::write_buffer, 3},
    {Kind::writelines, 3},     {Kind::ready, 1},       {Kind::ready, 4},
    {Kind::ready, everything}, {Kind::end_turn},       {Kind::fail_next},
    {Kind::write_eof},         {Kind::close},          {Kind::abort},
    {Kind::write_range, 0},    {Kind::write_range, 4}, {Kind::remove_range},
    {Kind::fail_range},
};

// What the owner of bytes may do when it is let go, with and without memory that is linked.
const Alphabet last_actions{
    {Kind::write, 1},
    {Kind::write, 6},
    {Kind::write_buffer, 3},
    {Kind::write_buffer, copy_limit + 1},
    {Kind::writelines, 3},
    {Kind::write_eof},
    {Kind::close},
    {Kind::abort},
    {Kind::set_limits, 20, 10},
};
const Alphabet owned_steps{
    {Kind::write, 1},           {Kind::write_buffer, 3}, {Kind::write_buffer, copy_limit + 1},
    {Kind::write_buffer, slab}, {Kind::ready, 1},        {Kind::ready, copy_limit + 1},
    {Kind::ready, everything},  {Kind::end_turn},        {Kind::fail_next},
    {Kind::write_eof},          {Kind::close},
};
const Alphabet owned_and_flying_steps{
    {Kind::write, 1},
    {Kind::write_buffer, 3},
    {Kind::write_buffer, copy_limit + 1},
    {Kind::end_turn},
    {Kind::fly_next},
    {Kind::complete, copy_limit + 1},
    {Kind::complete, 1},
    {Kind::complete, everything},
    {Kind::complete_failed},
    {Kind::ready, 2},
    {Kind::abort},
};

class SmallWorld : public ::testing::Test {
 protected:
  // Runs one sequence; false, and a failure that tells it all, if a promise was broken.
  bool run(const Setting& setting, const std::vector<const Step*>& sequence) {
    // Ranges take an attempt each, which write_side_ranges_test.cpp counts.
    const bool simple = setting.inside_pause.kind == Kind::nothing &&
                        setting.inside_resume.kind == Kind::nothing &&
                        setting.inside_release.kind == Kind::nothing && !setting.with_ranges;
    World world(pool_, setting);
    const char* broken = nullptr;
    std::size_t done = 0;
    while (broken == nullptr && done < sequence.size()) {
      const Step& step = *sequence[done++];
      const std::size_t expected = world.offers() + world.expected_offers(step);
      world.run(step);
      broken = world.broken();
      if (broken == nullptr && simple && world.offers() != expected) {
        broken = "each step makes exactly the attempts it has to";
      }
    }
    const bool all_steps = broken == nullptr;
    if (all_steps) {
      world.finish();
      broken = world.broken();
    }
    ++sequences_;
    if (broken != nullptr) {
      tell(setting, std::span(sequence).first(done), broken, all_steps);
    }
    return broken == nullptr;
  }

  static void tell(const Setting& setting, std::span<const Step* const> sequence,
                   const char* broken, bool at_the_end) {
    std::string text = std::string("broken: ") + broken + "\n  " + setting.text() + "\n";
    for (std::size_t i = 0; i < sequence.size(); ++i) {
      text += "  " + std::to_string(i + 1) + ". " + sequence[i]->text() + "\n";
    }
    ADD_FAILURE() << text << (at_the_end ? "  and then all the room and time there is\n" : "");
  }

  // All sequences over `alphabet` of every length up to `depth`, in every setting of `choose`.
  template <class Choose>
  void explore(const Alphabet& alphabet, std::size_t depth, std::size_t settings, Choose choose) {
    std::size_t expected = 0;
    for (std::size_t length = 1; length <= depth; ++length) {
      std::size_t combinations = settings;
      for (std::size_t i = 0; i < length; ++i) {
        combinations *= alphabet.size();
      }
      expected += combinations;
      std::vector<const Step*> sequence(length);
      Exhaustive all;
      while (all.next()) {
        const Setting setting = choose(all);
        for (const Step*& step : sequence) {
          step = &alphabet[all.pick(alphabet.size())];
        }
        if (!run(setting, sequence)) {
          return;
        }
      }
    }
    std::printf("  %zu sequences of up to %zu steps out of %zu, in %zu settings%s\n", sequences_,
                depth, alphabet.size(), settings,
                left_out > 0 ? "; one step less than an optimised build" : "");
    RecordProperty("sequences", std::to_string(sequences_));
    RecordProperty("depth", std::to_string(depth));
    EXPECT_EQ(expected, sequences_);
  }

  static Setting small(WriteTiming timing, std::size_t room) {
    return {.timing = timing, .room = room, .low = 2, .high = 5};
  }
  static std::size_t initial_room(Exhaustive& all) {
    const std::size_t rooms[] = {0, 4, everything};
    return rooms[all.pick(std::size(rooms))];
  }

  core::SegmentPool pool_;
  std::size_t sequences_ = 0;
};

TEST_F(SmallWorld, KeepsItsPromisesWhenWritesAreSentAtOnce) {
  explore(steps, deepest(5), 3,
          [](Exhaustive& all) { return small(WriteTiming::at_once, initial_room(all)); });
}

TEST_F(SmallWorld, KeepsItsPromisesWhenWritesAreSentAtTheEndOfTheTurn) {
  explore(steps, deepest(5), 3,
          [](Exhaustive& all) { return small(WriteTiming::end_of_turn, initial_room(all)); });
}

TEST_F(SmallWorld, KeepsItsPromisesWhateverIsCalledInsideThePauseAndTheResume) {
  const std::size_t actions = nested_actions.size();
  explore(nesting_steps, deepest(4), actions * actions * 6, [](Exhaustive& all) {
    const bool at_once = all.pick(2) == 0;
    Setting setting =
        small(at_once ? WriteTiming::at_once : WriteTiming::end_of_turn, initial_room(all));
    setting.inside_pause = nested_actions[all.pick(nested_actions.size())];
    setting.inside_resume = nested_actions[all.pick(nested_actions.size())];
    return setting;
  });
}

TEST_F(SmallWorld, KeepsItsPromisesWithASinkThatKeepsBytesInFlight) {
  explore(flying_steps, deepest(5), 2, [](Exhaustive& all) {
    Setting setting =
        small(all.pick(2) == 0 ? WriteTiming::at_once : WriteTiming::end_of_turn, everything);
    setting.sink_keeps_bytes = true;
    return setting;
  });
}

TEST_F(SmallWorld, KeepsItsPromisesWithExternalRangesAmongTheBytes) {
  explore(range_steps, deepest(5), 4, [](Exhaustive& all) {
    Setting setting = small(all.pick(2) == 0 ? WriteTiming::at_once : WriteTiming::end_of_turn, 2);
    setting.with_ranges = true;
    setting.sink_reaches_ranges = all.pick(2) == 0;
    return setting;
  });
}

TEST_F(SmallWorld, KeepsItsPromisesWithRangesWhateverIsCalledInsideThePauseAndTheResume) {
  const Alphabet alphabet{
      {Kind::write, 3},       {Kind::write, 6},       {Kind::ready, 1}, {Kind::ready, everything},
      {Kind::write_range, 1}, {Kind::write_range, 9}, {Kind::end_turn}, {Kind::close},
  };
  const std::size_t actions = nested_actions.size();
  explore(alphabet, deepest(4), actions * actions * 4, [](Exhaustive& all) {
    Setting setting = small(all.pick(2) == 0 ? WriteTiming::at_once : WriteTiming::end_of_turn, 2);
    setting.with_ranges = true;
    setting.sink_reaches_ranges = all.pick(2) == 0;
    setting.inside_pause = nested_actions[all.pick(nested_actions.size())];
    setting.inside_resume = nested_actions[all.pick(nested_actions.size())];
    return setting;
  });
}

TEST_F(SmallWorld, KeepsItsPromisesWhateverTheOwnersOfItsBytesDoWhenTheyAreLetGo) {
  explore(owned_steps, deepest(4), last_actions.size() * 6, [](Exhaustive& all) {
    const bool at_once = all.pick(2) == 0;
    Setting setting =
        small(at_once ? WriteTiming::at_once : WriteTiming::end_of_turn, initial_room(all));
    setting.inside_release = last_actions[all.pick(last_actions.size())];
    return setting;
  });
}

TEST_F(SmallWorld, KeepsItsPromisesWhateverTheOwnersDoWhoseBytesWereInFlight) {
  explore(owned_and_flying_steps, deepest(4), last_actions.size() * 2, [](Exhaustive& all) {
    Setting setting =
        small(all.pick(2) == 0 ? WriteTiming::at_once : WriteTiming::end_of_turn, everything);
    setting.sink_keeps_bytes = true;
    setting.inside_release = last_actions[all.pick(last_actions.size())];
    return setting;
  });
}

TEST_F(SmallWorld, KeepsItsPromisesAroundSlabsAndDirectSends) {
  explore(large_steps, deepest(4), 4, [](Exhaustive& all) {
    const bool at_once = all.pick(2) == 0;
    const bool limited = all.pick(2) == 0;
    return Setting{.timing = at_once ? WriteTiming::at_once : WriteTiming::end_of_turn,
                   .room = 0,
                   .low = limited ? slab : 0,
                   .high = limited ? 2 * slab : unlimited};
  });
}

}  // namespace
}  // namespace sluice::testing
