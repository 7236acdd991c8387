// A TCP echo client: sends a message, prints the answer, closes. Usage: tcp_echo_client PORT
// [MESSAGE] asyncio documentation: "TCP Echo Client".

#include <cstdint>
#include <cstdio>
#include <memory>
#include <sluice/sluice.hpp>
#include <string>
#include <utility>

#include "arguments.hpp"

class EchoClient : public sluice::Protocol {
 public:
  EchoClient(std::string message, sluice::Future<void> done)
      : message_(std::move(message)), done_(std::move(done)) {}

  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport->write(message_);
    // The server closes when it has echoed everything.
    transport->write_eof();
    std::printf("Data sent: %s\n", message_.c_str());
  }
  void data_received(sluice::Bytes data) override { answer_ += sluice::as_text(data); }
  void connection_lost(std::error_code /*error*/) override {
    std::printf("Data received: %s\nThe server closed the connection\n", answer_.c_str());
    done_.set_result();
  }

 private:
  std::string message_;
  std::string answer_;
  sluice::Future<void> done_;
};

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: tcp_echo_client PORT [MESSAGE]\n");
    return 2;
  }
  const auto port = port_argument(argv[1]);
  const std::string message = argc > 2 ? argv[2] : "Hello World!";
  sluice::EventLoop loop;
  const auto done = loop.create_future<void>();
  try {
    loop.run_until_complete(loop.create_connection(
        [&] { return std::make_shared<EchoClient>(message, done); }, "127.0.0.1", port));
    loop.run_until_complete(done);
  } catch (const std::system_error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
