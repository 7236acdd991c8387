#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "sluice/tls.hpp"
#include "tls/ground.hpp"
#include "tls/session_cache.hpp"

namespace sluice::tls {

/// Which end of its connections a context is for.
enum class Side : std::uint8_t { client, server };

/// The one TlsContext: an SSL_CTX, set up once.
class OpensslContext final : public TlsContext,
                             public std::enable_shared_from_this<OpensslContext> {
 public:
  /// Throws as TlsContext::client and TlsContext::server.
  OpensslContext(Side side, const TlsOptions& options);

  [[nodiscard]] bool server_side() const noexcept override { return side_ == Side::server; }
  [[nodiscard]] bool checks_hostname() const noexcept override {
    return side_ == Side::client && verify_ && check_hostname_;
  }
  [[nodiscard]] std::unique_ptr<transports::SecureChannel> make_channel(
      const transports::SecureChannelParts& parts) override;

  [[nodiscard]] SSL_CTX* native() const noexcept { return context_.get(); }
  [[nodiscard]] const BIO_METHOD& ground_method() const noexcept { return *ground_method_; }
  [[nodiscard]] SessionCache& sessions() noexcept { return sessions_; }

 private:
  struct ContextDeleter {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
  };

  void set_versions(const TlsOptions& options);
  void load_certificate(const TlsOptions& options);
  void load_trust(const TlsOptions& options);
  void set_verification(const TlsOptions& options);
  void set_alpn(const TlsOptions& options);
  void set_sessions(const TlsOptions& options);
  static int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* size,
                             const unsigned char* offered, unsigned int offered_size,
                             void* context);
  static int on_new_session(SSL* ssl, SSL_SESSION* session) noexcept;

  BioMethod ground_method_;
  std::unique_ptr<SSL_CTX, ContextDeleter> context_;
  SessionCache sessions_;
  std::string protocols_;  // as on the wire: each behind its length
  Side side_;
  bool verify_;
  bool check_hostname_;
};

}  // namespace sluice::tls
