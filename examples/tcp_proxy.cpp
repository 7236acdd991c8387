// A TCP proxy: what one end sends the other receives, both ways, by splice, with half-close and
// back-pressure. Usage: tcp_proxy PORT HOST PORT: where to listen and where to forward to. Try it:
//     tcp_proxy 8080 example.org 80

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <sluice/sluice.hpp>
#include <string>
#include <utility>

#include "arguments.hpp"

// What arrives before the relay stands waits in the kernel.
class Waiting : public sluice::Protocol {
 public:
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport->pause_reading();
  }
};

class Client : public sluice::Protocol {
 public:
  Client(sluice::EventLoop& loop, std::string host, std::uint16_t port)
      : loop_(loop), host_(std::move(host)), port_(port) {}
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport->pause_reading();
    loop_.create_task(forward(loop_, std::move(transport), host_, port_));
  }

 private:
  static sluice::Task<> forward(sluice::EventLoop& loop, std::shared_ptr<sluice::Transport> client,
                                std::string host, std::uint16_t port) {
    try {
      const auto server = co_await loop.create_connection(
          [] { return std::make_shared<Waiting>(); }, std::move(host), port);
      if (client->is_closing()) {
        server.transport->abort();  // nobody waits for it any more
      } else {
        co_await sluice::relay_both(client, server.transport);
      }
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      client->abort();
    }
  }

  sluice::EventLoop& loop_;
  std::string host_;
  std::uint16_t port_;
};

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: tcp_proxy PORT HOST PORT\n");
    return 2;
  }
  const std::uint16_t listening = port_argument(argv[1]);
  const std::uint16_t forwarding = port_argument(argv[3]);
  try {
    sluice::EventLoop loop;
    const auto server = loop.run_until_complete(
        loop.create_server([&] { return std::make_shared<Client>(loop, argv[2], forwarding); },
                           "127.0.0.1", listening));
    loop.add_signal_handler(SIGTERM, [&] { loop.stop(); });
    loop.add_signal_handler(SIGINT, [&] { loop.stop(); });
    std::printf("serving on %s\n", server->sockets().front().to_string().c_str());
    std::fflush(stdout);
    loop.run_forever();
  } catch (const std::system_error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
