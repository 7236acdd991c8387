#pragma once

#include <functional>
#include <memory>
#include <set>

#include "endpoint.hpp"
#include "service.hpp"

namespace sluice::cli {

/// Connects each client to a target and relays both ways, until both ends have ended.
class Proxy final : public Service {
 public:
  /// `on_idle` is called, from the loop, whenever the last relay has ended. Throws RunError when
  /// the target needs TLS that cannot be set up.
  Proxy(EventLoop& loop, Endpoint target, BufferMarks marks, std::function<void()> on_idle);
  ~Proxy() override;

  [[nodiscard]] std::shared_ptr<Protocol> make_client() override;
  /// Relays go on until their ends have ended.
  void finish() override {}
  void abort() override;
  [[nodiscard]] bool is_busy() const override { return !links_.empty(); }
  [[nodiscard]] const ServiceTotals& totals() const override { return totals_; }

 private:
  class Link;
  class Waiting;
  class Parting;

  [[nodiscard]] Future<Connection<Waiting>> connect();

  EventLoop& loop_;
  Endpoint target_;
  std::shared_ptr<TlsContext> tls_;  // to the target; null: plain
  BufferMarks marks_;
  std::function<void()> on_idle_;
  ServiceTotals totals_;
  std::set<Link*> links_;  // those with a connection
};

}  // namespace sluice::cli
