// A deep queue: a connection that is clogged already asks for so many writes more, and they are
// received when all of them wait in the server. What the writes cost is taken by itself, and what
// it costs to get rid of them; both count.

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "blocking.hpp"
#include "common/deep_messages.hpp"
#include "exchange.hpp"
#include "narrow_connection.hpp"
#include "sha256.hpp"
#include "traffic.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

// 2 MB, as a rule more than the kernels hold.
constexpr std::uint64_t clogging_writes = 20'000;
constexpr std::uint64_t most_clogging_requests = 16;
constexpr std::uint64_t verified_writes = clogging_writes;

class Client {
 public:
  explicit Client(const Address& address)
      : queue_(connect_narrowly(address)), questions_(connect_to(address)) {}

  /// Asks for `writes` on the connection that is not read, and returns when all were made.
  void request(std::uint64_t writes) {
    std::array<char, sizeof writes> bytes{};
    for (char& byte : bytes) {
      byte = static_cast<char>(writes & 255);
      writes >>= 8;
    }
    send_all(queue_.get(), {bytes.data(), bytes.size()});
    settle();
  }
  /// Returns when the server is through with all it had to do before. It might answer the first
  /// question before it looks at what came earlier on the other connection; then it sees to that
  /// before the second.
  void settle() {
    for (int question = 0; question < 2; ++question) {
      std::array<char, 1> answer{'?'};
      send_all(questions_.get(), {answer.data(), answer.size()});
      receive_all(questions_.get(), answer);
    }
  }
  /// Makes the server wait: the kernels hold all they take, half of the last writes asked for has
  /// to be kept, and so has what comes now. Returns how many writes it took.
  std::uint64_t clog(const ServerProcess& server) {
    for (std::uint64_t made = clogging_writes; made <= most_clogging_requests * clogging_writes;
         made += clogging_writes) {
      request(clogging_writes);
      wait_until_calm(server);
      if (held_by_the_kernel() + clogging_writes / 2 * deep_message_bytes <=
          made * deep_message_bytes) {
        return made;
      }
    }
    throw std::runtime_error("the kernel takes all that the server writes");
  }
  [[nodiscard]] std::uint64_t held_by_the_kernel() const { return bytes_on_the_way(queue_.get()); }
  void receive(std::uint64_t writes) {
    for (std::uint64_t rest = writes * deep_message_bytes; rest > 0;) {
      const std::size_t most = std::min<std::uint64_t>(rest, in_.size());
      receive_all(queue_.get(), std::span(in_).first(most));
      rest -= most;
    }
  }
  [[nodiscard]] std::string verify() {
    request(verified_writes);
    Sha256 sum;
    exchange(queue_.get(), {}, verified_writes * deep_message_bytes, sum);
    return sum.finish();
  }

 private:
  // An acknowledgement may come 40 ms late and let the server go on: so it is watched for longer.
  void wait_until_calm(const ServerProcess& server) const {
    static constexpr int calm_looks = 10;
    static constexpr auto between_looks = std::chrono::milliseconds(10);
    // Whoever writes on needs more, whoever has a timer of its own less.
    static constexpr auto at_rest = std::chrono::microseconds(50);
    int waited = 0;
    auto worked = server.cpu_time_at_rest();
    for (int calm = 0; calm < calm_looks;) {
      std::this_thread::sleep_for(between_looks);
      const int waiting = waiting_bytes(queue_.get());
      const auto works = server.cpu_time_at_rest();
      const bool is_calm = waiting > 0 && waiting == waited && works - worked < at_rest;
      calm = is_calm ? calm + 1 : 0;
      waited = waiting;
      worked = works;
    }
  }

  Descriptor queue_;
  Descriptor questions_;
  std::vector<char> in_ = std::vector<char>(256 * 1024);
};

struct Costs {
  std::chrono::nanoseconds idle_requests{};
  std::chrono::nanoseconds queueing{};
  std::chrono::nanoseconds draining{};
  std::uint64_t bytes_drained = 0;
  std::size_t rss_queued_kib = 0;
};

// Clogs, asks so many times for so many writes, drains; adds what that cost the server.
void run_round(Client& client, const ServerProcess& server, std::uint64_t requests,
               std::uint64_t writes, Costs& costs) {
  const std::uint64_t clogging = client.clog(server);
  const auto clogged = server.cpu_time_at_rest();
  for (std::uint64_t i = 0; i < requests; ++i) {
    client.request(0);
  }
  const auto begin = server.cpu_time_at_rest();
  for (std::uint64_t i = 0; i < requests; ++i) {
    client.request(writes);
  }
  const auto queued = server.cpu_time_at_rest();
  costs.rss_queued_kib = std::max(costs.rss_queued_kib, server.exact_rss_kib());
  costs.idle_requests += begin - clogged;
  costs.queueing += queued - begin;
  const std::uint64_t all_writes = clogging + requests * writes;
  // What the kernel holds has left the server's queue already.
  costs.bytes_drained += all_writes * deep_message_bytes - client.held_by_the_kernel();
  client.receive(all_writes);
  client.settle();
  costs.draining += server.cpu_time_at_rest() - queued;
}

}  // namespace

Report load_deep(CommandLine& options) {
  const Target target(options);
  const std::uint64_t writes = options.number("writes", 100'000);
  options.reject_the_rest();
  if (writes == 0) {
    throw std::invalid_argument("--writes must be positive");
  }
  Client client(target.address);
  Report report;
  report.sha256 = client.verify();
  client.settle();
  const std::size_t rss_before_kib = target.server.exact_rss_kib();

  // Few writes are over before their time can be told: then it is that of several requests.
  const std::uint64_t requests = std::max<std::uint64_t>(10'000 / writes, 1);
  Costs costs;
  std::uint64_t rounds = 0;
  const Clock::time_point begin = Clock::now();
  do {
    run_round(client, target.server, requests, writes, costs);
    ++rounds;
  } while (Clock::now() - begin < target.window);
  report.window = Clock::now() - begin;

  report.take_memory_of(target.server);
  report.messages = static_cast<double>(rounds * requests * writes);
  report.bytes = rounds * requests * writes * deep_message_bytes;
  // What a request costs that asks for nothing is not the cost of writes.
  const double queueing =
      static_cast<double>((costs.queueing - costs.idle_requests).count()) / report.messages;
  const double draining = static_cast<double>(costs.draining.count()) * deep_message_bytes /
                          static_cast<double>(costs.bytes_drained);
  report.server_cpu =
      std::chrono::nanoseconds(static_cast<std::int64_t>((queueing + draining) * report.messages));
  report.extra = {{"queueing_cpu_ns_per_write", queueing},
                  {"draining_cpu_ns_per_write", draining},
                  {"rss_before_kib", static_cast<double>(rss_before_kib)},
                  {"rss_queued_kib", static_cast<double>(costs.rss_queued_kib)},
                  {"rss_after_kib", static_cast<double>(target.server.exact_rss_kib())}};
  return report;
}

}  // namespace bench
