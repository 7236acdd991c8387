// The workloads by hand on epoll, each in the way that costs least: the limit that the others are
// compared with.

#include <array>

#include "common/program.hpp"
#include "common/workload_table.hpp"
#include "workloads.hpp"

namespace {

using Serving = bench::Workload<void(bench::CommandLine&)>;

constexpr std::array workloads{
    Serving{"replies", bench::serve_replies},   Serving{"echo", bench::serve_echo},
    Serving{"pieces", bench::serve_pieces},     Serving{"stream", bench::serve_stream},
    Serving{"fanout", bench::serve_fanout},     Serving{"deep", bench::serve_deep},
    Serving{"slow", bench::serve_slow},         Serving{"relay", bench::serve_relay},
    Serving{"sendfile", bench::serve_sendfile},
};

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program(
      argc, argv, [](bench::CommandLine& options) { bench::run_workload(workloads, options); });
}
