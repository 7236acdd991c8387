#include "testing/tls/certificates.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <fstream>

#include "testing/tls/require.hpp"

namespace sluice::testing {
namespace {

constexpr long seconds_a_day = 24 * 60 * 60;

template <class Write>
std::string pem_of(Write write) {
  BIO* const bio = BIO_new(BIO_s_mem());
  const bool written = write(bio);
  const char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, size > 0 ? static_cast<std::size_t>(size) : 0);
  BIO_free(bio);
  require(written, "writing PEM");
  return text;
}

void add_extension(X509& certificate, X509& issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  require(extension != nullptr, "an extension");
  X509_add_ext(&certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

long next_serial() {
  static long serial = 0;
  return ++serial;
}

}  // namespace

std::string Identity::key_pem(std::string_view password) const {
  return pem_of([&](BIO* bio) {
    return PEM_write_bio_PKCS8PrivateKey(
               bio, key.get(), password.empty() ? nullptr : EVP_aes_256_cbc(), password.data(),
               static_cast<int>(password.size()), nullptr, nullptr) == 1;
  });
}

std::string Identity::certificate_pem() const {
  return pem_of([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()) == 1; });
}

Identity make_identity(const CertificateWish& wish, const Identity* issuer) {
  Identity made{Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")), Certificate(X509_new())};
  require(made.key && made.certificate, "a key");
  X509& certificate = *made.certificate;
  X509_set_version(&certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(&certificate), next_serial());
  X509_gmtime_adj(X509_getm_notBefore(&certificate), wish.valid_from_days * seconds_a_day);
  X509_gmtime_adj(X509_getm_notAfter(&certificate), wish.valid_to_days * seconds_a_day);
  X509_set_pubkey(&certificate, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(&certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wish.common_name.c_str()), -1,
                             -1, 0);
  X509& signer = issuer == nullptr ? certificate : *issuer->certificate;
  X509_set_issuer_name(&certificate, X509_get_subject_name(&signer));
  add_extension(certificate, signer, NID_basic_constraints,
                wish.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add_extension(certificate, signer, NID_subject_key_identifier, "hash");
  if (issuer != nullptr) {
    add_extension(certificate, signer, NID_authority_key_identifier, "keyid");
  }
  if (wish.authority) {
    add_extension(certificate, signer, NID_key_usage, "critical,keyCertSign,cRLSign");
  }
  if (!wish.names.empty()) {
    add_extension(certificate, signer, NID_subject_alt_name, wish.names);
  }
  require(X509_sign(&certificate, issuer == nullptr ? made.key.get() : issuer->key.get(),
                    EVP_sha256()) != 0,
          "signing");
  return made;
}

CertificateFiles::CertificateFiles() {
  const std::string here = "DNS:localhost,IP:127.0.0.1";
  const Identity authority =
      make_identity({.common_name = "Sluice Test Authority", .names = {}, .authority = true});
  const Identity other =
      make_identity({.common_name = "Another Authority", .names = {}, .authority = true});
  write("ca.pem", authority.certificate_pem());
  write("other-ca.pem", other.certificate_pem());
  const auto issue = [&](std::string_view name, const CertificateWish& wish,
                         const Identity* issuer) {
    Identity identity = make_identity(wish, issuer);
    write(name, identity.certificate_pem() + identity.key_pem());
    return identity;
  };
  const Identity server =
      issue("server.pem", {.common_name = "localhost", .names = here}, &authority);
  const Identity client =
      issue("client.pem", {.common_name = "Test Client", .names = {}}, &authority);
  issue("expired.pem",
        {.common_name = "localhost", .names = here, .valid_from_days = -30, .valid_to_days = -1},
        &authority);
  issue("future.pem",
        {.common_name = "localhost", .names = here, .valid_from_days = 10, .valid_to_days = 30},
        &authority);
  issue("other-host.pem", {.common_name = "example.org", .names = "DNS:example.org"}, &authority);
  issue("self-signed.pem", {.common_name = "localhost", .names = here}, nullptr);
  write("server-cert.pem", server.certificate_pem());
  write("server-key.pem", server.key_pem());
  write("encrypted-key.pem", server.key_pem(key_password));
  write("client-key.pem", client.key_pem());
  write("nonsense.pem", "this is no PEM\n");
}

void CertificateFiles::write(std::string_view name, const std::string& text) const {
  std::ofstream(path(name)) << text;
}

const CertificateFiles& certificates() {
  static const CertificateFiles files;
  return files;
}

}  // namespace sluice::testing
