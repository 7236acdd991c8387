// A relay: what a client sends arrives at the target, which is the load as well, and back.

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/messages.hpp"
#include "common/require.hpp"
#include "connection.hpp"
#include "flow.hpp"
#include "sha256.hpp"
#include "traffic.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t message_bytes = 64 * 1024;

struct Pair {
  Descriptor client;
  Descriptor target;
};

Descriptor accept_one(int listener) {
  wait_until_ready(listener, POLLIN);
  return Descriptor(
      require(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC), "accept4"));
}

Pair connect_pair(const Address& address, int listener) {
  Descriptor client = connect_to(address);
  return {std::move(client), accept_one(listener)};
}

void carry(int from, int to, std::string_view bytes, Sha256& sum) {
  std::vector<char> in(256 * 1024);
  for (std::size_t awaited = bytes.size(); awaited > 0;) {
    std::array<pollfd, 2> both{pollfd{bytes.empty() ? -1 : from, POLLOUT, 0},
                               pollfd{to, POLLIN, 0}};
    if (require(poll(both.data(), both.size(), static_cast<int>(patience.count())), "poll") == 0) {
      throw std::runtime_error("the server did nothing for a minute");
    }
    bytes.remove_prefix(send_some(from, bytes));
    const std::size_t got = receive_some(to, in);
    if (got > awaited) {
      throw std::runtime_error("the server has sent more than it was given");
    }
    sum.update(std::span(in).first(got));
    awaited -= got;
  }
}

void end_at(int from, int to) {
  require(shutdown(from, SHUT_WR), "shutdown");
  wait_until_ready(to, POLLIN);
  char byte = 0;
  if (read(to, &byte, 1) != 0) {
    throw std::runtime_error("the server has not carried the end over");
  }
}

// There, and back after the client has ended its half.
std::string verify(const Pair& pair) {
  const std::string bytes = pattern(4 * 1024 * 1024);
  Sha256 sum;
  carry(pair.client.get(), pair.target.get(), bytes, sum);
  end_at(pair.client.get(), pair.target.get());
  carry(pair.target.get(), pair.client.get(), bytes, sum);
  end_at(pair.target.get(), pair.client.get());
  return sum.finish();
}

}  // namespace

Report load_relay(CommandLine& options) {
  const Target target(options);
  const Descriptor listener(static_cast<int>(options.number("listener", 0)));
  const std::size_t bytes = options.number("bytes", std::size_t{1} << 30) / target.connections;
  options.reject_the_rest();
  if (listener.get() <= STDERR_FILENO || bytes < message_bytes) {
    throw std::invalid_argument(
        "relay needs --listener FD, and 64 KiB in --bytes for each connection");
  }
  Report report;
  report.sha256 = verify(connect_pair(target.address, listener.get()));

  std::vector<Pair> pairs;
  Flow flow;
  while (pairs.size() < target.connections) {
    pairs.push_back(connect_pair(target.address, listener.get()));
    flow.add_source(pairs.back().client.get());
    flow.add_sink(pairs.back().target.get());
  }
  // Opens the windows of TCP.
  flow.run(bytes / 16);

  const auto cpu_before = target.server.cpu_time_at_rest();
  const Clock::time_point begin = Clock::now();
  flow.run(bytes);
  report.window = Clock::now() - begin;
  report.server_cpu = target.server.cpu_time_at_rest() - cpu_before;
  report.bytes = bytes * target.connections;
  report.messages = static_cast<double>(report.bytes) / static_cast<double>(message_bytes);
  report.take_memory_of(target.server);
  return report;
}

}  // namespace bench
