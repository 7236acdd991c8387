// The load of all workloads: drives a server that listens already, checks what it delivers, and
// measures what that costs the server. Prints one JSON object.

#include <array>
#include <stdexcept>
#include <string>
#include <string_view>

#include "common/program.hpp"
#include "report.hpp"
#include "workloads.hpp"

namespace {

struct Workload {
  std::string_view name;
  bench::Report (*run)(bench::CommandLine& options);
};

constexpr std::array workloads{
    Workload{"replies", bench::load_replies}, Workload{"echo", bench::load_echo},
    Workload{"pieces", bench::load_pieces},   Workload{"stream", bench::load_stream},
    Workload{"fanout", bench::load_fanout},
};

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program(argc, argv, [](bench::CommandLine& options) {
    for (const Workload& workload : workloads) {
      if (workload.name == options.workload()) {
        bench::Report report = workload.run(options);
        report.workload = workload.name;
        print(report);
        return;
      }
    }
    throw std::invalid_argument("no workload " + options.workload());
  });
}
