// Idle connections: what one costs the server in memory of its own, when it has been accepted, and
// when it has once had an echo.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "common/messages.hpp"
#include "connection.hpp"
#include "exchange.hpp"
#include "sha256.hpp"
#include "traffic.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t echo_bytes = 64;

void echo(const std::vector<Descriptor>& connections, const std::string& bytes, Sha256& sum,
          Latencies& latencies) {
  for (const Descriptor& connection : connections) {
    const Clock::time_point begin = Clock::now();
    exchange(connection.get(), bytes, bytes.size(), sum);
    latencies.add(Clock::now() - begin);
  }
}

double bytes_per_connection(std::size_t from_kib, std::size_t to_kib, std::size_t connections) {
  return (static_cast<double>(to_kib) - static_cast<double>(from_kib)) * 1024 /
         static_cast<double>(connections);
}

}  // namespace

Report load_idle(CommandLine& options) {
  const Target target(options);
  options.reject_the_rest();
  const std::string bytes = pattern(echo_bytes);
  // What the first connections bring into memory, code and buffers of the loop, is no one's share.
  const std::vector<Descriptor> first = connect_to(target.address, 16);
  Sha256 sum;
  Latencies ignored;
  echo(first, bytes, sum, ignored);

  const std::size_t before = target.server.exact_rss_kib();
  std::vector<Descriptor> connections = connect_to(target.address, target.connections - 1);
  // Connections are accepted in their order: when the last has its echo, all were.
  std::vector<Descriptor> last = connect_to(target.address, 1);
  echo(last, bytes, sum, ignored);
  const std::size_t connected = target.server.exact_rss_kib();

  connections.push_back(std::move(last.front()));
  Report report;
  const auto cpu_before = target.server.cpu_time_at_rest();
  const Clock::time_point begin = Clock::now();
  echo(connections, bytes, sum, report.latencies);
  report.window = Clock::now() - begin;
  report.server_cpu = target.server.cpu_time_at_rest() - cpu_before;
  const std::size_t echoed = target.server.exact_rss_kib();

  report.sha256 = sum.finish();
  report.take_memory_of(target.server);
  report.messages = static_cast<double>(connections.size());
  report.bytes = connections.size() * bytes.size();
  report.extra = {
      {"bytes_per_connection", bytes_per_connection(before, connected, connections.size())},
      {"bytes_per_connection_after_echo",
       bytes_per_connection(before, echoed, connections.size())}};
  return report;
}

}  // namespace bench
