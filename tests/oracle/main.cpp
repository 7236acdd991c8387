// Runs random scenarios on CPython's asyncio and on Sluice and compares the traces; see
// docs/oracle.md.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "oracle/comparison.hpp"
#include "oracle/cpython_side.hpp"
#include "oracle/generator.hpp"
#include "oracle/report.hpp"
#include "oracle/self_test.hpp"
#include "oracle/shrink.hpp"

namespace sluice::oracle {
namespace {

constexpr std::size_t batch = 500;
constexpr const char* usage =
    "usage: oracle [--seed NUMBER|fresh] [--scenarios N] [--kind socket|pipe|both] [--verbose]\n"
    "              [--differences N]   show at most so many; 3 by default\n"
    "       oracle --show SCENARIO\n"
    "       oracle --self-test [--seed NUMBER] [--scenarios N]\n";

struct Options {
  std::uint64_t seed = 1;
  std::size_t scenarios = 1000;
  std::size_t differences = 3;
  std::optional<TransportKind> kind;
  std::optional<std::string> show;
  bool self_test = false;
  bool verbose = false;
};

std::uint64_t fresh_seed() {
  std::random_device device;
  return device();
}

std::uint64_t number(const std::string& text) {
  std::size_t used = 0;
  const std::uint64_t value = std::stoull(text, &used);
  if (used != text.size()) {
    throw std::invalid_argument("not a number: " + text);
  }
  return value;
}

std::optional<TransportKind> kind_named(std::string_view name) {
  if (name == "socket") {
    return TransportKind::socket;
  }
  if (name == "pipe") {
    return TransportKind::pipe;
  }
  if (name != "both") {
    throw std::invalid_argument("--kind is socket, pipe or both");
  }
  return std::nullopt;
}

Options parse(const std::vector<std::string>& arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& name = arguments[i];
    const auto value = [&]() -> const std::string& {
      if (++i == arguments.size()) {
        throw std::invalid_argument(name + " needs a value");
      }
      return arguments[i];
    };
    if (name == "--seed") {
      const std::string& seed = value();
      options.seed = seed == "fresh" ? fresh_seed() : number(seed);
    } else if (name == "--scenarios") {
      options.scenarios = number(value());
    } else if (name == "--differences") {
      options.differences = number(value());
    } else if (name == "--kind") {
      options.kind = kind_named(value());
    } else if (name == "--show") {
      options.show = value();
    } else if (name == "--self-test") {
      options.self_test = true;
    } else if (name == "--verbose") {
      options.verbose = true;
    } else {
      throw std::invalid_argument("unknown option " + name);
    }
  }
  return options;
}

void print_needs(const Comparison& comparison) {
  std::string clauses;
  for (const std::string& clause : comparison.needed) {
    clauses += ' ' + clause;
  }
  std::printf("Identical to CPython with%s.\n", clauses.c_str());
}

int show(CpythonSide& cpython, const std::string& text) {
  const Scenario scenario = Scenario::parse(text);
  Comparer comparer(cpython);
  const Comparison comparison = comparer.compare(scenario);
  if (comparison.verdict == Verdict::different) {
    print_difference(scenario, comparison);
    return EXIT_FAILURE;
  }
  print_scenario(scenario);
  print_traces(comparison.pure, comparison.sluice);
  if (comparison.verdict == Verdict::identical) {
    std::puts("Identical.");
  } else {
    print_needs(comparison);
  }
  return EXIT_SUCCESS;
}

void show_shrunk(Comparer& comparer, const Scenario& scenario) {
  const Scenario small = shrink(scenario, [&comparer](const Scenario& candidate) {
    return comparer.compare(candidate).verdict == Verdict::different;
  });
  print_difference(small, comparer.compare(small));
}

int run(CpythonSide& cpython, const Options& options) {
  std::printf("oracle --seed %llu --scenarios %zu\n", static_cast<unsigned long long>(options.seed),
              options.scenarios);
  std::fflush(stdout);
  const auto begin = std::chrono::steady_clock::now();
  Comparer comparer(cpython);
  Tally tally;
  for (std::size_t first = 0; first < options.scenarios; first += batch) {
    std::vector<Scenario> scenarios;
    for (std::size_t i = first; i < std::min(first + batch, options.scenarios); ++i) {
      scenarios.push_back(generate_scenario(options.seed, i, options.kind));
    }
    const std::vector<Comparison> results = comparer.compare(scenarios);
    for (std::size_t i = 0; i < results.size(); ++i) {
      tally.add(scenarios[i], results[i]);
      if (options.verbose) {
        std::printf("%zu: %s\n", first + i, scenarios[i].text().c_str());
        print_traces(results[i].pure, results[i].sluice);
      }
      if (results[i].verdict == Verdict::different && tally.different <= options.differences) {
        show_shrunk(comparer, scenarios[i]);
      }
    }
  }
  print_tally(tally, cpython);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%8.1f seconds\n", took.count());
  return tally.different == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int run(const Options& options) {
  CpythonSide cpython;
  if (options.self_test) {
    return self_test(cpython, options.seed, options.scenarios) ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  return options.show ? show(cpython, *options.show) : run(cpython, options);
}

}  // namespace
}  // namespace sluice::oracle

int main(int argc, char** argv) {
  namespace oracle = sluice::oracle;
  oracle::Options options;
  try {
    options = oracle::parse(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "oracle: %s\n%s", error.what(), oracle::usage);
    return 2;
  }
  try {
    return oracle::run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "oracle: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
