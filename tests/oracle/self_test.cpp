#include "oracle/self_test.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "oracle/comparison.hpp"
#include "oracle/generator.hpp"
#include "oracle/shrink.hpp"
#include "oracle/sluice_side.hpp"

namespace sluice::oracle {
namespace {

/// What Sluice would do if it had this bug.
struct Fault {
  const char* name;
  std::function<void(Trace&)> spoil;
};

std::function<void(Trace&)> without_line(std::string start) {
  return [start = std::move(start)](Trace& trace) {
    const auto found = std::ranges::find_if(
        trace, [&](const std::string& line) { return line.starts_with(start); });
    if (found != trace.end()) {
      trace.erase(found);
    }
  };
}

std::function<void(Trace&)> with_replaced(std::string old_text, std::string new_text) {
  return [old_text = std::move(old_text), new_text = std::move(new_text)](Trace& trace) {
    for (std::string& line : trace) {
      if (const std::size_t at = line.find(old_text); at != std::string::npos) {
        line.replace(at, old_text.size(), new_text);
        return;
      }
    }
  };
}

void swap_first_calls(Trace& trace) {
  const auto is_call = [](const std::string& line) { return line.starts_with("resume_writing"); };
  const auto found = std::ranges::find_if(trace, is_call);
  if (found != trace.end() && found != trace.begin()) {
    std::iter_swap(found, found - 1);
  }
}

std::vector<Fault> faults() {
  return {{"resume_writing is not called", without_line("resume_writing")},
          {"a system call too few", without_line("send ")},
          {"resume_writing before the flush", swap_first_calls},
          {"a wrong byte is sent", with_replaced("-> 5 [", "-> 5 [f")},
          {"a wrong size", with_replaced("; 3 of", "; 4 of")},
          {"a wrong error", with_replaced("lost(EPIPE)", "lost(EIO)")},
          {"closing is not told", with_replaced("closing", "open")},
          {"no warning", without_line("warning")},
          {"the descriptor stays open", without_line("close")}};
}

std::vector<Scenario> generate_many(std::uint64_t seed, std::size_t count) {
  std::vector<Scenario> scenarios;
  for (std::size_t i = 0; i < count; ++i) {
    scenarios.push_back(generate_scenario(seed, i, std::nullopt));
  }
  return scenarios;
}

// Stops when `visit` returns false.
template <class Visit>
void for_each(Comparer& comparer, const std::vector<Scenario>& scenarios, Visit visit) {
  constexpr std::size_t at_once = 250;
  for (std::size_t first = 0; first < scenarios.size(); first += at_once) {
    const auto part =
        std::span(scenarios).subspan(first, std::min(at_once, scenarios.size() - first));
    const std::vector<Comparison> results = comparer.compare(part);
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (!visit(part[i], results[i])) {
        return;
      }
    }
  }
}

std::optional<Scenario> find_difference(Comparer& comparer,
                                        const std::vector<Scenario>& scenarios) {
  std::optional<Scenario> found;
  for_each(comparer, scenarios, [&](const Scenario& scenario, const Comparison& comparison) {
    if (comparison.verdict == Verdict::different) {
      found = scenario;
    }
    return !found.has_value();
  });
  return found;
}

bool report(const char* what, const std::string& name, bool good) {
  std::printf("%s  %s: %s\n", good ? "ok    " : "FAILED", what, name.c_str());
  return good;
}

bool texts_round_trip(const std::vector<Scenario>& scenarios) {
  const bool good = std::ranges::all_of(scenarios, [](const Scenario& scenario) {
    return Scenario::parse(scenario.text()) == scenario;
  });
  return report("scenarios", "are read as they were written", good);
}

bool finds_faults_of_sluice(CpythonSide& cpython, const std::vector<Scenario>& scenarios) {
  bool good = true;
  for (const Fault& fault : faults()) {
    Comparer comparer(cpython);
    comparer.replace_sluice([&fault](const Scenario& scenario) {
      Trace trace = run_on_sluice(scenario);
      fault.spoil(trace);
      return trace;
    });
    const std::optional<Scenario> found = find_difference(comparer, scenarios);
    bool smaller = false;
    if (found) {
      const auto fails = [&comparer](const Scenario& scenario) {
        return comparer.compare(scenario).verdict == Verdict::different;
      };
      const Scenario shrunk = shrink(*found, fails);
      smaller = fails(shrunk) && shrunk.text().size() <= found->text().size();
    }
    good = report("found and shrunk", fault.name, smaller) && good;
  }
  return good;
}

// Scenarios that need an entry, by its clause; a few of each.
std::map<std::string, std::vector<Scenario>> needing(CpythonSide& cpython,
                                                     const std::vector<Scenario>& scenarios) {
  constexpr std::size_t enough = 10;
  Comparer comparer(cpython);
  std::map<std::string, std::vector<Scenario>> found;
  for_each(comparer, scenarios, [&](const Scenario& scenario, const Comparison& comparison) {
    for (const std::string& clause : comparison.needed) {
      if (found[clause].size() < enough) {
        found[clause].push_back(scenario);
      }
    }
    return true;
  });
  return found;
}

bool every_entry_is_needed(CpythonSide& cpython, const std::vector<Scenario>& scenarios) {
  std::map<std::string, std::vector<Scenario>> examples = needing(cpython, scenarios);
  bool good = true;
  for (const Difference& difference : cpython.differences()) {
    Comparer comparer(cpython);
    comparer.leave_out(difference.clause);
    const bool found = find_difference(comparer, examples[difference.clause]).has_value();
    good = report("found without its entry", difference.clause, found) && good;
  }
  return good;
}

}  // namespace

bool self_test(CpythonSide& cpython, std::uint64_t seed, std::size_t scenarios) {
  const std::vector<Scenario> all = generate_many(seed, scenarios);
  bool good = texts_round_trip(all);
  good = finds_faults_of_sluice(cpython, all) && good;
  return every_entry_is_needed(cpython, all) && good;
}

}  // namespace sluice::oracle
