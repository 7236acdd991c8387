// Asks for a message to all connections, and for the next one when all have it.

#include <sys/epoll.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "connection.hpp"
#include "exchange.hpp"
#include "readiness.hpp"
#include "sha256.hpp"
#include "traffic.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

constexpr std::size_t read_buffer_bytes = 256 * 1024;

// The last one was accepted last: when the server hears it, it knows all the others.
const Descriptor& asking(const std::vector<Descriptor>& connections) {
  return connections.back();
}

class Audience final : public Traffic {
 public:
  Audience(std::vector<Descriptor> connections, std::size_t message_bytes)
      : round_bytes_(connections.size() * message_bytes), connections_(std::move(connections)) {
    for (std::size_t place = 0; place < connections_.size(); ++place) {
      readiness_.add(connections_[place].get(), place, EPOLLIN | EPOLLET);
    }
  }

  void start() override { ask(); }
  void wind_down() override { winding_down_ = true; }
  [[nodiscard]] bool is_idle() const override { return awaited_ == 0; }
  void turn(int timeout_ms) override {
    readiness_.wait(timeout_ms, [this](std::size_t place) { receive(connections_[place].get()); });
  }

 private:
  void ask() {
    awaited_ = round_bytes_;
    if (send_some(asking(connections_).get(), "!") != 1) {
      throw std::runtime_error("the server does not take one byte");
    }
  }
  void receive(int fd) {
    std::size_t got = 0;
    do {
      got = receive_some(fd, in_);
      if (got > awaited_) {
        throw std::runtime_error("the server has sent more than it was asked for");
      }
      awaited_ -= got;
      count(got);
    } while (got == in_.size());
    if (awaited_ == 0 && !winding_down_) {
      ask();
    }
  }

  std::size_t round_bytes_;
  std::size_t awaited_ = 0;
  bool winding_down_ = false;
  Readiness readiness_;
  std::vector<Descriptor> connections_;
  std::vector<char> in_ = std::vector<char>(read_buffer_bytes);
};

}  // namespace

Report load_fanout(CommandLine& options) {
  const Target target(options);
  const std::size_t size = options.number("size", 16384);
  options.reject_the_rest();
  if (size == 0) {
    throw std::invalid_argument("--size must be positive");
  }

  const std::size_t descriptors = target.server.descriptors();
  std::vector<Descriptor> connections = connect_to(target.address, target.connections);
  target.server.wait_for_descriptors(descriptors + connections.size());
  const std::size_t rss_before_message = target.server.exact_rss_kib();
  Sha256 sum;
  exchange(asking(connections).get(), "!", 0, sum);
  for (const Descriptor& connection : connections) {
    exchange(connection.get(), {}, size, sum);
  }
  Traffics traffics;
  traffics.push_back(std::make_unique<Audience>(std::move(connections), size));
  Report report = measure(traffics, target, size);
  report.sha256 = sum.finish();
  // The peak is told in coarser steps than what a connection may take.
  report.extra["rss_before_message_kib"] = static_cast<double>(rss_before_message);
  report.extra["rss_after_window_kib"] = static_cast<double>(target.server.exact_rss_kib());
  return report;
}

}  // namespace bench
