#include "tls/tls_channel.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <stdexcept>
#include <utility>

#include "core/check.hpp"
#include "core/piece_room.hpp"
#include "tls/error_words.hpp"
#include "tls/openssl_context.hpp"

namespace sluice::tls {
namespace {

using core::SinkResult;
using core::SourceResult;
using transports::Progress;

bool is_ip_address(const std::string& host) {
  ASN1_OCTET_STRING* const address = a2i_IPADDRESS(host.c_str());
  ERR_clear_error();
  ASN1_OCTET_STRING_free(address);
  return address != nullptr;
}

// SNI is for names only (RFC 6066).
void set_host(SSL& ssl, const std::string& host, bool checked) {
  const bool address = is_ip_address(host);
  // The macro that has a name for this casts in the old style.
  bool done = address || SSL_ctrl(&ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                                  const_cast<char*>(host.c_str())) == 1;
  if (done && checked) {
    X509_VERIFY_PARAM* const rules = SSL_get0_param(&ssl);
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    done = address ? X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) == 1
                   : X509_VERIFY_PARAM_set1_host(rules, host.c_str(), host.size()) == 1;
  }
  if (!done) {
    ERR_clear_error();
    throw std::invalid_argument("server_hostname '" + host + "' is no host name");
  }
}

// What has gone is told first; the next attempt fails in the same way.
SinkResult gone_before_failure(std::size_t gone, std::error_code error) noexcept {
  return gone > 0 ? SinkResult::enough(gone) : SinkResult::failed(error);
}

}  // namespace

/// The pieces of an offer as one row of bytes.
class Row {
 public:
  explicit Row(std::span<const Bytes> pieces) noexcept : pieces_(pieces) {}

  [[nodiscard]] bool empty() const noexcept { return pieces_.empty(); }
  [[nodiscard]] bool is_shorter_than(std::size_t count) const noexcept {
    Row rest = *this;
    return rest.skip(count) < count;
  }
  /// Leaves out so many bytes, or as many as there are; returns how many.
  std::size_t skip(std::size_t count) noexcept {
    std::size_t skipped = 0;
    while (skipped < count && !pieces_.empty()) {
      const std::size_t step = std::min(count - skipped, pieces_.front().size() - begun_);
      skipped += step;
      begun_ += step;
      if (begun_ == pieces_.front().size()) {
        pieces_ = pieces_.subspan(1);
        begun_ = 0;
      }
    }
    return skipped;
  }
  /// The front, as much of it as fits one record: where it lies, if enough of it lies in one piece,
  /// otherwise copied to `memory`.
  [[nodiscard]] Bytes record(std::span<std::byte> memory) const noexcept {
    const Bytes first = pieces_.front().subspan(begun_);
    if (first.size() >= memory.size() / 2 || pieces_.size() == 1) {
      return first.first(std::min(first.size(), memory.size()));
    }
    Row rest = *this;
    std::size_t filled = 0;
    while (filled < memory.size() && !rest.empty()) {
      const Bytes piece = rest.pieces_.front().subspan(rest.begun_);
      const std::size_t count = std::min(piece.size(), memory.size() - filled);
      std::memcpy(memory.data() + filled, piece.data(), count);
      filled += count;
      static_cast<void>(rest.skip(count));
    }
    return memory.first(filled);
  }

 private:
  std::span<const Bytes> pieces_;
  std::size_t begun_ = 0;
};

TlsChannel::TlsChannel(std::shared_ptr<OpensslContext> context,
                       const transports::SecureChannelParts& parts)
    : context_(std::move(context)),
      socket_(parts.sys, parts.fd, transports::DescriptorCalls::socket, parts.edge_tells_all),
      ground_(socket_, parts.pool),
      ssl_(SSL_new(context_->native())),
      server_hostname_(parts.server_hostname),
      server_(parts.server) {
  ERR_clear_error();
  if (!ssl_) {
    throw std::bad_alloc();
  }
  BIO* const bio = make_ground_bio(context_->ground_method(), ground_);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  if (context_->server_side()) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
    if (!server_hostname_.empty()) {
      set_host(*ssl_, server_hostname_, context_->checks_hostname());
    }
    if (!server_.empty()) {
      context_->sessions().offer(*ssl_, server_);
    }
  }
  SSL_set_verify(ssl_.get(), SSL_get_verify_mode(ssl_.get()), on_verified);
}

TlsChannel::~TlsChannel() = default;

void TlsChannel::pass_clear(std::size_t count, std::function<void()> passed) {
  core::check(stage_ == Stage::clear, "plain bytes go before the handshake");
  clear_left_ = count;
  clear_passed_ = std::move(passed);
}

SinkResult TlsChannel::write_clear(std::span<const Bytes> pieces) noexcept {
  if (clear_left_ == 0) {
    return SinkResult::would_block();
  }
  core::PieceRoom<core::Sink::max_pieces> room;
  const std::span<Bytes> clear = room.slots();
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (; count < pieces.size() && bytes < clear_left_; ++count) {
    clear[count] = pieces[count].first(std::min(pieces[count].size(), clear_left_ - bytes));
    bytes += clear[count].size();
  }
  const SinkResult result = socket_.write(clear.first(count));
  if (result.progressed()) {
    clear_left_ -= result.count;
    if (clear_left_ == 0) {
      std::exchange(clear_passed_, nullptr)();
    }
  }
  return result;
}

SinkResult TlsChannel::write(std::span<const Bytes> pieces) noexcept {
  switch (stage_) {
    case Stage::clear:
      return write_clear(pieces);
    case Stage::greeting:
      return SinkResult::would_block();
    case Stage::secured:
      return encrypt(pieces);
    case Stage::broken:
    case Stage::abandoned:
      break;
  }
  return SinkResult::failed(failure_.code);
}

SinkResult TlsChannel::encrypt(std::span<const Bytes> pieces) noexcept {
  Row row(pieces);
  std::size_t gone = 0;
  bool sent = ground_.push();
  for (std::size_t worked = 0;; worked += records_at_once * record_bytes) {
    gone += row.skip(settle_records());
    if (ground_.send_error()) {
      return gone_before_failure(gone, ground_.send_error());
    }
    if (!sent) {
      return gone > 0 ? SinkResult::accepted(gone) : SinkResult::would_block();
    }
    if (row.empty()) {
      return SinkResult::accepted(gone);
    }
    // A short record costs what a full one does, and what is written next may fill it.
    const bool better_waits = worked > 0 && row.is_shorter_than(record_bytes);
    if (better_waits || worked >= most_bytes_at_once) {
      return SinkResult::enough(gone);
    }
    if (!encrypt_records(row)) {
      settle_failure();
      return gone_before_failure(gone, failure_.code);
    }
    sent = ground_.all_sent();
  }
}

// Forgets the records that are in the kernel now; returns how many bytes they brought there.
std::size_t TlsChannel::settle_records() noexcept {
  std::size_t settled = 0;
  std::size_t plain_bytes = 0;
  for (; settled < ahead_count_ && ahead_[settled].end <= ground_.sent(); ++settled) {
    plain_bytes += ahead_[settled].plain_bytes;
  }
  std::copy(ahead_.begin() + settled, ahead_.begin() + ahead_count_, ahead_.begin());
  ahead_count_ -= settled;
  return plain_bytes;
}

// The last record is given to the socket where it lies, behind those before it, in one call.
bool TlsChannel::encrypt_records(Row row) noexcept {
  std::array<std::byte, record_bytes> memory;  // filled only as far as small pieces are joined
  while (ahead_count_ < records_at_once && !row.empty()) {
    const Bytes record = row.record(memory);
    static_cast<void>(row.skip(record.size()));
    const bool last = row.empty() || ahead_count_ + 1 == records_at_once;
    last ? ground_.join() : ground_.hold();
    std::size_t written = 0;
    ERR_clear_error();
    if (SSL_write_ex(ssl_.get(), record.data(), record.size(), &written) != 1) {
      return false;
    }
    ahead_[ahead_count_++] = {ground_.written(), written};
  }
  return true;
}

std::error_code TlsChannel::shutdown() noexcept {
  if (stage_ != Stage::secured) {
    return failure_.code ? failure_.code : make_error_code(TlsErrc::closed_by_us);
  }
  if ((SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) == 0) {
    ERR_clear_error();
    if (SSL_shutdown(ssl_.get()) < 0) {
      settle_failure();
      return failure_.code;
    }
  }
  return ground_.send_error();
}

SourceResult TlsChannel::read(std::span<std::byte> memory) noexcept {
  drained_ = false;
  if (stage_ != Stage::secured) {
    return stage_ == Stage::broken ? SourceResult{SourceResult::Kind::failed, 0, failure_.code}
                                   : SourceResult{SourceResult::Kind::would_block};
  }
  ground_.trust_short_reads();
  std::size_t filled = 0;
  while (filled < memory.size()) {
    std::size_t count = 0;
    ERR_clear_error();
    const int result =
        SSL_read_ex(ssl_.get(), memory.data() + filled, memory.size() - filled, &count);
    filled += count;
    if (result == 1) {
      continue;
    }
    const SourceResult nothing = read_nothing(result);
    if (filled == 0) {
      // A part of a record came, and perhaps the end behind it, of which no other event tells.
      if (nothing.kind == SourceResult::Kind::would_block && ground_.guessed_empty()) {
        ground_.ask_always();
        continue;
      }
      return nothing;
    }
    // An end or a failure is told by the next read.
    drained_ = nothing.kind == SourceResult::Kind::would_block;
    break;
  }
  return {SourceResult::Kind::received, filled};
}

SourceResult TlsChannel::read_nothing(int result) noexcept {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {SourceResult::Kind::would_block};
    case SSL_ERROR_ZERO_RETURN:
      return {SourceResult::Kind::end};
    default:
      settle_failure();
      return {SourceResult::Kind::failed, 0, failure_.code};
  }
}

// Finds out what went wrong, once: later the engine has nothing more to say.
void TlsChannel::settle_failure() noexcept {
  const bool greeting = stage_ == Stage::greeting;
  stage_ = Stage::broken;
  if (!ground_.peer_speaks_tls()) {
    failure_ = {TlsErrc::peer_not_tls, {}};
  } else if (ground_.receive_error()) {
    failure_ = {ground_.receive_error(), {}};
  } else if (ground_.at_end()) {
    failure_ = {greeting ? TlsErrc::closed_in_handshake : TlsErrc::truncated, {}};
  } else if (!failure_.code) {  // the verification has said more than the engine could
    failure_ = queued_failure();
  }
  ERR_clear_error();
}

Progress TlsChannel::handshake() noexcept {
  if (stage_ == Stage::clear) {
    stage_ = Stage::greeting;
  }
  static_cast<void>(ground_.push());
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    stage_ = Stage::secured;
    failure_ = {};
    return Progress::done;
  }
  if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) {
    settle_failure();
    return Progress::failed;
  }
  if (ground_.send_error()) {
    stage_ = Stage::broken;
    failure_ = {ground_.send_error(), {}};
    return Progress::failed;
  }
  return Progress::waiting;
}

Progress TlsChannel::throw_away(std::span<std::byte> scratch) noexcept {
  // We have ended the stream: how the peer ends it does not matter, and it may still be reading.
  SSL_set_options(ssl_.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  switch (read(scratch).kind) {
    case SourceResult::Kind::received:
      return Progress::again;
    case SourceResult::Kind::would_block:
      return Progress::waiting;
    case SourceResult::Kind::end:
      return Progress::done;
    case SourceResult::Kind::failed:
      break;
  }
  return Progress::failed;
}

Progress TlsChannel::part(std::span<std::byte> scratch) noexcept {
  const bool sent = ground_.push();
  if (stage_ != Stage::secured || ground_.send_error()) {
    return Progress::done;
  }
  const Progress progress = throw_away(scratch);
  if (progress == Progress::failed) {
    return Progress::done;
  }
  // A peer that has said farewell may still be waiting for the end of ours.
  return progress == Progress::done && !sent ? Progress::waiting : progress;
}

void TlsChannel::abandon() noexcept {
  if (stage_ == Stage::clear || stage_ == Stage::greeting || stage_ == Stage::secured) {
    stage_ = Stage::abandoned;
  }
  ground_.abandon();
  clear_passed_ = nullptr;
}

bool TlsChannel::half_closes() const noexcept {
  return SSL_version(ssl_.get()) >= TLS1_3_VERSION;
}

TlsInfo TlsChannel::info() const {
  const SSL* const ssl = ssl_.get();
  TlsInfo info;
  info.version = SSL_version(ssl) >= TLS1_3_VERSION ? TlsVersion::tls_1_3 : TlsVersion::tls_1_2;
  info.cipher = SSL_get_cipher_name(ssl);
  const unsigned char* protocol = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl, &protocol, &size);
  info.alpn_protocol.assign(protocol, protocol + size);
  if (const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) {
    info.server_name = name;
  }
  if (const X509* const certificate = SSL_get0_peer_certificate(ssl)) {
    info.peer_certificate_subject = subject_of(*certificate);
  }
  info.session_reused = SSL_session_reused(ssl) == 1;
  return info;
}

// The engine tells only a number afterwards; here the certificate is at hand.
void TlsChannel::remember_certificate(X509_STORE_CTX& verification) noexcept {
  failure_ = certificate_failure(X509_STORE_CTX_get_error(&verification),
                                 X509_STORE_CTX_get_current_cert(&verification), server_hostname_);
}

int TlsChannel::on_verified(int accepted, X509_STORE_CTX* verification) noexcept {
  const auto* const ssl = static_cast<SSL*>(
      X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (accepted == 0 && (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0) {
    static_cast<TlsChannel*>(SSL_get_app_data(ssl))->remember_certificate(*verification);
  }
  return accepted;
}

}  // namespace sluice::tls
