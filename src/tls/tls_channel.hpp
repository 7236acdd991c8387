#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <system_error>

#include "tls/ground.hpp"
#include "transports/channel.hpp"
#include "transports/secure_channel.hpp"

namespace sluice::tls {

class OpensslContext;
class Row;

struct SslDeleter {
  void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};
using SslPointer = std::unique_ptr<SSL, SslDeleter>;

/// TLS on a stream socket. What write() has encrypted is accepted when the last byte of its record
/// is in the kernel; until then the plaintext stays in the transport's queue, which thus counts
/// every layer in one number, and at most records_at_once are encrypted ahead of the socket.
class TlsChannel final : public transports::SecureChannel {
 public:
  /// A record holds so much plaintext.
  static constexpr std::size_t record_bytes = 16 * 1024;
  /// So many leave in one call. A rest that would not fill another one waits for what is written
  /// next, until a turn ends.
  static constexpr std::size_t records_at_once = 4;
  /// What one write() encrypts at most, and one read() decrypts.
  static constexpr std::size_t most_bytes_at_once = 256 * 1024;

  /// `parts` as there. Throws std::invalid_argument when the engine refuses the host name,
  /// std::bad_alloc.
  TlsChannel(std::shared_ptr<OpensslContext> context, const transports::SecureChannelParts& parts);
  ~TlsChannel() override;

  // Sink
  core::SinkResult write(std::span<const Bytes> pieces) noexcept override;
  std::error_code shutdown() noexcept override;
  // Source
  core::SourceResult read(std::span<std::byte> memory) noexcept override;
  [[nodiscard]] bool short_read_empties() const noexcept override { return drained_; }
  // SecureChannel
  void pass_clear(std::size_t count, std::function<void()> passed) override;
  void feed(Buffer bytes) override { ground_.feed(std::move(bytes)); }
  transports::Progress handshake() noexcept override;
  [[nodiscard]] const Failure& failure() const noexcept override { return failure_; }
  void push() noexcept override { static_cast<void>(ground_.push()); }
  transports::Progress throw_away(std::span<std::byte> scratch) noexcept override;
  transports::Progress part(std::span<std::byte> scratch) noexcept override;
  void abandon() noexcept override;
  [[nodiscard]] bool half_closes() const noexcept override;
  [[nodiscard]] TlsInfo info() const override;

  [[nodiscard]] OpensslContext& context() const noexcept { return *context_; }
  /// As in SecureChannelParts.
  [[nodiscard]] const std::string& server() const noexcept { return server_; }

 private:
  enum class Stage : std::uint8_t {
    clear,      ///< Bytes go out as they are, or wait for the handshake.
    greeting,   ///< The handshake is under way.
    secured,    ///< Bytes are encrypted.
    broken,     ///< The engine has failed; it must not be asked any more.
    abandoned,  ///< The transport is lost.
  };

  /// A record that is encrypted, but not yet in the kernel.
  struct Record {
    std::uint64_t end;  ///< where it ends in all that the engine has written
    std::size_t plain_bytes;
  };

  core::SinkResult write_clear(std::span<const Bytes> pieces) noexcept;
  core::SinkResult encrypt(std::span<const Bytes> pieces) noexcept;
  [[nodiscard]] bool encrypt_records(Row row) noexcept;
  [[nodiscard]] std::size_t settle_records() noexcept;
  [[nodiscard]] core::SourceResult read_nothing(int result) noexcept;
  void settle_failure() noexcept;
  void remember_certificate(X509_STORE_CTX& verification) noexcept;
  static int on_verified(int accepted, X509_STORE_CTX* verification) noexcept;

  std::shared_ptr<OpensslContext> context_;
  transports::DescriptorChannel socket_;
  Ground ground_;
  SslPointer ssl_;
  std::string server_hostname_;
  std::string server_;
  std::function<void()> clear_passed_;
  std::size_t clear_left_ = 0;
  /// Records of the bytes at the front of what is offered next, so many of them.
  std::array<Record, records_at_once> ahead_{};
  std::size_t ahead_count_ = 0;
  Failure failure_;
  Stage stage_ = Stage::clear;
  bool drained_ = false;
};

}  // namespace sluice::tls
