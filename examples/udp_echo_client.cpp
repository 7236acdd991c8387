// A UDP echo client: sends a datagram, prints the answer, closes. Usage: udp_echo_client PORT
// [MESSAGE] asyncio documentation: "UDP Echo Client".

#include <cstdint>
#include <cstdio>
#include <memory>
#include <sluice/sluice.hpp>
#include <string>
#include <utility>

#include "arguments.hpp"

class EchoClientProtocol : public sluice::DatagramProtocol {
 public:
  EchoClientProtocol(std::string message, sluice::Future<void> done)
      : message_(std::move(message)), done_(std::move(done)) {}

  void connection_made(std::shared_ptr<sluice::DatagramTransport> transport) override {
    transport_ = std::move(transport);
    std::printf("Send: %s\n", message_.c_str());
    transport_->sendto(message_);
  }
  void datagram_received(sluice::Bytes data, const sluice::SocketAddress& /*addr*/) override {
    const std::string answer(sluice::as_text(data));
    std::printf("Received: %s\nClose the socket\n", answer.c_str());
    transport_->close();
  }
  void error_received(std::error_code error) override {
    std::printf("Error received: %s\n", error.message().c_str());
    transport_->close();
  }
  void connection_lost(std::error_code /*error*/) override {
    std::printf("Connection closed\n");
    transport_.reset();
    done_.set_result();
  }

 private:
  std::string message_;
  std::shared_ptr<sluice::DatagramTransport> transport_;
  sluice::Future<void> done_;
};

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: udp_echo_client PORT [MESSAGE]\n");
    return 2;
  }
  const auto port = port_argument(argv[1]);
  const std::string message = argc > 2 ? argv[2] : "Hello World!";
  sluice::EventLoop loop;
  try {
    auto done = loop.create_future<void>();
    loop.run_until_complete(loop.create_datagram_endpoint(
        [&] { return std::make_shared<EchoClientProtocol>(message, done); },
        {.remote_addr = sluice::HostAndPort{"127.0.0.1", port}}));
    loop.run_until_complete(done);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "udp_echo_client: %s\n", error.what());
    return 1;
  }
  return 0;
}
