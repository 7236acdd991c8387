// Bursts of datagrams over the loopback: how many a system call carries, sending and receiving, and
// the processor time per datagram, with both write policies and two patterns of addresses.
//
// Goal: datagrams per call, which the kernel's limits and the code decide. Not a goal: absolute
// times, which belong to the machine.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <optional>
#include <sluice/sluice.hpp>
#include <string>
#include <vector>

namespace {

constexpr std::size_t burst = 64;
constexpr std::size_t datagram_bytes = 1200;

class Counter : public sluice::DatagramProtocol {
 public:
  void datagram_received(sluice::Bytes /*data*/, const sluice::SocketAddress& /*addr*/) override {
    ++received;
  }
  std::size_t received = 0;
};

using Made = sluice::DatagramConnection<Counter>;

Made open(sluice::EventLoop& loop) {
  return loop.run_until_complete(
      loop.create_datagram_endpoint([] { return std::make_shared<Counter>(); },
                                    {.local_addr = sluice::HostAndPort{"127.0.0.1", 0}}));
}

// One sender, to as many receivers as asked for, in turn.
void run(sluice::WritePolicy policy, std::size_t receivers, std::size_t bursts) {
  sluice::LoopOptions options;
  options.write_policy = policy;
  sluice::EventLoop loop(std::move(options));
  const Made sender = open(loop);
  std::vector<Made> all;
  for (std::size_t i = 0; i < receivers; ++i) {
    all.push_back(open(loop));
  }
  const std::string text(datagram_bytes, 'x');
  const auto begin = std::clock();
  for (std::size_t i = 0; i < bursts; ++i) {
    loop.call_soon([&] {
      for (std::size_t j = 0; j < burst; ++j) {
        sender.transport->sendto(text, all[j % receivers].transport->sockname());
      }
    });
    for (int turn = 0; turn < 6; ++turn) {
      loop.stop();
      loop.run_forever();
    }
  }
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  const sluice::DatagramStatistics sent = sender.transport->statistics();
  std::size_t received = 0;
  std::size_t receive_calls = 0;
  for (const Made& each : all) {
    received += each.protocol->received;
    receive_calls += each.transport->statistics().receive_calls;
  }
  const auto per = [](std::size_t count, std::size_t calls) {
    return static_cast<double>(count) / static_cast<double>(std::max<std::size_t>(calls, 1));
  };
  std::printf(
      "%-9s %zu receiver(s): %5.1f sent per call, %5zu trains, %4.1f received per call, "
      "%zu of %zu arrived, %.2f us each\n",
      policy == sluice::WritePolicy::coalesce ? "coalesce" : "immediate", receivers,
      per(sent.datagrams_sent, sent.send_calls), static_cast<std::size_t>(sent.segment_trains),
      per(received, receive_calls), received, static_cast<std::size_t>(sent.datagrams_sent),
      1e6 * seconds / static_cast<double>(sent.datagrams_sent));
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t bursts =
      argc > 1 ? static_cast<std::size_t>(std::strtoul(argv[1], nullptr, 10)) : 2000;
  for (const std::size_t receivers : {1U, 4U}) {
    run(sluice::WritePolicy::immediate, receivers, bursts);
    run(sluice::WritePolicy::coalesce, receivers, bursts);
  }
  return 0;
}
