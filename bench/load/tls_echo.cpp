// Echo over TLS: each connection sends a message and waits for its echo.

#include <sys/epoll.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/messages.hpp"
#include "exchange.hpp"
#include "readiness.hpp"
#include "secure_client.hpp"
#include "sha256.hpp"
#include "traffic.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

class SecurePingPong final : public Traffic {
 public:
  SecurePingPong(std::vector<SecureClient> clients, std::string_view message) : message_(message) {
    for (SecureClient& client : clients) {
      readiness_.add(client.fd(), connections_.size(), EPOLLIN | EPOLLOUT | EPOLLET);
      connections_.push_back({.client = std::move(client)});
    }
  }

  void start() override {
    busy_ = connections_.size();
    for (Connection& connection : connections_) {
      send_message(connection);
    }
  }
  void wind_down() override { winding_down_ = true; }
  [[nodiscard]] bool is_idle() const override { return busy_ == 0; }
  void turn(int timeout_ms) override {
    readiness_.wait(timeout_ms, [this](std::size_t place) {
      Connection& connection = connections_[place];
      static_cast<void>(connection.client.flush());
      while (connection.client.receive(
          in_, [&](std::span<const char> plain) { take(connection, plain.size()); })) {
      }
    });
  }

 private:
  struct Connection {
    SecureClient client;
    std::size_t awaited = 0;
    std::chrono::steady_clock::time_point begin{};
  };

  void send_message(Connection& connection) {
    connection.begin = std::chrono::steady_clock::now();
    connection.awaited = message_.size();
    connection.client.send(message_);
  }
  void take(Connection& connection, std::size_t size) {
    if (size > connection.awaited) {
      throw std::runtime_error("the server has sent more than it was asked for");
    }
    connection.awaited -= size;
    count(size);
    if (connection.awaited == 0) {
      take_latency_since(connection.begin);
      if (winding_down_) {
        --busy_;
      } else {
        send_message(connection);
      }
    }
  }

  std::string_view message_;
  Readiness readiness_;
  std::vector<Connection> connections_;
  bool winding_down_ = false;
  std::size_t busy_ = 0;
  std::vector<char> in_ = std::vector<char>(256 * 1024);
};

}  // namespace

Report load_tls_echo(CommandLine& options) {
  const Target target(options);
  const std::string message = pattern(options.number("size", 1024));
  options.reject_the_rest();
  if (message.empty()) {
    throw std::invalid_argument("--size must be positive");
  }
  const TlsContextPointer context = tls_client_context();
  std::vector<SecureClient> clients =
      connect_securely(target.address, *context, target.connections);
  Sha256 sum;
  for (SecureClient& client : clients) {
    client.exchange(repeat(message, 3), 3 * message.size(), sum);
  }
  Traffics traffics;
  traffics.push_back(std::make_unique<SecurePingPong>(std::move(clients), message));
  Report report = measure(traffics, target, message.size());
  report.sha256 = sum.finish();
  return report;
}

}  // namespace bench
