#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "sluice/buffer.hpp"
#include "sluice/bytes.hpp"
#include "sluice/protocol.hpp"
#include "sluice/socket_address.hpp"

namespace sluice {

/// A limit that is never reached: the protocol is never paused. (Zero is a real limit: it pauses on
/// any byte that the kernel did not take.)
inline constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

/// The marks of flow control, in bytes, in asyncio's order of get_write_buffer_limits.
struct WriteBufferLimits {
  std::size_t low;
  std::size_t high;
  friend bool operator==(const WriteBufferLimits&, const WriteBufferLimits&) = default;
};

/// pause_writing above 64 KiB, resume_writing at 16 KiB.
inline constexpr WriteBufferLimits default_write_buffer_limits{16 * 1024, 64 * 1024};

/// What has become of everything that was given to write(). Bytes and counts since the transport's
/// birth; bytes_written + bytes_discarded + get_write_buffer_size() is all that was accepted. The
/// bytes of a file count as accepted when they are sent, those in the pipe of a relay when they
/// were read.
struct WriteStatistics {
  std::uint64_t bytes_written = 0;    ///< taken by the kernel
  std::uint64_t bytes_discarded = 0;  ///< accepted, then thrown away by abort() or by the loss
  std::uint64_t bytes_dropped = 0;    ///< refused: written after close() or after the loss
  std::uint64_t writes_dropped = 0;   ///< calls of write() or writelines() refused that way;
                                      ///< neither is counted if there is no memory to begin that
  std::uint64_t send_calls = 0;       ///< system calls that tried to send
  std::uint64_t short_writes = 0;     ///< of these, the ones of which the kernel took only a part
  std::uint64_t would_blocks = 0;     ///< of these, the ones of which the kernel took nothing
  std::uint64_t pauses = 0;           ///< calls of pause_writing
  std::size_t peak_buffer_size = 0;   ///< the largest get_write_buffer_size() there ever was
};

/// What all transports share. Transports are made by the loop, used on the loop's thread only, and
/// held by shared_ptr: the loop keeps one alive from connection_made until connection_lost has
/// returned; whoever holds it longer may still call every method. asyncio: BaseTransport.
class BaseTransport {
 public:
  BaseTransport(const BaseTransport&) = delete;
  BaseTransport& operator=(const BaseTransport&) = delete;
  virtual ~BaseTransport() = default;

  /// Stops reading at once, sends what is buffered, then connection_lost({}) and the descriptor is
  /// closed. Returns at once; never calls the protocol. A second call does nothing (W-40..W-45).
  /// Without a reading peer this can take forever; abort() ends it.
  virtual void close() = 0;

  /// True from close(), abort(), or the moment the connection broke, on for ever (W-1, W-47).
  [[nodiscard]] virtual bool is_closing() const = 0;

  /// The address of the other end, as it was at birth; empty for pipes and when unknown.
  /// asyncio: get_extra_info('peername').
  [[nodiscard]] virtual std::optional<SocketAddress> peername() const = 0;

  /// The address of this end, as it was at birth. asyncio: get_extra_info('sockname').
  [[nodiscard]] virtual std::optional<SocketAddress> sockname() const = 0;

  /// The descriptor, still owned by the transport; -1 once connection_lost has returned. Do not
  /// read, write or close it. asyncio: get_extra_info('socket').fileno().
  [[nodiscard]] virtual int fileno() const = 0;

  /// Hands the connection to another protocol: it gets every later callback, but no
  /// connection_made. A pause that is owed a resume_writing is inherited (W-78). Throws
  /// std::invalid_argument when `protocol` is null or not of a kind this transport can serve (a
  /// duplex stream takes Protocol and BufferedProtocol; a pipe its own kind).
  virtual void set_protocol(std::shared_ptr<BaseProtocol> protocol) = 0;

  /// The protocol; null once connection_lost has returned (W-46).
  [[nodiscard]] virtual std::shared_ptr<BaseProtocol> get_protocol() const = 0;

 protected:
  BaseTransport() = default;
};

/// The reading half. asyncio: ReadTransport.
class ReadTransport : public virtual BaseTransport {
 public:
  /// Whether data is awaited: not paused, not at end of file, not closing (W-152, Q-25).
  [[nodiscard]] virtual bool is_reading() const = 0;

  /// No data_received until resume_reading. Does nothing when already paused or closing. In
  /// connection_made it keeps reading from starting (W-83).
  virtual void pause_reading() = 0;

  /// Reads again, from the next turn of the loop on, never inside this call (W-153). Does nothing
  /// when not paused or closing.
  virtual void resume_reading() = 0;
};

namespace detail {
/// What one piece of writelines() may be.
template <class T>
concept Piece =
    std::is_convertible_v<const T&, std::string_view> || std::is_convertible_v<const T&, Bytes>;
template <class R>
concept RangeOfPieces = std::ranges::input_range<R> && Piece<std::ranges::range_value_t<R>>;
template <class R>
concept RangeOfBuffers =
    std::ranges::input_range<R> && std::is_same_v<std::ranges::range_value_t<R>, Buffer>;
}  // namespace detail

/// The writing half: writes never block, are sent in order, and are buffered between a low and a
/// high mark. asyncio: WriteTransport.
class WriteTransport : public virtual BaseTransport {
 public:
  /// Sends `data` or buffers it; never blocks, never fails: an error of the system loses the
  /// connection and is told to connection_lost. The bytes may be changed or freed when this
  /// returns: what the kernel did not take is copied, once. May call pause_writing. After close()
  /// or the loss, the bytes are dropped and counted (W-16, W-60). Throws std::logic_error after
  /// write_eof() (W-8).
  virtual void write(Bytes data) = 0;

  /// The same for text. A char array or pointer is text up to its first NUL. All other bytes, such
  /// as a std::vector<char> or an array of std::uint8_t, are given as std::as_bytes(std::span(x)).
  void write(std::string_view text) { write(as_bytes(text)); }
  /// 0 and nullptr are no text.
  void write(std::nullptr_t) = delete;

  /// The same for shared bytes: a Buffer of more than 512 bytes is linked, never copied; a smaller
  /// one is copied.
  virtual void write(Buffer data) = 0;

  /// write() of each piece in order, with one attempt to send and one pause check for all of them;
  /// empty pieces are skipped (W-25, W-28). A dropped call counts once. Throws std::logic_error
  /// after write_eof(), also for an empty list (W-26).
  virtual void writelines(std::span<const Buffer> pieces) = 0;
  virtual void writelines(std::span<const Bytes> pieces) = 0;

  /// writelines() of any range of Buffer, or of what converts to std::string_view or Bytes.
  template <detail::RangeOfBuffers R>
  requires(!std::is_convertible_v<R, std::span<const Buffer>>) void writelines(R&& pieces) {
    std::vector<Buffer> list;
    for (const Buffer& piece : pieces) {
      list.push_back(piece);
    }
    writelines(std::span<const Buffer>(list));
  }
  template <detail::RangeOfPieces R>
  requires(!std::is_convertible_v<R, std::span<const Bytes>>) void writelines(R&& pieces) {
    std::vector<Bytes> list;
    for (auto&& piece : pieces) {
      static_assert(std::is_lvalue_reference_v<decltype(piece)> ||
                        std::is_same_v<std::remove_cvref_t<decltype(piece)>, std::string_view> ||
                        std::is_same_v<std::remove_cvref_t<decltype(piece)>, Bytes>,
                    "the range makes its pieces on the fly: they would die before they are sent");
      if constexpr (std::is_convertible_v<decltype(piece), std::string_view>) {
        list.push_back(as_bytes(std::string_view(piece)));
      } else {
        list.push_back(Bytes(piece));
      }
    }
    writelines(std::span<const Bytes>(list));
  }
  void writelines(std::initializer_list<std::string_view> pieces) {
    writelines<std::initializer_list<std::string_view>&>(pieces);
  }
  void writelines(std::initializer_list<Buffer> pieces) {
    writelines(std::span<const Buffer>(pieces.begin(), pieces.size()));
  }

  /// Tells the peer that nothing more comes, after what is buffered has been sent; reading goes on.
  /// On a pipe this is close(). Does nothing the second time or when closing. A failure of the
  /// system loses the connection, it is never thrown (W-33..W-38, Q-12).
  virtual void write_eof() = 0;

  /// Whether write_eof() can be called: true for sockets, pipes and files.
  [[nodiscard]] virtual bool can_write_eof() const = 0;

  /// Discards what is buffered and closes: connection_lost({}) comes in the next turn. Never sends,
  /// never calls the protocol from inside this call. Does nothing once the loss is under way, so it
  /// may be called in any state, any number of times (W-48..W-53).
  virtual void abort() = 0;

  /// Bytes accepted by write() that the kernel has not taken yet. O(1). 0 after the loss (W-54).
  [[nodiscard]] virtual std::size_t get_write_buffer_size() const = 0;

  /// The marks, in bytes (W-55).
  [[nodiscard]] virtual WriteBufferLimits get_write_buffer_limits() const = 0;

  /// Sets the marks, in bytes. Mind the order, it is asyncio's: here high comes first, in
  /// WriteBufferLimits low. With `high` alone, low is a quarter of it; with `low` alone, high is
  /// four times it; with neither, 64 KiB and 16 KiB. Pauses or resumes the protocol at once if the
  /// new marks ask for it (W-75, Q-11). `unlimited` never pauses. Throws std::invalid_argument,
  /// with the old marks kept, when high < low (W-56).
  virtual void set_write_buffer_limits(std::optional<std::size_t> high = {},
                                       std::optional<std::size_t> low = {}) = 0;

  /// What has become of the bytes so far; also after the loss. No counterpart in asyncio.
  [[nodiscard]] virtual WriteStatistics write_statistics() const = 0;
};

/// A duplex stream: TCP or Unix socket. asyncio: Transport.
class Transport : public WriteTransport, public ReadTransport {};

/// What a connecting call results in: `auto [transport, protocol] = ...`.
template <class P>
struct Connection {
  std::shared_ptr<Transport> transport;
  std::shared_ptr<P> protocol;
};
template <class P>
struct WriteConnection {
  std::shared_ptr<WriteTransport> transport;
  std::shared_ptr<P> protocol;
};
template <class P>
struct ReadConnection {
  std::shared_ptr<ReadTransport> transport;
  std::shared_ptr<P> protocol;
};

}  // namespace sluice
