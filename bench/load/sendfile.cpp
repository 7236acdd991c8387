// A file: each connection asks for it, and again when all of them have it.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "blocking.hpp"
#include "common/messages.hpp"
#include "exchange.hpp"
#include "flow.hpp"
#include "sha256.hpp"
#include "traffic.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Report load_sendfile(CommandLine& options) {
  const Target target(options);
  const std::size_t file_bytes = options.number("bytes", std::size_t{1} << 30);
  options.reject_the_rest();
  if (file_bytes == 0) {
    throw std::invalid_argument("--bytes must be positive");
  }
  const std::string request = pattern(request_bytes);
  const std::vector<Descriptor> connections = connect_to(target.address, target.connections);
  Report report;
  Sha256 sum;
  exchange(connections.front().get(), request, file_bytes, sum);
  report.sha256 = sum.finish();

  std::uint64_t requests = 0;
  Flow flow;
  for (const Descriptor& connection : connections) {
    flow.add_sink(connection.get());
  }
  const auto cpu_before = target.server.cpu_time_at_rest();
  const Clock::time_point begin = Clock::now();
  do {
    for (const Descriptor& connection : connections) {
      send_all(connection.get(), request);
    }
    flow.run(file_bytes);
    requests += connections.size();
  } while (Clock::now() - begin < target.window);
  report.window = Clock::now() - begin;
  report.server_cpu = target.server.cpu_time_at_rest() - cpu_before;
  report.messages = static_cast<double>(requests);
  report.bytes = requests * file_bytes;
  report.take_memory_of(target.server);
  return report;
}

}  // namespace bench
