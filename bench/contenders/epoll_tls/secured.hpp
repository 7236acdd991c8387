#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "common/command_line.hpp"
#include "common/tls_channel.hpp"
#include "contenders/epoll/reactor.hpp"

namespace bench {

/// The most that one read gives: the plain bytes of a record.
inline constexpr std::size_t tls_record_bytes = 16 * 1024;

/// What all connections share.
struct TlsServing {
  explicit TlsServing(CommandLine& options)
      : context(tls_server_context(options.text("cert"), options.text("key"))) {}

  TlsContextPointer context;
  std::vector<std::byte> received = std::vector<std::byte>(256 * 1024);
};

/// A TLS connection: all that one recv brings is decrypted, and all that this leads to is sent with
/// one send. It is not read while its peer does not take what is to be sent. `Connection` has `void
/// consume()`, which reads all that was fed, and `bool produce()`, which may write now; false: the
/// peer is gone. Both come after the handshake only.
template <class Connection>
class Secured : public Watched {
 public:
  Secured(Descriptor socket, TlsServing& serving)
      : Watched(std::move(socket)),
        received_(serving.received),
        channel_(*serving.context, TlsChannel::Side::server) {}

  bool ready(std::uint32_t events) override {
    try {
      return go_on(events);
    } catch (const TlsFailure&) {
      return false;
    }
  }

 protected:
  TlsChannel& channel() noexcept { return channel_; }

  /// Sends what there is. False: the peer is gone.
  [[nodiscard]] bool flush() {
    const auto bytes = channel_.unsent();
    if (bytes.empty()) {
      return true;
    }
    const ssize_t sent = send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      return errno == EAGAIN;
    }
    channel_.mark_sent(static_cast<std::size_t>(sent));
    return true;
  }

 private:
  Connection& self() noexcept { return static_cast<Connection&>(*this); }

  bool go_on(std::uint32_t events) {
    readable_ = readable_ || (events & (EPOLLIN | hang_up)) != 0;
    if (!flush() || (greeted_ && !self().produce())) {
      return false;
    }
    while (readable_ && channel_.unsent().empty()) {
      if (!receive(events)) {
        return false;
      }
      greeted_ = greeted_ || channel_.advance_handshake();
      if (greeted_) {
        self().consume();
      }
      if (!flush() || (greeted_ && !self().produce())) {
        return false;
      }
    }
    return !channel_.peer_has_ended() || !channel_.unsent().empty();
  }

  bool receive(std::uint32_t events) {
    const ssize_t got = recv(fd(), received_.data(), received_.size(), 0);
    if (got <= 0) {
      readable_ = false;
      return got < 0 && errno == EAGAIN;
    }
    const auto size = static_cast<std::size_t>(got);
    // A read that did not fill the memory took all there was: the next one would be in vain.
    readable_ = size == received_.size() || (events & hang_up) != 0;
    channel_.feed(std::span(received_).first(size));
    return true;
  }

  std::vector<std::byte>& received_;
  TlsChannel channel_;
  bool greeted_ = false;
  bool readable_ = false;
};

}  // namespace bench
