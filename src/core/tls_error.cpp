#include "sluice/tls_error.hpp"

#include <string>

namespace sluice {
namespace {

class TlsCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "tls"; }

  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<TlsErrc>(value)) {
      case TlsErrc::certificate_expired:
        return "the peer's certificate has expired";
      case TlsErrc::certificate_not_yet_valid:
        return "the peer's certificate is not valid yet";
      case TlsErrc::certificate_self_signed:
        return "the peer's certificate is self-signed and not trusted";
      case TlsErrc::issuer_unknown:
        return "the issuer of the peer's certificate is not trusted";
      case TlsErrc::host_name_mismatch:
        return "the peer's certificate is for another host";
      case TlsErrc::certificate_revoked:
        return "the peer's certificate was revoked";
      case TlsErrc::certificate_rejected:
        return "the peer's certificate is not acceptable";
      case TlsErrc::certificate_missing:
        return "the peer has shown no certificate";
      case TlsErrc::peer_not_tls:
        return "the peer does not speak TLS";
      case TlsErrc::peer_refused:
        return "the peer refused the connection";
      case TlsErrc::nothing_in_common:
        return "the two ends have no TLS version, cipher or protocol in common";
      case TlsErrc::closed_in_handshake:
        return "the peer closed the connection during the TLS handshake";
      case TlsErrc::handshake_timed_out:
        return "the TLS handshake took too long";
      case TlsErrc::closed_by_us:
        return "the transport was closed during the TLS handshake";
      case TlsErrc::shutdown_timed_out:
        return "SSL shutdown timed out";
      case TlsErrc::truncated:
        return "the TLS stream ended without a close_notify: its end may be missing";
      case TlsErrc::protocol_violated:
        return "the rules of the TLS protocol were broken";
      case TlsErrc::bad_certificate_file:
        return "the certificate cannot be used";
      case TlsErrc::bad_key_file:
        return "the private key cannot be used";
      case TlsErrc::key_mismatch:
        return "the private key does not belong to the certificate";
      case TlsErrc::bad_trust_file:
        return "the trusted certificates cannot be used";
      case TlsErrc::bad_setting:
        return "the TLS library refuses a setting";
    }
    return "unknown error of TLS";
  }

  [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<TlsErrc>(value)) {
      case TlsErrc::closed_in_handshake:
        return std::errc::connection_reset;
      case TlsErrc::handshake_timed_out:
      case TlsErrc::closed_by_us:
        return std::errc::connection_aborted;
      case TlsErrc::shutdown_timed_out:
        return std::errc::timed_out;
      default:
        return {value, *this};
    }
  }
};

}  // namespace

const std::error_category& tls_category() noexcept {
  static const TlsCategory category;
  return category;
}

}  // namespace sluice
