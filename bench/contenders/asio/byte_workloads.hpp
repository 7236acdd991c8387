// The workloads that move bytes: echo, streaming, and both for slow readers; over any kind of
// stream.
#pragma once

#include <array>
#include <asio.hpp>
#include <asio/ssl.hpp>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>

#include "common/slow_offer.hpp"
#include "contenders/peer.hpp"
#include "sessions.hpp"

namespace bench::with_asio {

inline constexpr std::size_t without_end = std::numeric_limits<std::size_t>::max();

inline asio::ssl::context server_context(const PeerOptions& options) {
  asio::ssl::context context(asio::ssl::context::tlsv13_server);
  context.use_certificate_chain_file(options.certificate);
  context.use_private_key_file(options.key, asio::ssl::context::pem);
  return context;
}

// Starts the session when the handshake is done.
template <class Session>
void start_after_handshake(std::shared_ptr<Session> session) {
  auto& stream = session->stream();
  stream.async_handshake(asio::ssl::stream_base::server,
                         [session = std::move(session)](std::error_code error) {
                           if (!error) {
                             session->start();
                           }
                         });
}

// The first byte of a client says what it wants to be.
class SlowSession : public std::enable_shared_from_this<SlowSession> {
 public:
  using Socket = asio::ip::tcp::socket;

  SlowSession(Socket socket, std::string_view chunk) : socket_(std::move(socket)), chunk_(chunk) {}

  void start() {
    socket_.async_read_some(asio::buffer(data_), [this, self = shared_from_this()](
                                                     std::error_code error, std::size_t size) {
      if (!error) {
        choose({data_.data(), size});
      }
    });
  }

 private:
  void choose(std::string_view data) {
    if (data.front() == 'S') {
      std::make_shared<StreamSession<Socket>>(std::move(socket_), chunk_, slow_chunks)->start();
      return;
    }
    const auto echo = std::make_shared<EchoSession<Socket>>(std::move(socket_));
    if (data.size() > 1) {
      echo->start(data.substr(1));
    } else {
      echo->start();
    }
  }

  Socket socket_;
  std::string_view chunk_;
  std::array<char, 1024> data_;
};

}  // namespace bench::with_asio
