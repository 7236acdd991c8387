// What TlsContext refuses, and in which words.
#include <stdexcept>
#include <string>
#include <system_error>

#include "tls/tls_fixture.hpp"

namespace sluice::testing {
namespace {

std::system_error refusal(const std::function<void()>& make) {
  try {
    make();
  } catch (const std::system_error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return std::system_error(std::error_code());
}

std::system_error server_refusal(const TlsOptions& options) {
  return refusal([&] { static_cast<void>(TlsContext::server(options)); });
}

std::system_error client_refusal(const TlsOptions& options) {
  return refusal([&] { static_cast<void>(TlsContext::client(options)); });
}

bool says(const std::system_error& error, const std::string& text) {
  return std::string(error.what()).find(text) != std::string::npos;
}

TEST(TlsContexts, AFileThatIsNoPemIsNamed) {
  const auto error = server_refusal({.certificate_file = certificates().nonsense()});
  EXPECT_EQ(error.code(), TlsErrc::bad_certificate_file);
  EXPECT_TRUE(says(error, certificates().nonsense())) << error.what();
  EXPECT_TRUE(says(error, "there is none in PEM form")) << error.what();
}

TEST(TlsContexts, AFileThatDoesNotExistIsNamed) {
  const auto error = server_refusal({.certificate_file = "/nowhere/cert.pem"});
  EXPECT_EQ(error.code(), TlsErrc::bad_certificate_file);
  EXPECT_TRUE(says(error, "/nowhere/cert.pem")) << error.what();
  EXPECT_TRUE(says(error, "No such file or directory")) << error.what();
  const auto trust = client_refusal({.ca_file = "/nowhere/ca.pem"});
  EXPECT_TRUE(says(trust, "No such file or directory")) << trust.what();
  const auto key = server_refusal(
      {.certificate_file = certificates().server_certificate(), .key_file = "/nowhere/key.pem"});
  EXPECT_TRUE(says(key, "No such file or directory")) << key.what();
}

TEST(TlsContexts, ACertificateFileWithoutAKeyInItAsksForOne) {
  const auto error = server_refusal({.certificate_file = certificates().server_certificate()});
  EXPECT_EQ(error.code(), TlsErrc::bad_key_file);
  EXPECT_TRUE(says(error, "no key_file was given")) << error.what();
}

TEST(TlsContexts, AKeyFileWithoutAKeyIsNamed) {
  const auto error = server_refusal({.certificate_file = certificates().server_certificate(),
                                     .key_file = certificates().nonsense()});
  EXPECT_EQ(error.code(), TlsErrc::bad_key_file);
  EXPECT_TRUE(says(error, certificates().nonsense())) << error.what();
  EXPECT_TRUE(says(error, "there is none in PEM form")) << error.what();
}

TEST(TlsContexts, AKeyOfAnotherCertificateIsRefusedAndBothFilesAreNamed) {
  const auto error = server_refusal({.certificate_file = certificates().server_certificate(),
                                     .key_file = certificates().client_key()});
  EXPECT_EQ(error.code(), TlsErrc::key_mismatch);
  EXPECT_TRUE(says(error, certificates().client_key())) << error.what();
  EXPECT_TRUE(says(error, certificates().server_certificate())) << error.what();
}

TEST(TlsContexts, AnEncryptedKeyNeedsItsPassword) {
  TlsOptions options{.certificate_file = certificates().server_certificate(),
                     .key_file = certificates().encrypted_key()};
  EXPECT_EQ(server_refusal(options).code(), TlsErrc::bad_key_file);
  options.key_password = "wrong";
  EXPECT_EQ(server_refusal(options).code(), TlsErrc::bad_key_file);
  options.key_password = key_password;
  EXPECT_NE(TlsContext::server(options), nullptr);
}

TEST(TlsContexts, AKeyMayStandBehindItsCertificateOrInAFileOfItsOwn) {
  EXPECT_NE(TlsContext::server({.certificate_file = certificates().server()}), nullptr);
  EXPECT_NE(TlsContext::server({.certificate_file = certificates().server_certificate(),
                                .key_file = certificates().server_key()}),
            nullptr);
}

TEST(TlsContexts, ATrustFileThatCannotBeUsedIsNamed) {
  const auto error = client_refusal({.ca_file = certificates().nonsense()});
  EXPECT_EQ(error.code(), TlsErrc::bad_trust_file);
  EXPECT_TRUE(says(error, certificates().nonsense())) << error.what();
}

TEST(TlsContexts, CiphersThatDoNotExistAreRefused) {
  const auto error = client_refusal({.ciphers = "NO-SUCH-CIPHER"});
  EXPECT_EQ(error.code(), TlsErrc::bad_setting);
  EXPECT_TRUE(says(error, "NO-SUCH-CIPHER")) << error.what();
}

TEST(TlsContexts, MistakesOfTheProgramAreInvalidArguments) {
  EXPECT_THROW(static_cast<void>(TlsContext::server({})), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(TlsContext::client({.key_file = certificates().server_key()})),
               std::invalid_argument);
  EXPECT_THROW(static_cast<void>(TlsContext::client(
                   {.min_version = TlsVersion::tls_1_3, .max_version = TlsVersion::tls_1_2})),
               std::invalid_argument);
  EXPECT_THROW(static_cast<void>(TlsContext::client({.alpn = {""}})), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(TlsContext::client({.alpn = {std::string(256, 'x')}})),
               std::invalid_argument);
}

TEST(TlsContexts, TellWhichEndTheyAreForAndWhetherTheyNeedAHostName) {
  EXPECT_TRUE(serving()->server_side());
  EXPECT_FALSE(serving()->checks_hostname());
  EXPECT_FALSE(trusting()->server_side());
  EXPECT_TRUE(trusting()->checks_hostname());
  EXPECT_FALSE(trusting({.verify = false})->checks_hostname());
  EXPECT_FALSE(trusting({.check_hostname = false})->checks_hostname());
}

TEST(TlsErrors, AreEqualToTheErrorsThatAsyncioRaises) {
  EXPECT_EQ(make_error_code(TlsErrc::closed_in_handshake), std::errc::connection_reset);
  EXPECT_EQ(make_error_code(TlsErrc::handshake_timed_out), std::errc::connection_aborted);
  EXPECT_EQ(make_error_code(TlsErrc::closed_by_us), std::errc::connection_aborted);
  EXPECT_EQ(make_error_code(TlsErrc::shutdown_timed_out), std::errc::timed_out);
  EXPECT_NE(make_error_code(TlsErrc::truncated), std::errc::connection_reset);
}

}  // namespace
}  // namespace sluice::testing
