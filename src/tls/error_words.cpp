#include "tls/error_words.hpp"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pemerr.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

#include <memory>
#include <new>
#include <string_view>

namespace sluice::tls {
namespace {

struct BioDeleter {
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
using MemoryBio = std::unique_ptr<BIO, BioDeleter>;

// What `print` writes into a BIO.
template <class Print>
std::string printed(Print print) {
  const MemoryBio bio(BIO_new(BIO_s_mem()));
  if (!bio || !print(bio.get())) {
    return {};
  }
  const char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string text_of(const ASN1_TIME* time) {
  return printed([&](BIO* bio) { return ASN1_TIME_print(bio, time) == 1; });
}

TlsErrc code_of_verify_error(long error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return TlsErrc::certificate_expired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return TlsErrc::certificate_not_yet_valid;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return TlsErrc::certificate_self_signed;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return TlsErrc::issuer_unknown;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return TlsErrc::host_name_mismatch;
    case X509_V_ERR_CERT_REVOKED:
      return TlsErrc::certificate_revoked;
    default:
      return TlsErrc::certificate_rejected;
  }
}

TlsErrc code_of_reason(int reason) {
  switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      return TlsErrc::peer_not_tls;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return TlsErrc::certificate_missing;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_VERSION_TOO_HIGH:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
      return TlsErrc::nothing_in_common;
    default:
      // Alerts of the peer have numbers of their own behind those of the library.
      return reason >= SSL_AD_REASON_OFFSET ? TlsErrc::peer_refused : TlsErrc::protocol_violated;
  }
}

// "no start line" and "unsupported" are no words for whoever has named the wrong file.
bool finds_nothing(unsigned long entry) {
  const int library = ERR_GET_LIB(entry);
  const int reason = ERR_GET_REASON(entry);
  return (library == ERR_LIB_PEM && reason == PEM_R_NO_START_LINE) ||
         (library == ERR_LIB_OSSL_DECODER && reason == ERR_R_UNSUPPORTED);
}

std::string words_of(TlsErrc code, long verify_error, const X509* certificate,
                     const std::string& wanted_host) {
  std::string words;
  if (certificate != nullptr) {
    words = "subject " + subject_of(*certificate);
    if (code == TlsErrc::certificate_expired) {
      words += ", not after " + text_of(X509_get0_notAfter(certificate));
    } else if (code == TlsErrc::certificate_not_yet_valid) {
      words += ", not before " + text_of(X509_get0_notBefore(certificate));
    } else if (code == TlsErrc::issuer_unknown) {
      words += ", issuer " + printed([&](BIO* bio) {
                 return X509_NAME_print_ex(bio, X509_get_issuer_name(certificate), 0,
                                           XN_FLAG_ONELINE & ~XN_FLAG_SPC_EQ) >= 0;
               });
    }
  }
  if (code == TlsErrc::host_name_mismatch) {
    words += (words.empty() ? "" : ", ") + ("wanted " + wanted_host);
  } else if (code == TlsErrc::certificate_rejected) {
    words += (words.empty() ? "" : ", ") + std::string(X509_verify_cert_error_string(verify_error));
  }
  return words;
}

}  // namespace

std::string subject_of(const X509& certificate) {
  return printed([&](BIO* bio) {
    return X509_NAME_print_ex(bio, X509_get_subject_name(&certificate), 0,
                              XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB & ~XN_FLAG_SPC_EQ) >= 0;
  });
}

Failure certificate_failure(long verify_error, const X509* certificate,
                            const std::string& wanted_host) noexcept {
  const TlsErrc code = code_of_verify_error(verify_error);
  Failure failure{code, {}};
  try {
    failure.details = words_of(code, verify_error, certificate, wanted_host);
  } catch (const std::bad_alloc&) {
    // The code says what matters.
  }
  return failure;
}

Failure queued_failure() noexcept {
  const unsigned long entry = ERR_peek_error();
  const bool of_tls = entry != 0 && ERR_GET_LIB(entry) == ERR_LIB_SSL;
  Failure failure{of_tls ? code_of_reason(ERR_GET_REASON(entry)) : TlsErrc::protocol_violated, {}};
  try {
    failure.details = queued_reason();
  } catch (const std::bad_alloc&) {
    ERR_clear_error();
  }
  return failure;
}

std::string queued_reason() {
  const unsigned long entry = ERR_peek_error();
  std::string text;
  if (finds_nothing(entry)) {
    text = "there is none in PEM form";
  } else if (ERR_SYSTEM_ERROR(entry)) {
    // OpenSSL has no words for what the system says of a file.
    text = std::generic_category().message(ERR_GET_REASON(entry));
  } else if (const char* const reason = ERR_reason_error_string(entry)) {
    text = reason;
  }
  ERR_clear_error();
  return text;
}

}  // namespace sluice::tls
