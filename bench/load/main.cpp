// The load of all workloads: drives a server that listens already, checks what it delivers, and
// measures what that costs the server. Prints one JSON object.

#include <array>

#include "common/program.hpp"
#include "common/workload_table.hpp"
#include "report.hpp"
#include "workloads.hpp"

namespace {

using Loading = bench::Workload<bench::Report(bench::CommandLine&)>;

constexpr std::array workloads{
    Loading{"replies", bench::load_replies},   Loading{"echo", bench::load_echo},
    Loading{"pieces", bench::load_pieces},     Loading{"stream", bench::load_stream},
    Loading{"fanout", bench::load_fanout},     Loading{"deep", bench::load_deep},
    Loading{"idle", bench::load_idle},         Loading{"slow", bench::load_slow},
    Loading{"tls_echo", bench::load_tls_echo}, Loading{"tls_stream", bench::load_tls_stream},
    Loading{"relay", bench::load_relay},       Loading{"sendfile", bench::load_sendfile},
};

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program(argc, argv, [](bench::CommandLine& options) {
    bench::Report report = bench::run_workload(workloads, options);
    report.workload = options.workload();
    print(report);
  });
}
