// Reads what the server writes over TLS without end, as fast as it can.

#include <sys/epoll.h>

#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "readiness.hpp"
#include "secure_client.hpp"
#include "sha256.hpp"
#include "traffic.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

class SecureDrain final : public Traffic {
 public:
  explicit SecureDrain(std::vector<SecureClient> clients) : clients_(std::move(clients)) {
    // Level-triggered: after one read it is the turn of the next connection.
    for (std::size_t place = 0; place < clients_.size(); ++place) {
      readiness_.add(clients_[place].fd(), place, EPOLLIN);
    }
  }

  void turn(int timeout_ms) override {
    readiness_.wait(timeout_ms, [this](std::size_t place) {
      static_cast<void>(clients_[place].receive(
          in_, [this](std::span<const char> plain) { count(plain.size()); }));
    });
  }

 private:
  Readiness readiness_;
  std::vector<SecureClient> clients_;
  std::vector<char> in_ = std::vector<char>(256 * 1024);
};

}  // namespace

Report load_tls_stream(CommandLine& options) {
  const Target target(options);
  const std::size_t size = options.number("size", 65536);
  options.reject_the_rest();
  if (size == 0) {
    throw std::invalid_argument("--size must be positive");
  }
  const TlsContextPointer context = tls_client_context();
  std::vector<SecureClient> clients =
      connect_securely(target.address, *context, target.connections);
  Sha256 sum;
  for (SecureClient& client : clients) {
    // Two chunks and a part: where one ends and the next begins is seen.
    client.exchange({}, 2 * size + size / 2, sum);
  }
  Traffics traffics;
  traffics.push_back(std::make_unique<SecureDrain>(std::move(clients)));
  Report report = measure(traffics, target, size);
  report.sha256 = sum.finish();
  return report;
}

}  // namespace bench
