#include "oracle/report.hpp"

#include <algorithm>
#include <cstdio>

namespace sluice::oracle {
namespace {

constexpr int column = 62;

// The traces are short; a table of all pairs of suffixes is small.
std::vector<std::vector<std::size_t>> common_lengths(const Trace& left, const Trace& right) {
  std::vector<std::vector<std::size_t>> lengths(left.size() + 1,
                                                std::vector<std::size_t>(right.size() + 1, 0));
  for (std::size_t i = left.size(); i-- > 0;) {
    for (std::size_t j = right.size(); j-- > 0;) {
      lengths[i][j] = left[i] == right[j] ? lengths[i + 1][j + 1] + 1
                                          : std::max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  return lengths;
}

void print_row(char mark, const std::string& left, const std::string& right) {
  std::printf("  %c %-*s %s\n", mark, column, left.c_str(), right.c_str());
}

std::string quoted(const std::string& text) {
  return '\'' + text + '\'';
}

}  // namespace

void Tally::add(const Scenario& scenario, const Comparison& comparison) {
  ++scenarios;
  sockets += scenario.kind == TransportKind::socket ? 1 : 0;
  events += comparison.sluice.size();
  identical += comparison.verdict == Verdict::identical ? 1 : 0;
  deliberate += comparison.verdict == Verdict::deliberate ? 1 : 0;
  different += comparison.verdict == Verdict::different ? 1 : 0;
  for (const std::string& clause : comparison.needed) {
    ++needs[clause];
  }
}

void print_tally(const Tally& tally, const CpythonSide& cpython) {
  std::printf("%8zu scenarios (%zu sockets, %zu pipes; %zu lines of trace) against CPython %s\n",
              tally.scenarios, tally.sockets, tally.scenarios - tally.sockets, tally.events,
              cpython.version().c_str());
  std::printf("%8zu identical to CPython as it is\n", tally.identical);
  std::printf("%8zu identical to CPython with deliberate differences:\n", tally.deliberate);
  for (const Difference& difference : cpython.differences()) {
    const auto found = tally.needs.find(difference.clause);
    if (found != tally.needs.end()) {
      std::printf("%16zu need %-5s %s\n", found->second, difference.clause.c_str(),
                  difference.sentence.c_str());
    }
  }
  std::printf("%8zu differences\n", tally.different);
}

void print_traces(const Trace& cpython, const Trace& sluice) {
  const auto lengths = common_lengths(cpython, sluice);
  print_row(' ', "CPython", "Sluice");
  print_row(' ', "-------", "------");
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < cpython.size() || j < sluice.size()) {
    if (i < cpython.size() && j < sluice.size() && cpython[i] == sluice[j]) {
      print_row(' ', cpython[i++], sluice[j++]);
    } else if (j == sluice.size() ||
               (i < cpython.size() && lengths[i + 1][j] >= lengths[i][j + 1])) {
      print_row('!', cpython[i++], "");
    } else {
      print_row('!', "", sluice[j++]);
    }
  }
}

void print_scenario(const Scenario& scenario) {
  const std::string kind = scenario.kind == TransportKind::socket ? "socket" : "pipe";
  for (std::size_t i = 0; i < scenario.steps.size(); ++i) {
    const std::string when = i == 0 ? kind + ", before it is made" : "step " + std::to_string(i);
    std::string text;
    for (const Operation& operation : scenario.steps[i]) {
      text += ' ' + operation.text();
    }
    std::printf("  %s:%s\n", when.c_str(), text.c_str());
  }
}

void print_difference(const Scenario& scenario, const Comparison& comparison) {
  std::puts("DIFFERENCE");
  print_scenario(scenario);
  std::puts("With all deliberate differences of the table:");
  print_traces(comparison.amended.empty() ? comparison.pure : comparison.amended,
               comparison.sluice);
  std::printf("Run it again: oracle --show %s\n\n", quoted(scenario.text()).c_str());
}

}  // namespace sluice::oracle
