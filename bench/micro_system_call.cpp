// What the way into the kernel and back costs, with nothing done there: what calls that are handed
// in together would share.

#include <sys/syscall.h>
#include <unistd.h>

#include "micro.hpp"

namespace {

void empty_system_call(benchmark::State& state) {
  for ([[maybe_unused]] auto _ : state) {
    benchmark::DoNotOptimize(syscall(SYS_getppid));
  }
}
BENCHMARK(empty_system_call)->Name("empty_system_call/kernel");

}  // namespace
