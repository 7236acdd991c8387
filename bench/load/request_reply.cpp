// Requests and their replies: each connection has a batch of requests under way, and sends the next
// when the last reply has arrived.

#include <sys/epoll.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/messages.hpp"
#include "connection.hpp"
#include "exchange.hpp"
#include "readiness.hpp"
#include "sha256.hpp"
#include "traffic.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

constexpr std::size_t read_buffer_bytes = 256 * 1024;

class RequestReply final : public Traffic {
 public:
  // With one request at a time, each has its latency.
  RequestReply(std::vector<Descriptor> connections, std::string_view batch, std::size_t reply_bytes,
               bool take_latencies)
      : batch_(batch), reply_bytes_(reply_bytes), take_latencies_(take_latencies) {
    for (Descriptor& connection : connections) {
      readiness_.add(connection.get(), connections_.size(), EPOLLIN | EPOLLOUT | EPOLLET);
      connections_.push_back({.socket = std::move(connection)});
    }
  }

  void start() override {
    busy_ = connections_.size();
    for (Connection& connection : connections_) {
      send_batch(connection);
    }
  }
  void wind_down() override { winding_down_ = true; }
  [[nodiscard]] bool is_idle() const override { return busy_ == 0; }
  void turn(int timeout_ms) override {
    readiness_.wait(timeout_ms, [this](std::size_t place) {
      Connection& connection = connections_[place];
      send_rest(connection);
      receive(connection);
    });
  }

 private:
  struct Connection {
    Descriptor socket;
    std::size_t unsent = 0;
    std::size_t awaited = 0;
    std::chrono::steady_clock::time_point begin{};
  };

  void send_batch(Connection& connection) {
    if (take_latencies_) {
      connection.begin = std::chrono::steady_clock::now();
    }
    connection.unsent = batch_.size();
    connection.awaited = reply_bytes_;
    send_rest(connection);
  }
  void send_rest(Connection& connection) {
    if (connection.unsent > 0) {
      connection.unsent -=
          send_some(connection.socket.get(), batch_.substr(batch_.size() - connection.unsent));
    }
  }
  void receive(Connection& connection) {
    std::size_t got = 0;
    do {
      got = receive_some(connection.socket.get(), in_);
      if (got > connection.awaited) {
        throw std::runtime_error("the server has sent more than it was asked for");
      }
      connection.awaited -= got;
      count(got);
      if (got > 0 && connection.awaited == 0) {
        if (take_latencies_) {
          take_latency_since(connection.begin);
        }
        if (winding_down_) {
          --busy_;
        } else {
          send_batch(connection);
        }
      }
    } while (got == in_.size());
  }

  std::string_view batch_;
  std::size_t reply_bytes_;
  bool take_latencies_;
  bool winding_down_ = false;
  std::size_t busy_ = 0;
  Readiness readiness_;
  std::vector<Connection> connections_;
  std::vector<char> in_ = std::vector<char>(read_buffer_bytes);
};

struct Shape {
  std::string request;
  std::size_t reply_bytes;
  std::size_t depth;
};

// Two requests and a half, and the rest when the first was answered: the server gets one in two
// parts.
std::string verify(const std::vector<Descriptor>& connections, const Shape& shape) {
  const std::size_t requests = std::max<std::size_t>(shape.depth, 3);
  const std::string bytes = repeat(shape.request, requests);
  const std::size_t cut = shape.request.size() * 5 / 2;
  Sha256 sum;
  for (const Descriptor& connection : connections) {
    const std::string_view all = bytes;
    exchange(connection.get(), all.substr(0, cut), shape.reply_bytes, sum);
    exchange(connection.get(), all.substr(cut), (requests - 1) * shape.reply_bytes, sum);
  }
  return sum.finish();
}

Report load_request_reply(CommandLine& options, const Shape& shape) {
  const Target target(options);
  const std::size_t threads = options.number("load-threads", 1);
  options.reject_the_rest();
  if (shape.depth == 0 || shape.request.empty()) {
    throw std::invalid_argument("--depth and --size must be positive");
  }

  std::vector<Descriptor> connections = connect_to(target.address, target.connections);
  std::string sum = verify(connections, shape);
  const std::string batch = repeat(shape.request, shape.depth);
  Traffics traffics;
  for (std::vector<Descriptor>& share : shares(std::move(connections), threads)) {
    traffics.push_back(std::make_unique<RequestReply>(
        std::move(share), batch, shape.depth * shape.reply_bytes, shape.depth == 1));
  }
  Report report = measure(traffics, target, shape.reply_bytes);
  report.sha256 = std::move(sum);
  return report;
}

}  // namespace

Report load_replies(CommandLine& options) {
  return load_request_reply(
      options, {pattern(request_bytes), reply_text.size(), options.number("depth", 1)});
}

Report load_pieces(CommandLine& options) {
  return load_request_reply(options,
                            {pattern(request_bytes), pieces_bytes, options.number("depth", 1)});
}

Report load_echo(CommandLine& options) {
  const std::size_t size = options.number("size", 1024);
  return load_request_reply(options, {pattern(size), size, options.number("depth", 1)});
}

}  // namespace bench
