// The server on standalone Asio.

#include <unistd.h>

#include <asio.hpp>
#include <asio/ssl.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "byte_workloads.hpp"
#include "common/listening_socket.hpp"
#include "common/row.hpp"
#include "contenders/peer.hpp"
#include "message_workloads.hpp"
#include "relay.hpp"

namespace bench::with_asio {
namespace {

using asio::ip::tcp;
using Local = asio::local::stream_protocol;

template <class Protocol>
class Server {
 public:
  using Start = std::function<void(typename Protocol::socket)>;

  Server(asio::io_context& context, const typename Protocol::endpoint& endpoint, Start start)
      : acceptor_(context), start_(std::move(start)) {
    acceptor_.open(endpoint.protocol());
    acceptor_.bind(endpoint);
    acceptor_.listen(listen_backlog);
    accept();
  }

  [[nodiscard]] auto endpoint() const { return acceptor_.local_endpoint(); }

 private:
  void accept() {
    acceptor_.async_accept([this](std::error_code error, typename Protocol::socket socket) {
      if (!error) {
        if constexpr (std::is_same_v<Protocol, tcp>) {
          socket.set_option(tcp::no_delay(true), error);
        }
        start_(std::move(socket));
      }
      accept();
    });
  }

  typename Protocol::acceptor acceptor_;
  Start start_;
};

// Ends the loop at the end of standard input.
void watch_stdin(asio::posix::stream_descriptor& input, asio::io_context& context) {
  input.async_wait(asio::posix::stream_descriptor::wait_read, [&](std::error_code /*error*/) {
    if (stdin_has_ended()) {
      context.stop();
    } else {
      watch_stdin(input, context);
    }
  });
}

template <class Stream>
auto stream_starter(std::string_view chunk, std::size_t chunks) {
  return [chunk, chunks](Stream stream) {
    std::make_shared<StreamSession<Stream>>(std::move(stream), chunk, chunks)->start();
  };
}

void serve_tcp(asio::io_context& context, Server<tcp>::Start start) {
  const Server<tcp> server(context, {asio::ip::address_v4::loopback(), 0}, std::move(start));
  announce(server.endpoint().port());
  context.run();
}

void serve_stream(asio::io_context& context, const PeerOptions& options) {
  const Row chunk = row_pattern(options.size);
  if (options.transport == "tcp") {
    serve_tcp(context, stream_starter<tcp::socket>(chunk, without_end));
  } else if (options.transport == "unix") {
    unlink(options.path.c_str());
    const Server<Local> server(context, Local::endpoint(options.path),
                               stream_starter<Local::socket>(chunk, without_end));
    announce(0);
    context.run();
    unlink(options.path.c_str());
  } else if (options.transport == "pipe") {
    using Pipe = asio::posix::stream_descriptor;
    announce(0);
    for (const int fifo : open_fifos(options)) {
      stream_starter<Pipe>(chunk, without_end)(Pipe(context, fifo));
    }
    context.run();
  } else {
    throw UnknownWorkload("stream --transport " + options.transport);
  }
}

void serve_tls(asio::io_context& context, const PeerOptions& options) {
  using TlsStream = asio::ssl::stream<tcp::socket>;
  asio::ssl::context tls = server_context(options);
  if (options.workload == "tls_echo") {
    serve_tcp(context, [&tls](tcp::socket socket) {
      start_after_handshake(
          std::make_shared<EchoSession<TlsStream>>(TlsStream(std::move(socket), tls)));
    });
    return;
  }
  const Row chunk = row_pattern(options.size);
  serve_tcp(context, [&tls, &chunk](tcp::socket socket) {
    start_after_handshake(std::make_shared<StreamSession<TlsStream>>(
        TlsStream(std::move(socket), tls), chunk, without_end));
  });
}

void serve_slow(asio::io_context& context) {
  const std::string chunk = pattern(slow_chunk_bytes);
  serve_tcp(context, [&chunk](tcp::socket socket) {
    std::make_shared<SlowSession>(std::move(socket), chunk)->start();
  });
}

void serve(const PeerOptions& options) {
  asio::io_context context(1);
  asio::posix::stream_descriptor input(context, dup(STDIN_FILENO));
  watch_stdin(input, context);
  if (auto start = find_message_workload(options)) {
    serve_tcp(context, std::move(start));
  } else if (options.workload == "echo") {
    serve_tcp(context, [](tcp::socket socket) {
      std::make_shared<EchoSession<tcp::socket>>(std::move(socket))->start();
    });
  } else if (options.workload == "stream") {
    serve_stream(context, options);
  } else if (options.workload == "slow") {
    serve_slow(context);
  } else if (options.workload == "relay" && !options.gather) {
    serve_tcp(context, [&options](tcp::socket socket) {
      std::make_shared<Relay>(std::move(socket))->start(options.to);
    });
  } else if (options.workload == "tls_echo" || options.workload == "tls_stream") {
    serve_tls(context, options);
  } else {
    throw UnknownWorkload(options.workload);
  }
}

}  // namespace
}  // namespace bench::with_asio

int main(int argc, char** argv) {
  return bench::run_peer(argc, argv, bench::with_asio::serve);
}
