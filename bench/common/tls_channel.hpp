#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

struct FreeTlsContext {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
using TlsContextPointer = std::unique_ptr<SSL_CTX, FreeTlsContext>;

/// Says in OpenSSL's words what went wrong.
class TlsFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws TlsFailure when a file cannot be used.
[[nodiscard]] TlsContextPointer tls_server_context(const std::string& certificate_file,
                                                   const std::string& key_file);
/// Takes any certificate: who is measured is known.
[[nodiscard]] TlsContextPointer tls_client_context();

/// TLS 1.3 by OpenSSL between buffers, without a system call of its own: what was received is fed
/// in, what is to be sent piles up to be sent at once. For the limit by hand, and for the load.
class TlsChannel {
 public:
  enum class Side { client, server };

  TlsChannel(SSL_CTX& context, Side side);
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;
  ~TlsChannel() = default;

  /// What came from the peer; must live until read() or advance_handshake() wants more.
  void feed(std::span<const std::byte> received) noexcept { received_ = received; }
  /// Whether the handshake is done; otherwise it goes on when more is fed. Throws TlsFailure.
  [[nodiscard]] bool advance_handshake();
  /// Fills the front of `plain`, and says how much; 0: all that was fed is used up, or the peer has
  /// said farewell. Throws TlsFailure.
  [[nodiscard]] std::size_t read(std::span<std::byte> plain);
  [[nodiscard]] bool peer_has_ended() const noexcept;
  /// Only after the handshake. Throws TlsFailure.
  void write(std::span<const std::byte> plain);

  /// What is to be sent; whoever has sent it says so.
  [[nodiscard]] std::span<const std::byte> unsent() const noexcept {
    return std::span(outgoing_).subspan(sent_);
  }
  void mark_sent(std::size_t count) noexcept;

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
  };
  static BIO_METHOD* buffer_method();
  static int take_received(BIO* bio, char* to, int size);
  static int keep_outgoing(BIO* bio, const char* from, int size);
  static long control(BIO* bio, int command, long number, void* pointer);

  std::unique_ptr<SSL, FreeSsl> ssl_;
  std::span<const std::byte> received_;
  std::vector<std::byte> outgoing_;
  std::size_t sent_ = 0;
};

}  // namespace bench
