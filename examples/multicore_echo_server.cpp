// A TCP echo server on all cores: as tcp_echo_server, with a loop on a thread for each core. Usage:
// multicore_echo_server [PORT [LOOPS]]; port 0 is any free one, 0 loops are as many as there are
// cores. asyncio has no counterpart: there one starts several processes.

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sluice/sluice.hpp>
#include <utility>

// Made, called and destroyed on the thread of one loop: no locks, as with a single loop.
class EchoProtocol : public sluice::Protocol {
 public:
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport_ = std::move(transport);
  }
  void data_received(sluice::Bytes data) override { transport_->write(data); }
  void connection_lost(std::error_code /*error*/) override { transport_.reset(); }

  // A client that sends without reading gets no more read from until it has taken its echo.
  void pause_writing() override { transport_->pause_reading(); }
  void resume_writing() override { transport_->resume_reading(); }

 private:
  std::shared_ptr<sluice::Transport> transport_;
};

int main(int argc, char** argv) {
  const auto port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8888);
  sluice::LoopGroup group(argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 0);
  const auto server = group.run_until_complete(
      group.create_server([] { return std::make_shared<EchoProtocol>(); }, "127.0.0.1", port));

  // The first signal ends it in order: what is buffered is sent. The second ends it at once.
  bool ending = false;
  const auto end = [&] {
    if (std::exchange(ending, true)) {
      group.stop();
      return;
    }
    server->close();
    server->close_clients();
    server->wait_closed().add_done_callback([&](const sluice::Future<void>&) { group.stop(); });
  };
  group.loop(0).add_signal_handler(SIGTERM, end);
  group.loop(0).add_signal_handler(SIGINT, end);
  std::printf("serving on %s\n", server->sockets().front().to_string().c_str());
  std::fflush(stdout);
  group.run_forever();
}
