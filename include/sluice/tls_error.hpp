#pragma once

#include <system_error>

namespace sluice {

/// What can go wrong with TLS, apart from what the system reports. A connection that could not be
/// made says more in its std::system_error: the peer, the subject and the date of a certificate.
enum class TlsErrc {
  /// The peer's certificate is past its last day.
  certificate_expired = 1,
  /// The peer's certificate is before its first day.
  certificate_not_yet_valid,
  /// The peer's certificate is signed by itself, or by a root that is not trusted.
  certificate_self_signed,
  /// No trusted certificate of the issuer is there.
  issuer_unknown,
  /// The peer's certificate is for another host.
  host_name_mismatch,
  /// The peer's certificate was revoked.
  certificate_revoked,
  /// The peer's certificate is not acceptable for another reason.
  certificate_rejected,
  /// The peer was to show a certificate and has none.
  certificate_missing,
  /// What the peer sent is not TLS.
  peer_not_tls,
  /// The peer refused with an alert.
  peer_refused,
  /// The two ends have no version, cipher or application protocol in common.
  nothing_in_common,
  /// The peer closed the connection before the handshake was done. Equal to
  /// std::errc::connection_reset.
  closed_in_handshake,
  /// The handshake took longer than it may. Equal to std::errc::connection_aborted.
  handshake_timed_out,
  /// The transport was closed or aborted before the handshake was done. Equal to
  /// std::errc::connection_aborted.
  closed_by_us,
  /// The peer did not read, or did not say farewell, in time after close(). Equal to
  /// std::errc::timed_out.
  shutdown_timed_out,
  /// The stream ended without the peer's farewell: somebody may have cut off its end.
  truncated,
  /// A record is damaged, or the peer breaks the rules of the protocol.
  protocol_violated,
  /// A certificate file of ours cannot be used.
  bad_certificate_file,
  /// A private key file of ours cannot be used.
  bad_key_file,
  /// The private key is not that of the certificate.
  key_mismatch,
  /// The file or folder of trusted certificates cannot be used.
  bad_trust_file,
  /// A setting of the context is refused by the TLS library.
  bad_setting,
};

/// The category of TlsErrc; its messages are for people.
[[nodiscard]] const std::error_category& tls_category() noexcept;

[[nodiscard]] inline std::error_code make_error_code(TlsErrc code) noexcept {
  return {static_cast<int>(code), tls_category()};
}

}  // namespace sluice

template <>
struct std::is_error_code_enum<sluice::TlsErrc> : std::true_type {};
