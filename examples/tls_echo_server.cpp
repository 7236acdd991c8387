// A TLS echo server: what arrives is written back. Usage: tls_echo_server PORT CERTIFICATE [KEY]; a
// port of 0 is any free one. Try it: openssl s_client -connect 127.0.0.1:PORT

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <sluice/sluice.hpp>
#include <sluice/tls.hpp>
#include <utility>

#include "arguments.hpp"

class EchoProtocol : public sluice::Protocol {
 public:
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    const auto info = sluice::tls_info(*transport);
    std::printf("%s %s\n", info->version == sluice::TlsVersion::tls_1_3 ? "TLS 1.3" : "TLS 1.2",
                info->session_reused ? "resumed" : "new");
    std::fflush(stdout);
    transport_ = std::move(transport);
  }
  void data_received(sluice::Bytes data) override { transport_->write(data); }
  void connection_lost(std::error_code error) override {
    std::printf("lost: %s\n", error ? error.message().c_str() : "nothing wrong");
    std::fflush(stdout);
    transport_.reset();
  }

  // A client that sends without reading gets no more read from until it has taken its echo.
  void pause_writing() override { transport_->pause_reading(); }
  void resume_writing() override { transport_->resume_reading(); }

 private:
  std::shared_ptr<sluice::Transport> transport_;
};

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: tls_echo_server PORT CERTIFICATE [KEY]\n");
    return 2;
  }
  const std::uint16_t port = port_argument(argv[1]);
  try {
    const auto context = sluice::TlsContext::server(
        {.certificate_file = argv[2], .key_file = argc > 3 ? argv[3] : ""});
    sluice::EventLoop loop;
    const auto server = loop.run_until_complete(loop.create_server(
        [] { return std::make_shared<EchoProtocol>(); }, "127.0.0.1", port, {.ssl = context}));
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
