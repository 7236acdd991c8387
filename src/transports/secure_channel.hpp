#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <system_error>

#include "core/segment_pool.hpp"
#include "sluice/buffer.hpp"
#include "sluice/tls.hpp"
#include "sys/system_calls.hpp"
#include "transports/channel.hpp"

namespace sluice::transports {

/// What a secure channel is made of. All references must outlive it; `fd` stays the caller's.
struct SecureChannelParts {
  sys::SystemCalls& sys;
  core::SegmentPool& pool;
  int fd;
  /// As for DescriptorChannel.
  bool edge_tells_all;
  /// The host to ask for and to compare the certificate with; empty: none.
  std::string server_hostname{};
  /// Tells one server from another, to come back with the right session; empty: do not.
  std::string server{};
};

/// What came of one step of a conversation with the peer.
enum class Progress : std::uint8_t {
  done,     ///< It has come to its end.
  waiting,  ///< The next readiness, of either kind, brings it on.
  again,    ///< There is more to do at once, in the next turn.
  failed,   ///< It has come to a bad end; failure() says which.
};

/// A channel that talks to its peer on its own account as well: before the bytes of the protocol,
/// among them and after them. Its write() takes nothing before the handshake is done.
class SecureChannel : public Channel {
 public:
  /// Why a handshake failed, and what is to be known besides: the subject of a certificate.
  struct Failure {
    std::error_code code;
    std::string details;
  };

  /// The next `count` bytes written go out as they are; then `passed`, which must not throw, is
  /// called, once, from inside write(). Only before the handshake.
  virtual void pass_clear(std::size_t count, std::function<void()> passed) = 0;
  /// `bytes` were received before; they are the first of the peer's. Only before the handshake.
  virtual void feed(Buffer bytes) = 0;
  /// One step of the handshake.
  virtual Progress handshake() noexcept = 0;
  /// After a step that has failed.
  [[nodiscard]] virtual const Failure& failure() const noexcept = 0;
  /// Sends what was encrypted and found no room, as far as it goes. An error is told by the next
  /// read or write.
  virtual void push() noexcept = 0;
  /// Reads as much as `scratch` holds, while our bytes still leave; done when the peer sends no
  /// more, whether it has said farewell or not. Then write() goes on.
  virtual Progress throw_away(std::span<std::byte> scratch) noexcept = 0;
  /// One step towards the peer's farewell, after shutdown(): what still comes is thrown away, by
  /// way of `scratch`. Never fails: a peer that is gone has parted.
  virtual Progress part(std::span<std::byte> scratch) noexcept = 0;
  /// The transport is lost: nothing is sent or received any more, and what was kept is forgotten.
  virtual void abandon() noexcept = 0;
  /// Whether the peer may go on sending after our farewell, and we after its.
  [[nodiscard]] virtual bool half_closes() const noexcept = 0;
  /// After the handshake.
  [[nodiscard]] virtual TlsInfo info() const = 0;
};

}  // namespace sluice::transports
