#include "common/tls_channel.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <algorithm>
#include <cstring>

namespace bench {

namespace {

[[noreturn]] void fail(const std::string& what) {
  char words[256];
  ERR_error_string_n(ERR_get_error(), words, sizeof words);
  throw TlsFailure(what + ": " + words);
}

TlsContextPointer make_context(const SSL_METHOD* method) {
  TlsContextPointer context(SSL_CTX_new(method));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1) {
    fail("making a TLS context");
  }
  return context;
}

}  // namespace

TlsContextPointer tls_server_context(const std::string& certificate_file,
                                     const std::string& key_file) {
  TlsContextPointer context = make_context(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate_file.c_str()) != 1) {
    fail("reading the certificate '" + certificate_file + "'");
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    fail("reading the key '" + key_file + "'");
  }
  return context;
}

TlsContextPointer tls_client_context() {
  TlsContextPointer context = make_context(TLS_client_method());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  return context;
}

TlsChannel::TlsChannel(SSL_CTX& context, Side side) : ssl_(SSL_new(&context)) {
  BIO* bio = BIO_new(buffer_method());
  if (!ssl_ || bio == nullptr) {
    BIO_free(bio);
    fail("making a TLS connection");
  }
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  if (side == Side::client) {
    SSL_set_connect_state(ssl_.get());
  } else {
    SSL_set_accept_state(ssl_.get());
  }
}

bool TlsChannel::advance_handshake() {
  if (SSL_is_init_finished(ssl_.get()) != 0) {
    return true;
  }
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1 && SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) {
    fail("TLS handshake");
  }
  return result == 1;
}

std::size_t TlsChannel::read(std::span<std::byte> plain) {
  std::size_t count = 0;
  ERR_clear_error();
  const int result = SSL_read_ex(ssl_.get(), plain.data(), plain.size(), &count);
  if (result != 1) {
    const int reason = SSL_get_error(ssl_.get(), result);
    if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_ZERO_RETURN) {
      fail("TLS read");
    }
  }
  return count;
}

bool TlsChannel::peer_has_ended() const noexcept {
  return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

void TlsChannel::write(std::span<const std::byte> plain) {
  std::size_t written = 0;
  ERR_clear_error();
  if (SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written) != 1) {
    fail("TLS write");
  }
}

void TlsChannel::mark_sent(std::size_t count) noexcept {
  sent_ += count;
  if (sent_ == outgoing_.size()) {
    outgoing_.clear();
    sent_ = 0;
  }
}

BIO_METHOD* TlsChannel::buffer_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bench buffers");
    if (made == nullptr || BIO_meth_set_read(made, take_received) != 1 ||
        BIO_meth_set_write(made, keep_outgoing) != 1 || BIO_meth_set_ctrl(made, control) != 1) {
      fail("making a BIO method");
    }
    return made;
  }();
  return method;
}

int TlsChannel::take_received(BIO* bio, char* to, int size) {
  auto& channel = *static_cast<TlsChannel*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const std::size_t count = std::min(channel.received_.size(), static_cast<std::size_t>(size));
  if (count == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  std::memcpy(to, channel.received_.data(), count);
  channel.received_ = channel.received_.subspan(count);
  return static_cast<int>(count);
}

int TlsChannel::keep_outgoing(BIO* bio, const char* from, int size) {
  auto& channel = *static_cast<TlsChannel*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const auto bytes = std::as_bytes(std::span(from, static_cast<std::size_t>(size)));
  channel.outgoing_.insert(channel.outgoing_.end(), bytes.begin(), bytes.end());
  return size;
}

long TlsChannel::control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

}  // namespace bench
