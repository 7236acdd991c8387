#include "testing/tls/tls_peer.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <algorithm>
#include <utility>

#include "testing/tls/certificates.hpp"
#include "testing/tls/require.hpp"

namespace sluice::testing {
namespace {

constexpr int record_bytes = 16 * 1024;
constexpr int settle_rounds = 5;

}  // namespace

TlsPeer::TlsPeer(Fd fd, const TlsPeerOptions& options)
    : TlsPeer(std::make_unique<FdPeer>(std::move(fd)), options) {}

TlsPeer::TlsPeer(std::unique_ptr<Peer> raw, const TlsPeerOptions& options)
    : raw_(std::move(raw)),
      context_(SSL_CTX_new(options.server ? TLS_server_method() : TLS_client_method())) {
  SSL_CTX* const context = context_.get();
  require(SSL_CTX_set_min_proto_version(context, options.version) == 1 &&
              SSL_CTX_set_max_proto_version(context, options.version) == 1,
          "the version");
  require(SSL_CTX_load_verify_file(context, certificates().authority().c_str()) == 1, "trust");
  if (options.server) {
    const std::string identity = certificates().server();
    require(SSL_CTX_use_certificate_chain_file(context, identity.c_str()) == 1 &&
                SSL_CTX_use_PrivateKey_file(context, identity.c_str(), SSL_FILETYPE_PEM) == 1,
            "the certificate");
  }
  SSL_CTX_set_verify(context, options.server ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_num_tickets(context, options.tickets);
  ssl_.reset(SSL_new(context));
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  if (options.server) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
  }
  raw_->start_reading();
}

TlsPeer::~TlsPeer() = default;

// Moves what has come to the engine.
void TlsPeer::fetch() {
  raw_->pump();
  const std::string_view fresh = std::string_view(raw_->received()).substr(fetched_);
  if (!fresh.empty()) {
    BIO_write(SSL_get_rbio(ssl_.get()), fresh.data(), static_cast<int>(fresh.size()));
    fetched_ += fresh.size();
  }
}

// Moves what the engine has written to the socket.
void TlsPeer::flush() {
  char* data = nullptr;
  BIO* const out = SSL_get_wbio(ssl_.get());
  const long size = BIO_get_mem_data(out, &data);
  if (size > 0 && !gone_) {
    try {
      raw_->send(std::string_view(data, static_cast<std::size_t>(size)));
    } catch (const std::system_error&) {
      gone_ = true;  // the transport has gone first
    }
    BIO_reset(out);
  }
}

bool TlsPeer::step() {
  if (SSL_is_init_finished(ssl_.get()) == 1) {
    return true;
  }
  fetch();
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1 && SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) {
    const char* const reason = ERR_reason_error_string(ERR_peek_error());
    failure_ = reason == nullptr ? "unknown" : reason;
  }
  flush();
  return result == 1;
}

bool TlsPeer::got_farewell() const {
  return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

// The transport may be ahead of the peer: its part of the handshake is in the kernel already.
void TlsPeer::settle() {
  for (int round = 0; round < settle_rounds && !step() && failure_.empty(); ++round) {
    raw_->wait();
  }
}

void TlsPeer::send(std::string_view bytes) {
  settle();
  require(SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0, "a write");
  flush();
}

void TlsPeer::send_eof() {
  settle();
  SSL_shutdown(ssl_.get());
  flush();
}

void TlsPeer::close() {
  settle();
  if (SSL_is_init_finished(ssl_.get()) == 1) {
    SSL_shutdown(ssl_.get());
    flush();
  }
  gone_ = true;
  raw_->close();
}

void TlsPeer::reset() {
  gone_ = true;
  raw_->reset();
}

// The bytes that clog the connection are no TLS: all that came before is taken first, and they are
// kept from the engine.
void TlsPeer::clog(int fd) {
  settle();
  for (int round = 0; round < settle_rounds; ++round) {
    fetch();
    raw_->wait();
  }
  fetch();
  require(step(), "the handshake before the connection is clogged");
  raw_->clog(fd);
}

void TlsPeer::attend() {
  if (gone_ || !closes_when()) {
    return;
  }
  start_reading();
  if ((SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) == 0) {
    send_eof();
  }
}

Peer::ReadResult TlsPeer::take(std::size_t most) {
  ReadResult result;
  if (!step()) {
    return result;
  }
  fetch();
  ERR_clear_error();
  result.bytes.resize(std::min(most, std::size_t{record_bytes}));
  const int count =
      SSL_read(ssl_.get(), result.bytes.data(), static_cast<int>(result.bytes.size()));
  result.bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  flush();
  if (count > 0) {
    records_.push_back(result.bytes.size());
  } else if (raw_->at_end()) {
    result.end = true;
    result.error = raw_->end_error();
  } else {
    result.end = got_farewell() && !closes_when();
  }
  return result;
}

}  // namespace sluice::testing
