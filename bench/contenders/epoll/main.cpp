// The workloads by hand on epoll, each in the way that costs least: the limit that the others are
// compared with.

#include <array>
#include <stdexcept>
#include <string_view>

#include "common/program.hpp"
#include "workloads.hpp"

namespace {

struct Workload {
  std::string_view name;
  void (*serve)(bench::CommandLine& options);
};

constexpr std::array workloads{
    Workload{"replies", bench::serve_replies}, Workload{"echo", bench::serve_echo},
    Workload{"pieces", bench::serve_pieces},   Workload{"stream", bench::serve_stream},
    Workload{"fanout", bench::serve_fanout},
};

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program(argc, argv, [](bench::CommandLine& options) {
    for (const Workload& workload : workloads) {
      if (workload.name == options.workload()) {
        workload.serve(options);
        return;
      }
    }
    throw std::invalid_argument("no workload " + options.workload());
  });
}
