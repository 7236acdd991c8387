#include "oracle/comparison.hpp"

#include <utility>

#include "oracle/sluice_side.hpp"

namespace sluice::oracle {
namespace {

std::string join(std::span<const std::string> clauses) {
  std::string text;
  for (const std::string& clause : clauses) {
    text += (text.empty() ? "" : ",") + clause;
  }
  return text;
}

}  // namespace

Comparer::Comparer(CpythonSide& cpython)
    : cpython_(&cpython), run_sluice_(run_on_sluice), all_clauses_("*") {}

void Comparer::leave_out(const std::string& clause) {
  std::vector<std::string> rest;
  for (const Difference& difference : cpython_->differences()) {
    if (difference.clause != clause) {
      rest.push_back(difference.clause);
    }
  }
  all_clauses_ = join(rest);
}

std::vector<Comparison> Comparer::compare(std::span<const Scenario> scenarios) {
  std::vector<Request> requests;
  for (const Scenario& scenario : scenarios) {
    requests.push_back({scenario.text(), ""});
  }
  cpython_->send(requests);
  std::vector<Comparison> results(scenarios.size());
  for (std::size_t i = 0; i < scenarios.size(); ++i) {
    results[i].sluice = run_sluice_(scenarios[i]);
  }
  std::vector<Reply> replies = cpython_->receive();
  for (std::size_t i = 0; i < scenarios.size(); ++i) {
    results[i].pure = std::move(replies[i].trace);
    const bool same = results[i].pure == results[i].sluice;
    results[i].verdict = same ? Verdict::identical : Verdict::different;
  }
  amend(scenarios, results);
  return results;
}

void Comparer::amend(std::span<const Scenario> scenarios, std::vector<Comparison>& results) {
  std::vector<Request> requests;
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < scenarios.size(); ++i) {
    if (results[i].verdict != Verdict::identical) {
      requests.push_back({scenarios[i].text(), all_clauses_});
      asked.push_back(i);
    }
  }
  std::vector<Reply> replies = cpython_->run(requests);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    Comparison& result = results[asked[i]];
    result.amended = std::move(replies[i].trace);
    if (result.amended == result.sluice) {
      reduce(scenarios[asked[i]], std::move(replies[i].fired), result);
    }
  }
}

// The amendments that say they took effect must explain the trace by themselves: an effect that
// names no clause excuses nothing. Then leaves out one after the other, as long as the rest
// explains it.
void Comparer::reduce(const Scenario& scenario, std::vector<std::string> fired,
                      Comparison& result) {
  if (fired.empty() || cpython_->run({scenario.text(), join(fired)}).trace != result.sluice) {
    return;
  }
  result.verdict = Verdict::deliberate;
  for (std::size_t i = 0; i < fired.size() && fired.size() > 1;) {
    std::vector<std::string> fewer = fired;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    if (cpython_->run({scenario.text(), join(fewer)}).trace == result.sluice) {
      fired = std::move(fewer);
    } else {
      ++i;
    }
  }
  result.needed = std::move(fired);
}

}  // namespace sluice::oracle
