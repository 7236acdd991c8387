#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "core/read_side.hpp"
#include "sluice/bytes.hpp"
#include "sluice/socket_address.hpp"
#include "sys/system_calls.hpp"

namespace sluice::transports {

/// What became of the datagrams that a source took from the kernel.
struct ReceivedDatagrams {
  std::uint64_t calls = 0;
  std::uint64_t unread = 0;
};

/// The way into a datagram socket. One read takes several datagrams from the kernel; they are
/// handed out one by one, and those that the protocol does not want yet are kept for later.
class DatagramSource final : public core::Source {
 public:
  /// The most datagrams of one read.
  static constexpr std::size_t max_batch = 16;
  /// No datagram over IP is longer.
  static constexpr std::size_t max_ip_datagram = 64 * 1024;

  /// A datagram that was received; its bytes are valid until the next read.
  struct Datagram {
    Bytes bytes;
    const SocketAddress* from;
    bool truncated;  ///< It was longer than slot_bytes; the end is gone.
  };

  /// `sys` must outlive the source; `fd` stays the caller's. `slot_bytes`: the longest datagram.
  DatagramSource(sys::SystemCalls& sys, int fd, std::size_t slot_bytes)
      : sys_(&sys), fd_(fd), slot_bytes_(slot_bytes) {}

  /// Received means: look at next() and take_error(), and, when all of `memory` was used, read
  /// again. An error of the socket is not the end of it.
  core::SourceResult read(std::span<std::byte> memory) noexcept override;
  /// A batch that is not full has emptied the socket.
  [[nodiscard]] bool short_read_empties() const noexcept override { return true; }

  /// Whether there is a datagram to hand out.
  [[nodiscard]] bool has_next() const noexcept { return next_ < count_ || !kept_.empty(); }
  /// Hands out the oldest; there is one.
  [[nodiscard]] Datagram next() noexcept;
  /// Copies what was not handed out, because the memory will be used by others. Throws
  /// std::bad_alloc.
  void keep_rest();
  /// Throws away what was not handed out.
  void drop_rest() noexcept;
  /// The error that the last read met, once; empty if none.
  [[nodiscard]] std::error_code take_error() noexcept { return std::exchange(error_, {}); }

  [[nodiscard]] const ReceivedDatagrams& totals() const noexcept { return totals_; }

 private:
  struct Kept {
    std::string bytes;
    SocketAddress from;
    bool truncated = false;
  };

  sys::SystemCalls* sys_;
  int fd_;
  std::size_t slot_bytes_;
  std::array<sys::IncomingDatagram, max_batch> batch_{};
  std::size_t next_ = 0;   // of the batch, the first that was not handed out
  std::size_t count_ = 0;  // how many the batch has
  std::deque<Kept> kept_;  // older than the batch
  Kept handed_out_;        // the last of the kept ones
  std::error_code error_;
  ReceivedDatagrams totals_;
};

}  // namespace sluice::transports
