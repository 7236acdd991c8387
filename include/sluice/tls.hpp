#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/tls_error.hpp"
#include "sluice/transport.hpp"

namespace sluice {

namespace transports {
class SecureChannel;
struct SecureChannelParts;
}  // namespace transports

/// The versions of the protocol; older ones are not spoken.
enum class TlsVersion : std::uint8_t { tls_1_2, tls_1_3 };

/// What a server asks of its clients.
enum class ClientAuth : std::uint8_t {
  none,      ///< No certificate is asked for.
  optional,  ///< A certificate is asked for, and verified if there is one.
  required,  ///< Without a certificate that can be verified there is no connection.
};

/// How a TlsContext is built. Files are PEM and are read once, by TlsContext::client or ::server.
struct TlsOptions {
  /// Our certificate, with those of its issuers behind it; needed by a server.
  std::string certificate_file{};
  /// Its private key; empty: it is in certificate_file, too.
  std::string key_file{};
  /// What the key file is encrypted with.
  std::string key_password{};
  /// Whom to trust: this file, or this folder as c_rehash makes it, or, with neither, the system's
  /// store.
  std::string ca_file{};
  std::string ca_path{};
  /// Clients: verify the server's certificate and that it is for the host that was asked for.
  /// Without it anybody can pretend to be that host.
  bool verify = true;
  /// Clients: the host is compared with the certificate. asyncio: SSLContext.check_hostname.
  bool check_hostname = true;
  /// Servers: whether clients show certificates.
  ClientAuth client_auth = ClientAuth::none;
  /// The application protocols we speak, the one we like best first: "h2", "http/1.1".
  std::vector<std::string> alpn{};
  TlsVersion min_version = TlsVersion::tls_1_2;
  TlsVersion max_version = TlsVersion::tls_1_3;
  /// TLS 1.2 ciphers in OpenSSL's words; empty: its default.
  std::string ciphers{};
  /// Clients: come back to a server with the session of the last connection, which saves a
  /// certificate's worth of work. Servers: hand out tickets for that.
  bool resume_sessions = true;
  /// Take the end of the TCP stream for the end of the TLS stream, as asyncio does. Without it, a
  /// stream that ends without the peer's farewell is lost with TlsErrc::truncated.
  bool allow_truncation = false;
};

/// Certificates, keys and rules, to be shared by any number of connections, of any number of loops,
/// on any threads. It never changes. asyncio: ssl.SSLContext.
class TlsContext {
 public:
  /// For connections whose opening end we are. Throws std::system_error with a TlsErrc when a file
  /// cannot be used; it says which. Throws std::invalid_argument when min_version is above
  /// max_version, an ALPN name is empty or longer than 255 bytes, or a key comes without a
  /// certificate. Links with sluice::tls. asyncio: ssl.create_default_context().
  [[nodiscard]] static std::shared_ptr<TlsContext> client(const TlsOptions& options = TlsOptions());
  /// For connections whose accepting end we are. Throws as client(), and std::invalid_argument
  /// without certificate_file. asyncio: ssl.create_default_context(Purpose.CLIENT_AUTH).
  [[nodiscard]] static std::shared_ptr<TlsContext> server(const TlsOptions& options);

  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  virtual ~TlsContext() = default;

  /// Whether this is a server's.
  [[nodiscard]] virtual bool server_side() const noexcept = 0;
  /// Whether a connection needs a host name to compare the certificate with.
  [[nodiscard]] virtual bool checks_hostname() const noexcept = 0;
  /// For the loop: the way in and out of one descriptor.
  [[nodiscard]] virtual std::unique_ptr<transports::SecureChannel> make_channel(
      const transports::SecureChannelParts& parts) = 0;

 protected:
  TlsContext() = default;
};

/// What a TLS connection has agreed on.
struct TlsInfo {
  TlsVersion version = TlsVersion::tls_1_3;
  std::string cipher{};                    ///< OpenSSL's name: "TLS_AES_256_GCM_SHA384".
  std::string alpn_protocol{};             ///< Empty: none.
  std::string server_name{};               ///< The name that the client asked for; empty: none.
  std::string peer_certificate_subject{};  ///< "CN=example.org"; empty: it has shown none.
  bool session_reused = false;             ///< The session of an earlier connection was resumed.
};

/// What the connection has agreed on; empty for a transport without TLS and before the handshake is
/// done. Also after the loss. Loop thread. asyncio: get_extra_info('ssl_object'), 'cipher',
/// 'peercert' (W-130).
[[nodiscard]] std::optional<TlsInfo> tls_info(const BaseTransport& transport);

}  // namespace sluice
