#include "oracle/generator.hpp"

#include <array>
#include <cerrno>
#include <random>
#include <span>

namespace sluice::oracle {
namespace {

struct Weighted {
  Verb verb;
  unsigned weight;
};

constexpr std::array<Weighted, 6> kernel_of_socket{{{Verb::room, 60},
                                                    {Verb::receive, 14},
                                                    {Verb::end, 8},
                                                    {Verb::reset, 4},
                                                    {Verb::fail, 6},
                                                    {Verb::shutdown_fails, 4}}};
constexpr std::array<Weighted, 3> kernel_of_pipe{
    {{Verb::room, 60}, {Verb::hangup, 12}, {Verb::fail, 6}}};
constexpr std::array<Weighted, 18> user{{{Verb::write, 60},
                                         {Verb::writelines, 16},
                                         {Verb::eof, 7},
                                         {Verb::close, 8},
                                         {Verb::abort, 5},
                                         {Verb::limits, 12},
                                         {Verb::sizes, 1},
                                         {Verb::pause_reading, 5},
                                         {Verb::resume_reading, 5},
                                         {Verb::soon, 8},
                                         {Verb::on_pause, 10},
                                         {Verb::on_resume, 14},
                                         {Verb::on_data, 5},
                                         {Verb::on_end, 6},
                                         {Verb::on_lost, 4},
                                         {Verb::throws, 2},
                                         {Verb::room, 5},
                                         {Verb::hangup, 2}}};

// For scenarios about pausing and resuming: they should not end early.
constexpr std::array<Weighted, 3> flowing_kernel{
    {{Verb::room, 95}, {Verb::receive, 3}, {Verb::hangup, 2}}};
constexpr std::array<Weighted, 10> flowing_user{{{Verb::write, 60},
                                                 {Verb::writelines, 20},
                                                 {Verb::eof, 2},
                                                 {Verb::close, 4},
                                                 {Verb::abort, 1},
                                                 {Verb::limits, 6},
                                                 {Verb::soon, 5},
                                                 {Verb::on_pause, 8},
                                                 {Verb::on_resume, 25},
                                                 {Verb::room, 12}}};

constexpr unsigned deepest = 2;

/// Draws from one stream of numbers. std::uniform_int_distribution may differ between libraries.
class Generator {
 public:
  Generator(std::uint64_t seed, std::uint64_t number)
      : random_(seed * 0x9E3779B97F4A7C15U + number) {}

  Scenario scenario(std::optional<TransportKind> kind) {
    Scenario result;
    kind_ = kind.value_or(one_in(5, 2) ? TransportKind::pipe : TransportKind::socket);
    flowing_ = one_in(2);
    result.kind = kind_;
    result.steps.push_back(setup());
    const std::size_t count = 1 + below(4) + below(8);
    for (std::size_t i = 0; i < count; ++i) {
      result.steps.push_back(one_in(5, 2) ? kernel_step() : user_step());
    }
    for (std::size_t i = below(3); i > 0; --i) {
      result.steps.push_back({{.verb = Verb::room, .numbers = {one_in(2) ? 1000 : size()}}});
    }
    return result;
  }

 private:
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(random_() % limit); }
  bool one_in(std::size_t many, std::size_t wanted = 1) { return below(many) < wanted; }
  template <std::size_t N>
  std::size_t pick(const std::array<std::size_t, N>& values) {
    return values[below(N)];
  }

  // Around the last limit or amount of room, one of a few small numbers, or rarely a large one.
  std::size_t size() {
    if (one_in(3)) {
      const std::size_t around = one_in(2) ? last_limit_ : last_room_;
      return around + below(4) > 1 ? around + below(3) - (around > 0 ? 1 : 0) : around + 1;
    }
    if (one_in(40)) {
      return pick<6>({16383, 16384, 17000, 65536, 65537, 200000});
    }
    return pick<12>({1, 1, 2, 3, 5, 8, 10, 13, 20, 32, 64, 100});
  }

  std::optional<std::size_t> limit() {
    if (one_in(4)) {
      return std::nullopt;
    }
    return one_in(8) ? size() : pick<10>({0, 0, 1, 3, 4, 8, 10, 20, 30, 64});
  }

  Operation limits() {
    if (flowing_ && !one_in(4)) {
      last_limit_ = pick<6>({5, 8, 10, 20, 30, 64});
      return {.verb = Verb::limits, .numbers = {last_limit_, below(last_limit_ + 1)}};
    }
    Operation result{.verb = Verb::limits, .numbers = {limit(), limit()}};
    if (result.numbers[0] && result.numbers[1] && *result.numbers[0] < *result.numbers[1] &&
        !one_in(6)) {
      std::swap(result.numbers[0], result.numbers[1]);
    }
    if (const auto chosen = result.numbers[below(2)]) {
      last_limit_ = *chosen;
    }
    return result;
  }

  Verb draw(std::span<const Weighted> from) {
    std::size_t total = 0;
    for (const Weighted& entry : from) {
      total += entry.weight;
    }
    std::size_t left = below(total);
    for (const Weighted& entry : from) {
      if (left < entry.weight) {
        return entry.verb;
      }
      left -= entry.weight;
    }
    return from.front().verb;
  }

  bool suits(Verb verb) const {
    switch (verb) {
      case Verb::hangup:
        return kind_ == TransportKind::pipe;
      case Verb::pause_reading:
      case Verb::resume_reading:
      case Verb::on_data:
      case Verb::on_end:
      case Verb::receive:
        return kind_ == TransportKind::socket;
      default:
        return true;
    }
  }

  Operation operation(Verb verb, unsigned depth) {
    Operation result{.verb = verb};
    switch (verb) {
      case Verb::room:
        last_room_ = one_in(flowing_ ? 10 : 4) ? pick<4>({30, 100, 1000, 100000}) : size();
        result.numbers = {last_room_};
        break;
      case Verb::fail:
        result.numbers = {pick<4>({EPIPE, ECONNRESET, ENOSPC, EIO})};
        break;
      case Verb::receive:
        result.numbers = {one_in(30) ? 300000 : pick<4>({1, 5, 20, 100})};
        break;
      case Verb::write:
        result.numbers = {one_in(25) ? 0 : size()};
        break;
      case Verb::writelines:
        for (std::size_t i = below(5); i > 0; --i) {
          result.numbers.emplace_back(one_in(5) ? 0 : size());
        }
        break;
      case Verb::limits:
        return limits();
      default:
        if (has_body(verb)) {
          result.body = program(verb, depth + 1);
        }
        break;
    }
    return result;
  }

  // What makes trouble in asyncio and comes together too rarely by chance.
  Step troublesome(Verb place) {
    const Verb end = one_in(2) ? Verb::close : Verb::abort;
    if (place == Verb::on_resume) {
      return {operation(Verb::write, deepest), {.verb = end}};
    }
    if (place == Verb::on_pause) {
      return {operation(Verb::room, deepest), operation(Verb::writelines, deepest)};
    }
    return {{.verb = end}, operation(kernel_verb(), deepest)};
  }

  Step program(Verb place, unsigned depth) {
    if (one_in(8)) {
      return troublesome(place);
    }
    Step result = operations(1 + below(2) + below(2), depth);
    if (place == Verb::on_end && one_in(2)) {
      result.insert(result.begin(), {.verb = Verb::keep_open});
    }
    if (one_in(12)) {
      result.push_back({.verb = Verb::throws});
    }
    return result;
  }

  Step operations(std::size_t count, unsigned depth) {
    Step result;
    while (result.size() < count) {
      const Verb verb = flowing_ ? draw(flowing_user) : draw(user);
      if (suits(verb) && (depth < deepest || !has_body(verb))) {
        result.push_back(operation(verb, depth));
      }
    }
    return result;
  }

  Step user_step() {
    if (one_in(12)) {
      Step burst;
      for (std::size_t i = 4 + below(5); i > 0; --i) {
        burst.push_back(operation(one_in(5) ? Verb::writelines : Verb::write, 0));
      }
      return burst;
    }
    return operations(1 + below(2) + below(3), 0);
  }

  Verb kernel_verb() {
    if (flowing_) {
      const Verb verb = draw(flowing_kernel);
      return suits(verb) ? verb : Verb::room;
    }
    return kind_ == TransportKind::socket ? draw(kernel_of_socket) : draw(kernel_of_pipe);
  }

  Step kernel_step() {
    Step step{operation(kernel_verb(), 0)};
    if (one_in(6)) {
      step.push_back(operation(kernel_verb(), 0));
    }
    return step;
  }

  Step setup() {
    Step step;
    last_room_ = pick<8>({0, 0, 1, 5, 10, 20, 50, 1000});
    step.push_back({.verb = Verb::room, .numbers = {last_room_}});
    Operation made{.verb = Verb::on_made};
    if (!one_in(8)) {
      made.body.push_back(limits());
    }
    if (one_in(3)) {
      for (Operation& extra : operations(1 + below(3), 1)) {
        made.body.push_back(std::move(extra));
      }
    }
    if (one_in(20)) {
      for (Operation& extra : troublesome(Verb::on_made)) {
        made.body.push_back(std::move(extra));
      }
    }
    step.push_back(std::move(made));
    while (one_in(2)) {
      constexpr std::array<Verb, 3> places{Verb::on_pause, Verb::on_resume, Verb::on_lost};
      step.push_back(operation(places[below(3)], 0));
    }
    return step;
  }

  std::mt19937_64 random_;
  TransportKind kind_{};
  bool flowing_ = false;
  std::size_t last_limit_ = 10;
  std::size_t last_room_ = 10;
};

}  // namespace

Scenario generate_scenario(std::uint64_t seed, std::uint64_t number,
                           std::optional<TransportKind> kind) {
  return Generator(seed, number).scenario(kind);
}

}  // namespace sluice::oracle
