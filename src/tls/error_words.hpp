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
/// may be null.
[[nodiscard]] Failure certificate_failure(long verify_error, const X509* certificate,
                                          const std::string& wanted_host);

/// What the oldest entry of OpenSSL's error queue of this thread says, and empties the queue.
[[nodiscard]] Failure queued_failure();

/// The text of that entry alone, for what has a code of its own; empties the queue.
[[nodiscard]] std::string queued_reason();

}  // namespace sluice::tls
