// A TCP echo server: what arrives is written back. Usage: tcp_echo_server [PORT]; 0 is any free
// port. asyncio documentation: "TCP Echo Server".

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <sluice/sluice.hpp>
#include <utility>

#include "arguments.hpp"

class EchoProtocol : public sluice::Protocol {
 public:
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    std::printf("connection from %s\n", transport->peername()->to_string().c_str());
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
  const auto port = argc > 1 ? port_argument(argv[1]) : std::uint16_t{8888};
  sluice::EventLoop loop;
  const auto server = loop.run_until_complete(
      loop.create_server([] { return std::make_shared<EchoProtocol>(); }, "127.0.0.1", port));
  loop.add_signal_handler(SIGTERM, [&] { loop.stop(); });
  loop.add_signal_handler(SIGINT, [&] { loop.stop(); });
  std::printf("serving on %s\n", server->sockets().front().to_string().c_str());
  std::fflush(stdout);
  loop.run_forever();
}
