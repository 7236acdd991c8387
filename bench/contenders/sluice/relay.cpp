// Relays each connection to a new one, as examples/tcp_proxy.cpp does.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <sluice/relay.hpp>
#include <sluice/sluice.hpp>
#include <stdexcept>
#include <utility>

#include "serving.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

// What arrives before the relay stands waits in the kernel.
class Waiting : public sluice::Protocol {
 public:
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport->pause_reading();
  }
};

sluice::Task<> relay_to(sluice::EventLoop& loop, std::uint16_t port,
                        std::shared_ptr<sluice::Transport> client) {
  try {
    const auto target = co_await loop.create_connection([] { return std::make_shared<Waiting>(); },
                                                        "127.0.0.1", port);
    if (client->is_closing()) {
      target.transport->abort();
    } else {
      co_await sluice::relay_both(client, target.transport);
    }
  } catch (const std::exception&) {
    client->abort();
  }
}

class Relayed : public sluice::Protocol {
 public:
  Relayed(sluice::EventLoop& loop, std::uint16_t to) : loop_(loop), to_(to) {}
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport->pause_reading();
    loop_.create_task(relay_to(loop_, to_, std::move(transport)));
  }

 private:
  sluice::EventLoop& loop_;
  std::uint16_t to_;
};

}  // namespace

void serve_relay(CommandLine& options) {
  const std::size_t to = options.number("to", 0);
  options.reject_the_rest();
  if (to == 0 || to > UINT16_MAX) {
    throw std::invalid_argument("relay needs --to PORT");
  }
  sluice::EventLoop loop;
  serve_in(loop,
           [&loop, to] { return std::make_shared<Relayed>(loop, static_cast<std::uint16_t>(to)); });
}

}  // namespace bench
