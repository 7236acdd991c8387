// What becomes of the words of a failure when memory runs out: they are spoken inside OpenSSL's
// callbacks, which cannot throw.
#include "tls/error_words.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/sslerr.h>

#include <functional>

#include "core/allocation_probe.hpp"
#include "testing/tls/certificates.hpp"

namespace sluice::tls {
namespace {

// Calls `make` until no allocation fails any more: the code is there every time.
void fail_each_allocation(TlsErrc code, const std::string& details,
                          const std::function<Failure()>& make) {
  std::size_t failures = 0;
  for (bool failed = true; failed; ++failures) {
    Failure failure;
    {
      const testing::FailingAllocation failing(failures + 1);
      failure = make();
      failed = failing.failed();
    }
    EXPECT_EQ(failure.code, code);
    EXPECT_EQ(failure.details, failed ? "" : details);
    EXPECT_EQ(ERR_peek_error(), 0U);
  }
  EXPECT_GT(failures, 1U);
}

TEST(ErrorWords, ACertificateIsNamedByItsCodeAloneWithoutMemory) {
  const testing::Identity identity =
      testing::make_identity({.common_name = "a name that is not short", .names = {}});
  fail_each_allocation(TlsErrc::host_name_mismatch,
                       "subject CN=a name that is not short, wanted example.org", [&] {
                         static const std::string wanted = "example.org";
                         return certificate_failure(X509_V_ERR_HOSTNAME_MISMATCH,
                                                    identity.certificate.get(), wanted);
                       });
}

TEST(ErrorWords, AnEntryOfTheQueueIsTakenByItsCodeAloneWithoutMemory) {
  // A context does this; here is none.
  ASSERT_EQ(OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, nullptr), 1);
  fail_each_allocation(TlsErrc::nothing_in_common, "no suitable signature algorithm", [] {
    ERR_raise(ERR_LIB_SSL, SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM);
    return queued_failure();
  });
}

}  // namespace
}  // namespace sluice::tls
