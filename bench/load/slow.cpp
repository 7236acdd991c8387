// Slow readers: how well a client is served whose neighbours are offered 100 MB each and never
// read, and how much memory the server needs for them.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "blocking.hpp"
#include "common/messages.hpp"
#include "common/slow_offer.hpp"
#include "connection.hpp"
#include "exchange.hpp"
#include "narrow_connection.hpp"
#include "sha256.hpp"
#include "traffic.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

// The client that is served: one round trip after the other.
class PingPong {
 public:
  PingPong(const Address& address, std::size_t size)
      : connection_(connect_to(address)), bytes_(pattern(size)), in_(size) {
    send_all(connection_.get(), "E");
  }

  [[nodiscard]] std::size_t message_bytes() const noexcept { return bytes_.size(); }
  void verify(Sha256& sum) {
    for (int i = 0; i < 64; ++i) {
      exchange(connection_.get(), bytes_, bytes_.size(), sum);
    }
  }
  void run(Latencies& latencies) {
    const Clock::time_point begin = Clock::now();
    send_all(connection_.get(), bytes_);
    receive_all(connection_.get(), in_);
    latencies.add(Clock::now() - begin);
  }
  void run_for(Clock::duration time, Latencies& latencies) {
    const Clock::time_point begin = Clock::now();
    do {
      run(latencies);
    } while (Clock::now() - begin < time);
  }

 private:
  Descriptor connection_;
  std::string bytes_;
  std::vector<char> in_;
};

// The clients that never read.
class SlowReaders {
 public:
  void add(const Address& address) {
    connections_.push_back(connect_narrowly(address));
    send_all(connections_.back().get(), "S");
  }
  /// How much waits for each of them in its socket.
  [[nodiscard]] std::vector<int> all_waiting_bytes() const {
    std::vector<int> all;
    for (const Descriptor& connection : connections_) {
      all.push_back(waiting_bytes(connection.get()));
    }
    return all;
  }

 private:
  std::vector<Descriptor> connections_;
};

// One slow reader that does read, to see what is offered.
void verify_offer(const Address& address, Sha256& sum) {
  const Descriptor connection = connect_to(address);
  exchange(connection.get(), "S", slow_chunks * slow_chunk_bytes, sum);
}

// Runs until every socket has something, and nothing has been added for a while.
void run_until_clogged(const SlowReaders& readers, PingPong& client, Latencies& latencies) {
  static constexpr int calm_looks = 4;
  static constexpr int trips_between_looks = 200;
  std::vector<int> before;
  for (int calm = 0; calm < calm_looks;) {
    for (int trip = 0; trip < trips_between_looks; ++trip) {
      client.run(latencies);
    }
    std::vector<int> now = readers.all_waiting_bytes();
    calm = now == before && std::find(now.begin(), now.end(), 0) == now.end() ? calm + 1 : 0;
    before = std::move(now);
  }
}

void add_percentiles(Report& report, const std::string& name, const Latencies& latencies) {
  report.extra[name + "_p50_ns"] = static_cast<double>(latencies.percentile(0.5).count());
  report.extra[name + "_p99_ns"] = static_cast<double>(latencies.percentile(0.99).count());
}

}  // namespace

Report load_slow(CommandLine& options) {
  const Target target(options);
  const std::size_t size = options.number("size", 1024);
  options.reject_the_rest();
  Report report;
  PingPong client(target.address, size);
  Sha256 sum;
  client.verify(sum);
  verify_offer(target.address, sum);
  report.sha256 = sum.finish();

  Latencies warming;
  client.run_for(target.warm_up, warming);
  Latencies quiet;
  client.run_for(target.window, quiet);
  const std::size_t rss_before = target.server.exact_rss_kib();

  Latencies filling;
  SlowReaders readers;
  for (std::size_t i = 0; i < target.connections; ++i) {
    readers.add(target.address);
    client.run(filling);
  }
  run_until_clogged(readers, client, filling);

  const auto cpu_before = target.server.cpu_time_at_rest();
  const Clock::time_point begin = Clock::now();
  client.run_for(target.window, report.latencies);
  report.window = Clock::now() - begin;
  report.server_cpu = target.server.cpu_time_at_rest() - cpu_before;
  report.take_memory_of(target.server);
  report.messages = static_cast<double>(report.latencies.count());
  report.bytes = report.latencies.count() * client.message_bytes();
  add_percentiles(report, "quiet", quiet);
  add_percentiles(report, "filling", filling);
  report.extra["rss_before_kib"] = static_cast<double>(rss_before);
  report.extra["rss_per_connection_bytes"] =
      (static_cast<double>(target.server.exact_rss_kib()) - static_cast<double>(rss_before)) *
      1024 / static_cast<double>(target.connections);
  return report;
}

}  // namespace bench
