#pragma once

#include <cstdint>
#include <memory>
#include <system_error>

#include "sluice/future.hpp"
#include "sluice/transport.hpp"

namespace sluice {

/// What a relay has done, in one direction.
struct RelayResult {
  std::uint64_t bytes = 0;      ///< given to the writing end
  std::uint64_t discarded = 0;  ///< read, but the writing end was closing or at its end already
  std::error_code read_error;   ///< what broke the reading end; empty when it ended or was closed
  /// What broke the writing end; empty when it was closed, or lives; std::errc::broken_pipe when
  /// something came for it after its write_eof().
  std::error_code write_error;
};

/// What relay_both has done.
struct RelayBothResult {
  RelayResult forth;  ///< from the first to the second
  RelayResult back;   ///< from the second to the first
};

/// Writes everything that `from` receives to `to`, behind what was written to it before. Reading is
/// paused while `to` is above its high mark. Between plain sockets and pipes the kernel moves the
/// bytes without a copy (splice), at most 256 KiB at a time, which are not part of
/// get_write_buffer_size().
///
/// Both transports get protocols of the relay's own by set_protocol, in the place of theirs, and
/// reading from `to` is paused. What an earlier protocol has received is not relayed: write it to
/// `to` first. Writing to `to` meanwhile is allowed; the bytes come in between.
///
/// The end of `from` is carried over by write_eof(), or close() where there is no half-close. When
/// either is lost, the other is closed; if by an error, it is aborted. The future is done then,
/// with a result in any case; what `to` has buffered it goes on sending. After the end of `from`,
/// or when the future is cancelled, transports that are still open have their earlier protocols
/// again, and read or do not read as before; the protocols are told to pause or to resume writing
/// if that has changed meanwhile. The end itself is told to no one else.
///
/// write_eof() of `to` by somebody else ends the relay as cancelling does, when something comes
/// that it could not be given; relay_both goes on in the other direction.
///
/// Failure: std::logic_error when either is closing, or `to` after write_eof() (relay_both:
/// either); std::invalid_argument when one is missing, not made by this library, or of another loop
/// than the other, when both are the same, and when `from` only writes, as a file and the writing
/// end of a pipe do, or `to` only reads. Loop thread only. No counterpart in asyncio.
[[nodiscard]] Future<RelayResult> relay(const std::shared_ptr<ReadTransport>& from,
                                        const std::shared_ptr<WriteTransport>& to);

/// relay() in both directions at once, as a proxy does. The future is done when both have ended;
/// both transports are closed then, after what they have buffered has been sent. Cancelling gives
/// back the earlier protocols.
[[nodiscard]] Future<RelayBothResult> relay_both(const std::shared_ptr<Transport>& first,
                                                 const std::shared_ptr<Transport>& second);

}  // namespace sluice
