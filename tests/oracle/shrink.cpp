#include "oracle/shrink.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace sluice::oracle {
namespace {

using Fails = std::function<bool(const Scenario&)>;
using Offset = std::ptrdiff_t;

// Takes out runs of steps, long ones first; the first step, before there is a transport, stays.
bool drop_steps(Scenario& scenario, const Fails& fails) {
  bool changed = false;
  for (std::size_t length = std::max<std::size_t>(scenario.steps.size() / 2, 1); length > 0;
       length /= 2) {
    for (std::size_t first = 1; first + length <= scenario.steps.size();) {
      Scenario smaller = scenario;
      const auto begin = smaller.steps.begin() + static_cast<Offset>(first);
      smaller.steps.erase(begin, begin + static_cast<Offset>(length));
      if (fails(smaller)) {
        scenario = std::move(smaller);
        changed = true;
      } else {
        ++first;
      }
    }
  }
  return changed;
}

/// Visits each operation of a scenario, in the order in which they are written.
class Places {
 public:
  /// The list that holds operation number `wanted`, and where it is in there.
  struct Place {
    std::vector<Operation>* list;
    std::size_t index;
  };

  static std::optional<Place> find(Scenario& scenario, std::size_t wanted) {
    Places places{wanted};
    for (Step& step : scenario.steps) {
      if (places.visit(step)) {
        return places.found_;
      }
    }
    return std::nullopt;
  }

 private:
  explicit Places(std::size_t wanted) : left_(wanted) {}

  bool visit(std::vector<Operation>& list) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (left_ == 0) {
        found_ = Place{&list, i};
        return true;
      }
      --left_;
      if (visit(list[i].body)) {
        return true;
      }
    }
    return false;
  }

  std::size_t left_;
  std::optional<Place> found_;
};

void erase_operation(const Places::Place& place) {
  place.list->erase(place.list->begin() + static_cast<Offset>(place.index));
}

// Puts the body in the place of the operation.
void unwrap_operation(const Places::Place& place) {
  const std::vector<Operation> body = (*place.list)[place.index].body;
  const auto at = place.list->erase(place.list->begin() + static_cast<Offset>(place.index));
  place.list->insert(at, body.begin(), body.end());
}

bool drop_operations(Scenario& scenario, const Fails& fails) {
  bool changed = false;
  for (std::size_t number = 0; Places::find(scenario, number).has_value();) {
    Scenario without = scenario;
    erase_operation(*Places::find(without, number));
    Scenario unwrapped = scenario;
    unwrap_operation(*Places::find(unwrapped, number));
    if (fails(without)) {
      scenario = std::move(without);
    } else if (unwrapped != without && fails(unwrapped)) {
      scenario = std::move(unwrapped);
    } else {
      ++number;
      continue;
    }
    changed = true;
  }
  return changed;
}

// Simpler values of one argument, the simplest first.
std::vector<std::optional<std::size_t>> simpler(const Operation& operation, std::size_t argument) {
  std::vector<std::optional<std::size_t>> values;
  if (!operation.numbers[argument] || operation.verb == Verb::fail) {
    return values;
  }
  const std::size_t value = *operation.numbers[argument];
  if (operation.verb == Verb::limits && value > 0) {
    values.emplace_back(0);
  }
  for (const std::size_t smaller :
       {std::size_t{1}, std::size_t{2}, value / 2, value - std::min<std::size_t>(value, 1)}) {
    if (smaller < value && smaller > 0) {
      values.emplace_back(smaller);
    }
  }
  return values;
}

bool shrink_argument(Scenario& scenario, std::size_t number, std::size_t argument,
                     const Fails& fails) {
  const Places::Place place = *Places::find(scenario, number);
  for (const std::optional<std::size_t>& value : simpler((*place.list)[place.index], argument)) {
    Scenario smaller = scenario;
    const Places::Place there = *Places::find(smaller, number);
    (*there.list)[there.index].numbers[argument] = value;
    if (fails(smaller)) {
      scenario = std::move(smaller);
      return true;
    }
  }
  return false;
}

bool drop_piece(Scenario& scenario, std::size_t number, std::size_t argument, const Fails& fails) {
  Scenario smaller = scenario;
  const Places::Place place = *Places::find(smaller, number);
  Operation& operation = (*place.list)[place.index];
  if (operation.verb != Verb::writelines) {
    return false;
  }
  operation.numbers.erase(operation.numbers.begin() + static_cast<Offset>(argument));
  if (fails(smaller)) {
    scenario = std::move(smaller);
    return true;
  }
  return false;
}

bool shrink_numbers(Scenario& scenario, const Fails& fails) {
  bool changed = false;
  for (std::size_t number = 0;; ++number) {
    const auto place = Places::find(scenario, number);
    if (!place) {
      return changed;
    }
    const auto count = [&] {
      const Places::Place there = *Places::find(scenario, number);
      return (*there.list)[there.index].numbers.size();
    };
    for (std::size_t argument = 0; argument < count();) {
      if (drop_piece(scenario, number, argument, fails) ||
          shrink_argument(scenario, number, argument, fails)) {
        changed = true;
      } else {
        ++argument;
      }
    }
  }
}

}  // namespace

Scenario shrink(Scenario scenario, const Fails& still_fails) {
  const Fails fails = [&still_fails](const Scenario& candidate) {
    return candidate.valid() && still_fails(candidate);
  };
  bool changed = true;
  while (changed) {
    changed = drop_steps(scenario, fails);
    changed = drop_operations(scenario, fails) || changed;
    changed = shrink_numbers(scenario, fails) || changed;
  }
  return scenario;
}

}  // namespace sluice::oracle
