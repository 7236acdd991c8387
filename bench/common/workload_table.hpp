#pragma once

#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

#include "common/command_line.hpp"

namespace bench {

/// A workload of a program: what it is called, and what does it.
template <class Function>
struct Workload {
  std::string_view name;
  Function* function;
};

/// Does the workload that the command line names.
template <class Function, std::size_t count>
auto run_workload(const std::array<Workload<Function>, count>& workloads, CommandLine& options) {
  for (const Workload<Function>& workload : workloads) {
    if (workload.name == options.workload()) {
      return workload.function(options);
    }
  }
  throw std::invalid_argument("no workload " + options.workload());
}

}  // namespace bench
