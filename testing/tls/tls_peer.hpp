#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/fd.hpp"
#include "testing/peers.hpp"

namespace sluice::testing {

/// How the peer's end of a TLS connection is set up. The test authority is trusted; a server has
/// the certificate for localhost.
struct TlsPeerOptions {
  bool server = false;
  int version = TLS1_3_VERSION;
  /// How many tickets a server hands out after a handshake of TLS 1.3.
  std::size_t tickets = 0;
};

/// A peer that speaks TLS by OpenSSL's own functions, without any code of ours. Nothing blocks:
/// whoever drives it calls step() until the handshake is done.
class TlsPeer : public Peer {
 public:
  /// Owns `fd`.
  TlsPeer(Fd fd, const TlsPeerOptions& options);
  /// What `raw` receives is TLS, and what this one sends goes by it.
  TlsPeer(std::unique_ptr<Peer> raw, const TlsPeerOptions& options);
  ~TlsPeer() override;

  /// One step of the handshake. True once it is done.
  bool step();
  /// What the handshake failed with; empty: nothing.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] SSL* native() const { return ssl_.get(); }
  /// Whether the transport has said farewell.
  [[nodiscard]] bool got_farewell() const;
  /// The sizes of the records that came, in bytes of plaintext.
  [[nodiscard]] const std::vector<std::size_t>& records() const { return records_; }
  /// When the peer says farewell of its own accord, and reads what still comes: as soon as this is
  /// true. Then it awaits the end of TCP for the end of the stream.
  std::function<bool()> closes_when = [] { return false; };

  void send(std::string_view bytes) override;
  void send_eof() override;
  /// Says farewell and goes.
  void close() override;
  void reset() override;
  void clog(int fd) override;
  void wait() override { raw_->wait(); }
  /// Ends TCP without a farewell.
  void truncate() { raw_->send_eof(); }
  /// Sends bytes that are no TLS.
  void send_plain(std::string_view bytes) { raw_->send(bytes); }

 protected:
  ReadResult take(std::size_t most) override;
  void attend() override;

 private:
  struct ContextDeleter {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
  };
  struct SslDeleter {
    void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
  };
  void settle();
  void fetch();
  void flush();

  std::unique_ptr<Peer> raw_;
  std::unique_ptr<SSL_CTX, ContextDeleter> context_;
  std::unique_ptr<SSL, SslDeleter> ssl_;
  std::size_t fetched_ = 0;
  std::string failure_;
  std::vector<std::size_t> records_;
  bool gone_ = false;
};

}  // namespace sluice::testing
