#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "oracle/comparison.hpp"

namespace sluice::oracle {

/// What became of all scenarios of a run.
struct Tally {
  std::size_t scenarios = 0;
  std::size_t sockets = 0;
  std::size_t identical = 0;
  std::size_t deliberate = 0;
  std::size_t different = 0;
  std::size_t events = 0;
  /// How many scenarios need which clause; a scenario may need several.
  std::map<std::string, std::size_t> needs;

  void add(const Scenario& scenario, const Comparison& comparison);
};

/// The figures, and the clauses with their sentences.
void print_tally(const Tally& tally, const CpythonSide& cpython);

/// Two traces side by side, with a mark where they part.
void print_traces(const Trace& cpython, const Trace& sluice);

/// A scenario, a step a line.
void print_scenario(const Scenario& scenario);

/// The scenario, both traces, and how to run it again.
void print_difference(const Scenario& scenario, const Comparison& comparison);

}  // namespace sluice::oracle
