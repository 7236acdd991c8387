// A UDP echo server: sends every datagram back to where it came from. Usage: udp_echo_server
// [PORT] (default 9999, 0 for any). asyncio documentation: "UDP Echo Server".

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <sluice/sluice.hpp>
#include <string>
#include <utility>

#include "arguments.hpp"

class EchoServerProtocol : public sluice::DatagramProtocol {
 public:
  void connection_made(std::shared_ptr<sluice::DatagramTransport> transport) override {
    transport_ = std::move(transport);
  }
  void datagram_received(sluice::Bytes data, const sluice::SocketAddress& addr) override {
    const std::string message(sluice::as_text(data));
    std::printf("Received '%s' from %s\n", message.c_str(), addr.to_string().c_str());
    transport_->sendto(data, addr);
  }
  // A client that is gone is no reason to stop.
  void error_received(std::error_code error) override {
    std::printf("Error received: %s\n", error.message().c_str());
  }
  void connection_lost(std::error_code /*error*/) override { transport_.reset(); }
  // A client that floods us is not read from until its answers have left.
  void pause_writing() override { transport_->pause_reading(); }
  void resume_writing() override { transport_->resume_reading(); }

 private:
  std::shared_ptr<sluice::DatagramTransport> transport_;
};

int main(int argc, char** argv) {
  const auto port = argc > 1 ? port_argument(argv[1]) : std::uint16_t{9999};
  sluice::EventLoop loop;
  try {
    auto [transport, protocol] = loop.run_until_complete(
        loop.create_datagram_endpoint([] { return std::make_shared<EchoServerProtocol>(); },
                                      {.local_addr = sluice::HostAndPort{"127.0.0.1", port}}));
    for (const int signal : {SIGINT, SIGTERM}) {
      loop.add_signal_handler(signal, [&loop] { loop.stop(); });
    }
    std::printf("serving on %s\n", transport->sockname()->to_string().c_str());
    std::fflush(stdout);
    loop.run_forever();
    transport->close();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "udp_echo_server: %s\n", error.what());
    return 1;
  }
  return 0;
}
