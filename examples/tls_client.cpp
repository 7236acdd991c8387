// A TLS client: sends what it reads from standard input, says that this is all, prints the answer.
// Usage: tls_client HOST PORT [TRUSTED-CERTIFICATES]. Try it:
//     printf 'GET / HTTP/1.0\r\nHost: example.org\r\n\r\n' | tls_client example.org 443

#include <cstdint>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <sluice/sluice.hpp>
#include <sluice/tls.hpp>
#include <string>
#include <utility>

#include "arguments.hpp"

class Client : public sluice::Protocol {
 public:
  Client(std::string message, sluice::Future<std::error_code> done)
      : message_(std::move(message)), done_(std::move(done)) {}

  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport->write(message_);
    if (transport->can_write_eof()) {
      transport->write_eof();  // TLS 1.3: the answer still comes
    }
  }
  void data_received(sluice::Bytes data) override {
    std::fwrite(data.data(), 1, data.size(), stdout);
  }
  void connection_lost(std::error_code error) override { done_.set_result(error); }

 private:
  std::string message_;
  sluice::Future<std::error_code> done_;
};

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: tls_client HOST PORT [TRUSTED-CERTIFICATES]\n");
    return 2;
  }
  const std::uint16_t port = port_argument(argv[2]);
  const std::string message{std::istreambuf_iterator<char>(std::cin), {}};
  try {
    // Without a file of its own, the system's certificates are trusted.
    const auto context = sluice::TlsContext::client({.ca_file = argc > 3 ? argv[3] : ""});
    sluice::EventLoop loop;
    const auto done = loop.create_future<std::error_code>();
    loop.run_until_complete(loop.create_connection(
        [&] { return std::make_shared<Client>(message, done); }, argv[1], port, {.ssl = context}));
    if (const std::error_code error = loop.run_until_complete(done)) {
      std::fprintf(stderr, "connection lost: %s\n", error.message().c_str());
      return 1;
    }
  } catch (const std::system_error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
