#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "sluice/buffer.hpp"
#include "sluice/bytes.hpp"
#include "sluice/fd.hpp"
#include "sluice/protocol.hpp"
#include "sluice/socket_address.hpp"
#include "sluice/transport.hpp"

namespace sluice {

class DatagramTransport;

/// The protocol of a datagram socket. asyncio: DatagramProtocol.
class DatagramProtocol : public BaseProtocol {
 public:
  /// The socket is ready; receiving starts when this returns. Keep the pointer to send later.
  virtual void connection_made(std::shared_ptr<DatagramTransport> /*transport*/) {}
  /// One datagram arrived, which may be empty. The bytes and the address are valid until the call
  /// returns. The address is unspecified when a Unix socket without a name sent it. What this
  /// throws goes to the exception handler, and the transport stays open (W-142).
  virtual void datagram_received(Bytes /*data*/, const SocketAddress& /*addr*/) {}
  /// The system refused a datagram, which is lost, or told that an earlier one did not arrive. The
  /// transport stays open. Comes from inside sendto(), the end of a turn, or receiving (W-135,
  /// W-137).
  virtual void error_received(std::error_code /*error*/) {}
};

/// What has become of all datagrams since the transport's birth. Each one given to sendto() is
/// queued, or counted in exactly one of the first four.
struct DatagramStatistics {
  std::uint64_t datagrams_sent = 0;  ///< taken by the kernel
  /// Refused by the kernel; each is told to error_received, before connection_lost, unless abort()
  /// or a lost transport came first.
  std::uint64_t datagrams_lost = 0;
  std::uint64_t datagrams_discarded =
      0;                                ///< queued, then thrown away by abort() or a lost transport
  std::uint64_t datagrams_dropped = 0;  ///< given to sendto() after close() or the loss
  std::uint64_t datagrams_received = 0;  ///< given to datagram_received
  std::uint64_t datagrams_unread =
      0;  ///< taken from the kernel, then not delivered because the transport was closed
  std::uint64_t datagrams_truncated =
      0;  ///< longer than any buffer of ours, and cut; none over IP, 256 KiB on Unix sockets
  std::uint64_t send_calls = 0;      ///< system calls that tried to send
  std::uint64_t receive_calls = 0;   ///< system calls that tried to receive
  std::uint64_t segment_trains = 0;  ///< messages that carried several datagrams (UDP_SEGMENT)
  std::uint64_t pauses = 0;          ///< calls of pause_writing
  std::size_t peak_buffer_size = 0;  ///< the largest get_write_buffer_size() there ever was
};

/// A datagram socket, UDP or Unix: datagrams go out whole and in order, and are buffered between a
/// low and a high mark while the kernel takes none. Used on the loop's thread only; owned as every
/// transport (see BaseTransport). close() sends what is queued first (W-139). asyncio:
/// DatagramTransport.
class DatagramTransport : public virtual BaseTransport {
 public:
  /// What a queued datagram costs besides its bytes (W-133).
  static constexpr std::size_t header_bytes = 8;

  /// Sends one datagram, which may be empty, to `addr`, or to the socket's remote address; or
  /// queues it. Never blocks. Bytes and address may be changed or freed when this returns. An error
  /// of the system reaches error_received, and only this datagram is lost. May call pause_writing
  /// and error_received. After close() or the loss, the datagram is dropped and counted. Throws
  /// std::invalid_argument when `addr` is missing and there is no remote address, or when it is not
  /// the remote address of a socket that has one (W-134).
  virtual void sendto(Bytes data, const std::optional<SocketAddress>& addr = std::nullopt) = 0;
  void sendto(std::string_view text, const std::optional<SocketAddress>& addr = std::nullopt) {
    sendto(as_bytes(text), addr);
  }
  /// 0 and nullptr are no text.
  void sendto(std::nullptr_t, const std::optional<SocketAddress>& addr = std::nullopt) = delete;
  /// The same for shared bytes: a large Buffer is linked, never copied; a small one is copied.
  virtual void sendto(Buffer data, const std::optional<SocketAddress>& addr = std::nullopt) = 0;

  /// Discards what is queued and closes: connection_lost({}) comes in the next turn. Does nothing
  /// once the loss is under way (W-140).
  virtual void abort() = 0;

  /// Bytes queued, with header_bytes for each datagram. O(1). 0 after the loss.
  [[nodiscard]] virtual std::size_t get_write_buffer_size() const = 0;
  /// The marks, in bytes; pause_writing and resume_writing obey them as on a WriteTransport.
  [[nodiscard]] virtual WriteBufferLimits get_write_buffer_limits() const = 0;
  /// Sets the marks; see WriteTransport. Throws std::invalid_argument when high < low.
  virtual void set_write_buffer_limits(std::optional<std::size_t> high = {},
                                       std::optional<std::size_t> low = {}) = 0;

  /// Whether datagrams are awaited: not paused, not closing.
  [[nodiscard]] virtual bool is_reading() const = 0;
  /// No datagram_received until resume_reading, also of datagrams that have been taken from the
  /// kernel already: those are kept.
  virtual void pause_reading() = 0;
  /// Receives again, from the next turn of the loop on.
  virtual void resume_reading() = 0;

  /// What has become of the datagrams so far; also after the loss. No counterpart in asyncio.
  [[nodiscard]] virtual DatagramStatistics statistics() const = 0;
};

/// A host, numeric or a name, and a port.
struct HostAndPort {
  std::string host;
  std::uint16_t port = 0;
};

/// What create_datagram_endpoint makes; the names are asyncio's. One of the addresses, paths,
/// `family` or `sock` must be given, and `sock` only without all others.
struct DatagramOptions {
  /// Bind to this host (empty: every interface) and port (0: any free one; ask sockname()).
  std::optional<HostAndPort> local_addr{};
  /// Send to and receive from this address only, unless allow_broadcast is set: then it is only
  /// where sendto() sends to.
  std::optional<HostAndPort> remote_addr{};
  /// Bind to this path of a Unix socket; a socket file that is in the way is replaced. A path that
  /// begins with a NUL byte is an abstract name. asyncio: local_addr.
  std::string local_path{};
  /// Send to and receive from the Unix socket of this path only. asyncio: remote_addr.
  std::string remote_path{};
  /// Resolve to this family only; alone, it makes a socket without any address.
  AddressFamily family = AddressFamily::unspecified;
  /// SO_REUSEPORT: several sockets share one address.
  bool reuse_port = false;
  /// SO_BROADCAST: without it, sending to a broadcast address is an error (EACCES).
  bool allow_broadcast = false;
  /// Remove local_path on close, if it is still ours. No counterpart in asyncio.
  bool cleanup_socket = true;
  /// Use this datagram socket, bound and connected by the user; it is owned and closed, also when
  /// the call fails.
  Fd sock{};
};

/// What create_datagram_endpoint results in: `auto [transport, protocol] = ...`.
template <class P>
struct DatagramConnection {
  std::shared_ptr<DatagramTransport> transport;
  std::shared_ptr<P> protocol;
};

}  // namespace sluice
