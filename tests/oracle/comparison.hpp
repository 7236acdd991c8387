#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "oracle/cpython_side.hpp"
#include "oracle/scenario.hpp"

namespace sluice::oracle {

enum class Verdict : std::uint8_t {
  identical,   ///< Sluice does what CPython does.
  deliberate,  ///< It does what CPython does with some amendments of the table.
  different,   ///< Neither.
};

struct Comparison {
  Verdict verdict = Verdict::identical;
  /// Amendments none of which can be left out.
  std::vector<std::string> needed;
  Trace sluice;
  /// The trace of CPython as it is and, unless identical, of CPython with all amendments.
  Trace pure;
  Trace amended;
};

/// Compares scenario by scenario.
class Comparer {
 public:
  using RunSluice = std::function<Trace(const Scenario&)>;

  explicit Comparer(CpythonSide& cpython);

  /// Another Sluice; for the test of the oracle itself.
  void replace_sluice(RunSluice run) { run_sluice_ = std::move(run); }
  /// From now on the table has no such entry; likewise.
  void leave_out(const std::string& clause);

  std::vector<Comparison> compare(std::span<const Scenario> scenarios);
  Comparison compare(const Scenario& scenario) {
    return std::move(compare(std::span(&scenario, 1)).front());
  }

 private:
  void amend(std::span<const Scenario> scenarios, std::vector<Comparison>& results);
  void reduce(const Scenario& scenario, std::vector<std::string> fired, Comparison& result);

  CpythonSide* cpython_;
  RunSluice run_sluice_;
  std::string all_clauses_;
};

}  // namespace sluice::oracle
