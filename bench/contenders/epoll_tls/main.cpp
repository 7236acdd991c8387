// The workloads over TLS by hand on epoll and OpenSSL: the limit.

#include <array>

#include "common/program.hpp"
#include "common/workload_table.hpp"
#include "workloads.hpp"

namespace {

using Serving = bench::Workload<void(bench::CommandLine&)>;

constexpr std::array workloads{
    Serving{"tls_echo", bench::serve_tls_echo},
    Serving{"tls_stream", bench::serve_tls_stream},
};

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program(
      argc, argv, [](bench::CommandLine& options) { bench::run_workload(workloads, options); });
}
