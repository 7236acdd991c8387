#pragma once

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <string>
#include <system_error>

#include "transports/secure_channel.hpp"

namespace sluice::tls {

using Failure = transports::SecureChannel::Failure;

/// "CN=example.org, O=Example".
[[nodiscard]] std::string subject_of(const X509& certificate);

/// What is wrong with a certificate, by the X509_V_ERR number of its verification. `certificate`
/// may be null. Without memory for the details there are none.
[[nodiscard]] Failure certificate_failure(long verify_error, const X509* certificate,
                                          const std::string& wanted_host) noexcept;

/// What the oldest entry of OpenSSL's error queue of this thread says, and empties the queue.
/// Likewise.
[[nodiscard]] Failure queued_failure() noexcept;

/// The text of that entry alone, for what has a code of its own; empties the queue.
[[nodiscard]] std::string queued_reason();

}  // namespace sluice::tls
