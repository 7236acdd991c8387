#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <system_error>
#include <vector>

#include "core/sink.hpp"
#include "sluice/buffer.hpp"
#include "sluice/socket_address.hpp"
#include "sys/system_calls.hpp"
#include "transports/address_table.hpp"
#include "transports/datagram_frame.hpp"

namespace sluice::transports {

/// What became of the datagrams that a sink was offered.
struct SentDatagrams {
  std::uint64_t sent = 0;
  std::uint64_t lost = 0;
  std::uint64_t calls = 0;
  std::uint64_t trains = 0;
};

/// A datagram that the system refused.
struct RefusedDatagram {
  std::error_code error;
  std::size_t size;
  std::optional<SocketAddress> to;
};

/// The way out of a datagram socket: takes frames out of the queue and sends as many with one call
/// as it can. One that the system refuses is lost, told in refused(), and the next ones go on.
class DatagramSink final : public core::Sink {
 public:
  /// So many datagrams, and so many refusals, and an attempt ends: the rest is for the next one.
  static constexpr std::size_t max_per_attempt = 1024;
  static constexpr std::size_t max_refused = 16;
  /// The kernel's limits on one train of datagrams (UDP_SEGMENT): how many, and their bytes.
  static constexpr std::size_t max_train = 64;
  static constexpr std::size_t max_train_bytes = 65'000;

  /// Whether neighbours of one size and address are sent as a train that the kernel cuts.
  enum class Trains : std::uint8_t {
    allowed,
    forbidden,  ///< The kernel, the kind of socket, or a refusal on the way says no.
  };

  /// `sys` must outlive the sink; `fd` stays the caller's.
  DatagramSink(sys::SystemCalls& sys, int fd, Trains trains)
      : sys_(&sys), fd_(fd), trains_(trains) {
    refused_.reserve(max_refused);
  }

  /// The header of a frame to `to` (null: the peer of a connected socket), to be given to
  /// WriteSide::write_frame at once. Throws std::bad_alloc.
  [[nodiscard]] FrameHeader header_for(std::size_t size, const SocketAddress* to);
  /// Notes a datagram that was never offered because no system takes one so large.
  void refuse(std::error_code error, std::size_t size, const SocketAddress* to);
  /// Frames entered and neither sent nor lost.
  [[nodiscard]] std::size_t queued() const noexcept { return queued_; }
  /// The queue was thrown away.
  void forget_queued() noexcept;

  /// What was refused since take_refused, at most max_refused.
  [[nodiscard]] bool any_refused() const noexcept { return !refused_.empty(); }
  void take_refused(std::vector<RefusedDatagram>& into) noexcept;
  [[nodiscard]] const SentDatagrams& totals() const noexcept { return totals_; }
  [[nodiscard]] Trains trains() const noexcept { return trains_; }

  core::SinkResult write(std::span<const Bytes> pieces) noexcept override;
  /// A datagram socket has no end to tell of; its transport never gets here.
  std::error_code shutdown() noexcept override;

 private:
  class Batch;

  void gone(const Frame& frame) noexcept;
  std::size_t pass(FrameReader& reader, const Batch& batch, std::size_t messages) noexcept;
  std::size_t lose_first(FrameReader& reader, const Batch& batch, int error) noexcept;
  [[nodiscard]] bool trains_to_blame(const Batch& batch, int error) const noexcept;

  sys::SystemCalls* sys_;
  int fd_;
  Trains trains_;
  AddressTable addresses_;
  std::size_t queued_ = 0;
  std::vector<RefusedDatagram> refused_;
  SentDatagrams totals_;
};

}  // namespace sluice::transports
