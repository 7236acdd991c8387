#include "tls/openssl_context.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "tls/error_words.hpp"
#include "tls/tls_channel.hpp"

namespace sluice::tls {
namespace {

constexpr std::size_t longest_protocol_name = 255;

// Throws what OpenSSL's queue says about `attempted`.
[[noreturn]] void refuse(TlsErrc code, const std::string& attempted) {
  const std::string reason = queued_reason();
  throw std::system_error(code, reason.empty() ? attempted : attempted + ": " + reason);
}

int number_of(TlsVersion version) noexcept {
  return version == TlsVersion::tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

// OpenSSL asks on the terminal otherwise.
int give_password(char* memory, int size, int /*for_writing*/, void* password) {
  const auto& text = *static_cast<const std::string*>(password);
  const auto count = std::min(text.size(), static_cast<std::size_t>(std::max(size, 0)));
  std::copy_n(text.data(), count, memory);
  return static_cast<int>(count);
}

}  // namespace

OpensslContext::OpensslContext(Side side, const TlsOptions& options)
    : ground_method_(make_ground_method()),
      context_(SSL_CTX_new(side == Side::server ? TLS_server_method() : TLS_client_method())),
      side_(side),
      verify_(options.verify),
      check_hostname_(options.check_hostname) {
  ERR_clear_error();
  if (!context_) {
    throw std::bad_alloc();
  }
  // A peer may not start the handshake again; and one read of the socket may bring many records.
  SSL_CTX_set_options(context_.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_read_ahead(context_.get(), 1);
  if (options.allow_truncation) {
    // The engine takes it for a farewell, after which it can still write.
    SSL_CTX_set_options(context_.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  }
  set_versions(options);
  load_certificate(options);
  set_verification(options);
  set_alpn(options);
  set_sessions(options);
}

std::unique_ptr<transports::SecureChannel> OpensslContext::make_channel(
    const transports::SecureChannelParts& parts) {
  return std::make_unique<TlsChannel>(shared_from_this(), parts);
}

void OpensslContext::set_versions(const TlsOptions& options) {
  if (options.min_version > options.max_version) {
    throw std::invalid_argument("TlsOptions: min_version is above max_version");
  }
  if (SSL_CTX_set_min_proto_version(context_.get(), number_of(options.min_version)) != 1 ||
      SSL_CTX_set_max_proto_version(context_.get(), number_of(options.max_version)) != 1) {
    refuse(TlsErrc::bad_setting, "setting the TLS versions");
  }
  if (!options.ciphers.empty() &&
      SSL_CTX_set_cipher_list(context_.get(), options.ciphers.c_str()) != 1) {
    refuse(TlsErrc::bad_setting, "setting the TLS ciphers '" + options.ciphers + "'");
  }
}

void OpensslContext::load_certificate(const TlsOptions& options) {
  if (options.certificate_file.empty()) {
    if (!options.key_file.empty()) {
      throw std::invalid_argument("TlsOptions: key_file needs certificate_file");
    }
    if (side_ == Side::server) {
      throw std::invalid_argument("TlsOptions: a server needs certificate_file");
    }
    return;
  }
  const std::string& certificate = options.certificate_file;
  if (SSL_CTX_use_certificate_chain_file(context_.get(), certificate.c_str()) != 1) {
    refuse(TlsErrc::bad_certificate_file, "reading the certificate in '" + certificate + "'");
  }
  const std::string& key = options.key_file.empty() ? certificate : options.key_file;
  std::string password = options.key_password;
  SSL_CTX_set_default_passwd_cb(context_.get(), give_password);
  SSL_CTX_set_default_passwd_cb_userdata(context_.get(), &password);
  const int loaded = SSL_CTX_use_PrivateKey_file(context_.get(), key.c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_set_default_passwd_cb_userdata(context_.get(), nullptr);
  SSL_CTX_set_default_passwd_cb(context_.get(), nullptr);
  if (loaded != 1) {
    // A key of the same kind that does not match is refused already when it is loaded.
    const unsigned long entry = ERR_peek_last_error();
    const bool mismatch = ERR_GET_LIB(entry) == ERR_LIB_X509 &&
                          (ERR_GET_REASON(entry) == X509_R_KEY_VALUES_MISMATCH ||
                           ERR_GET_REASON(entry) == X509_R_KEY_TYPE_MISMATCH);
    if (!mismatch) {
      refuse(TlsErrc::bad_key_file,
             (options.key_file.empty() ? "no key_file was given: reading the private key in '"
                                       : "reading the private key in '") +
                 key + "'");
    }
  }
  if (loaded != 1 || SSL_CTX_check_private_key(context_.get()) != 1) {
    ERR_clear_error();
    throw std::system_error(TlsErrc::key_mismatch, "using '" + key + "' for '" + certificate + "'");
  }
}

void OpensslContext::load_trust(const TlsOptions& options) {
  const bool own = !options.ca_file.empty() || !options.ca_path.empty();
  if (!own) {
    if (SSL_CTX_set_default_verify_paths(context_.get()) != 1) {
      refuse(TlsErrc::bad_trust_file, "reading the system's trusted certificates");
    }
    return;
  }
  if (!options.ca_file.empty() &&
      SSL_CTX_load_verify_file(context_.get(), options.ca_file.c_str()) != 1) {
    refuse(TlsErrc::bad_trust_file,
           "reading the trusted certificates in '" + options.ca_file + "'");
  }
  if (!options.ca_path.empty() &&
      SSL_CTX_load_verify_dir(context_.get(), options.ca_path.c_str()) != 1) {
    refuse(TlsErrc::bad_trust_file,
           "reading the trusted certificates in the folder '" + options.ca_path + "'");
  }
}

void OpensslContext::set_verification(const TlsOptions& options) {
  int mode = SSL_VERIFY_NONE;
  if (side_ == Side::client ? options.verify : options.client_auth != ClientAuth::none) {
    mode = SSL_VERIFY_PEER;
    load_trust(options);
  }
  if (side_ == Side::server && options.client_auth == ClientAuth::required) {
    mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  if (side_ == Side::server && mode != SSL_VERIFY_NONE && !options.ca_file.empty()) {
    // Tells clients which certificates are worth showing.
    SSL_CTX_set_client_CA_list(context_.get(), SSL_load_client_CA_file(options.ca_file.c_str()));
  }
  SSL_CTX_set_verify(context_.get(), mode, nullptr);
}

void OpensslContext::set_alpn(const TlsOptions& options) {
  for (const std::string& name : options.alpn) {
    if (name.empty() || name.size() > longest_protocol_name) {
      throw std::invalid_argument("TlsOptions: an ALPN name has 1 to 255 bytes");
    }
    protocols_ += static_cast<char>(name.size());
    protocols_ += name;
  }
  if (protocols_.empty()) {
    return;
  }
  if (side_ == Side::server) {
    SSL_CTX_set_alpn_select_cb(context_.get(), choose_protocol, this);
  } else {
    // Unlike everything else in OpenSSL, this returns 0 when it has succeeded.
    const auto* const bytes = reinterpret_cast<const unsigned char*>(protocols_.data());
    if (SSL_CTX_set_alpn_protos(context_.get(), bytes,
                                static_cast<unsigned int>(protocols_.size())) != 0) {
      refuse(TlsErrc::bad_setting, "setting the ALPN names");
    }
  }
}

void OpensslContext::set_sessions(const TlsOptions& options) {
  if (!options.resume_sessions) {
    SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context_.get(), SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context_.get(), 0);
  } else if (side_ == Side::client) {
    SSL_CTX_set_session_cache_mode(context_.get(),
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context_.get(), on_new_session);
  } else {
    // Sessions with verified clients are resumed only within a named circle: this context.
    constexpr unsigned char circle[] = {'s', 'l', 'u', 'i', 'c', 'e'};
    SSL_CTX_set_session_id_context(context_.get(), circle, sizeof(circle));
    SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
  }
}

int OpensslContext::choose_protocol(SSL* /*ssl*/, const unsigned char** chosen, unsigned char* size,
                                    const unsigned char* offered, unsigned int offered_size,
                                    void* context) {
  const std::string& ours = static_cast<const OpensslContext*>(context)->protocols_;
  unsigned char* common = nullptr;
  const int found =
      SSL_select_next_proto(&common, size, reinterpret_cast<const unsigned char*>(ours.data()),
                            static_cast<unsigned int>(ours.size()), offered, offered_size);
  *chosen = common;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int OpensslContext::on_new_session(SSL* ssl, SSL_SESSION* session) noexcept {
  const auto* const channel = static_cast<const TlsChannel*>(SSL_get_app_data(ssl));
  if (channel->server().empty()) {
    return 0;
  }
  try {
    channel->context().sessions().keep(channel->server(), session);
    return 1;
  } catch (const std::bad_alloc&) {
    return 0;  // the next connection does without
  }
}

}  // namespace sluice::tls

namespace sluice {

std::shared_ptr<TlsContext> TlsContext::client(const TlsOptions& options) {
  return std::make_shared<tls::OpensslContext>(tls::Side::client, options);
}

std::shared_ptr<TlsContext> TlsContext::server(const TlsOptions& options) {
  return std::make_shared<tls::OpensslContext>(tls::Side::server, options);
}

}  // namespace sluice
