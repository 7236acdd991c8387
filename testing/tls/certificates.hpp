#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "testing/peers.hpp"

namespace sluice::testing {

struct KeyDeleter {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
struct CertificateDeleter {
  void operator()(X509* certificate) const noexcept { X509_free(certificate); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;
using Certificate = std::unique_ptr<X509, CertificateDeleter>;

/// What a certificate is to say.
struct CertificateWish {
  std::string common_name;
  /// Subject alternative names, as OpenSSL writes them: "DNS:localhost,IP:127.0.0.1".
  std::string names;
  long valid_from_days = -1;
  long valid_to_days = 30;
  bool authority = false;
};

/// A key and its certificate, as PEM text and for use.
struct Identity {
  Key key;
  Certificate certificate;
  [[nodiscard]] std::string key_pem(std::string_view password = {}) const;
  [[nodiscard]] std::string certificate_pem() const;
};

/// A new key, and a certificate signed by `issuer`, or by itself without one. Throws
/// std::runtime_error.
[[nodiscard]] Identity make_identity(const CertificateWish& wish, const Identity* issuer = nullptr);

/// Files with all that the tests of TLS need, made once for the whole program: making keys takes
/// time.
class CertificateFiles {
 public:
  CertificateFiles();
  [[nodiscard]] std::string path(std::string_view name) const { return directory_.file(name); }

  // Each file has the certificate and the key behind it.
  [[nodiscard]] std::string authority() const { return path("ca.pem"); }              ///< no key
  [[nodiscard]] std::string other_authority() const { return path("other-ca.pem"); }  ///< no key
  [[nodiscard]] std::string server() const { return path("server.pem"); }  ///< localhost, 127.0.0.1
  [[nodiscard]] std::string client() const { return path("client.pem"); }
  [[nodiscard]] std::string expired() const { return path("expired.pem"); }
  [[nodiscard]] std::string future() const { return path("future.pem"); }
  [[nodiscard]] std::string other_host() const { return path("other-host.pem"); }
  [[nodiscard]] std::string self_signed() const { return path("self-signed.pem"); }
  /// Other kinds of files.
  [[nodiscard]] std::string server_certificate() const { return path("server-cert.pem"); }
  [[nodiscard]] std::string server_key() const { return path("server-key.pem"); }
  [[nodiscard]] std::string encrypted_key() const { return path("encrypted-key.pem"); }
  [[nodiscard]] std::string client_key() const { return path("client-key.pem"); }
  [[nodiscard]] std::string nonsense() const { return path("nonsense.pem"); }

 private:
  void write(std::string_view name, const std::string& text) const;

  TempDirectory directory_;
};

/// What encrypted_key() is encrypted with.
inline constexpr std::string_view key_password = "open sesame";

[[nodiscard]] const CertificateFiles& certificates();

}  // namespace sluice::testing
