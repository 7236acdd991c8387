// Reads what the server writes without end, as fast as it can.

#include <sys/epoll.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string_view>
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

class Drain final : public Traffic {
 public:
  explicit Drain(std::vector<Descriptor> connections) : connections_(std::move(connections)) {
    // Level-triggered: after one read it is the turn of the next connection.
    for (std::size_t place = 0; place < connections_.size(); ++place) {
      readiness_.add(connections_[place].get(), place, EPOLLIN);
    }
  }

  void turn(int timeout_ms) override {
    readiness_.wait(timeout_ms, [this](std::size_t place) {
      count(receive_some(connections_[place].get(), in_));
    });
  }

 private:
  Readiness readiness_;
  std::vector<Descriptor> connections_;
  std::vector<char> in_ = std::vector<char>(read_buffer_bytes);
};

}  // namespace

Report load_stream(CommandLine& options) {
  const Target target(options);
  const std::size_t size = options.number("size", 65536);
  const std::size_t threads = options.number("load-threads", 1);
  options.reject_the_rest();
  if (size == 0) {
    throw std::invalid_argument("--size must be positive");
  }

  std::vector<Descriptor> connections = connect_to(target.address, target.connections);
  Sha256 sum;
  for (const Descriptor& connection : connections) {
    // Two chunks and a part: where one ends and the next begins is seen.
    exchange(connection.get(), {}, 2 * size + size / 2, sum);
  }
  Traffics traffics;
  for (std::vector<Descriptor>& share : shares(std::move(connections), threads)) {
    traffics.push_back(std::make_unique<Drain>(std::move(share)));
  }
  Report report = measure(traffics, target, size);
  report.sha256 = sum.finish();
  return report;
}

}  // namespace bench
