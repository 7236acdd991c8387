#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "sluice/buffer.hpp"
#include "sluice/bytes.hpp"
#include "sluice/detail/task_context.hpp"
#include "sluice/options.hpp"
#include "sluice/socket_address.hpp"
#include "sluice/task.hpp"
#include "sluice/transport.hpp"

namespace sluice {

namespace streams {
class StreamOutput;
}

namespace detail {

/// What StreamWriter::drain makes.
class [[nodiscard]] DrainAwaiter final : public RingWaiter {
 public:
  explicit DrainAwaiter(std::shared_ptr<streams::StreamOutput> output) noexcept
      : output_(std::move(output)) {}

  [[nodiscard]] bool await_ready() const noexcept;
  template <TaskPromiseType Promise>
  void await_suspend(std::coroutine_handle<Promise> coroutine) {
    suspend(coroutine);
    begin();
  }
  void await_resume();
  /// For the stream: there is room.
  void has_room();

 private:
  enum class Wait : std::uint8_t {
    none,      ///< It need not wait, or has not begun.
    one_turn,  ///< The stream is closing: a loss that is on its way is to be seen.
    for_room,  ///< It is told of room or of the loss.
    over,      ///< There was room; what comes after that is for the next one to see.
  };
  void begin();

  std::shared_ptr<streams::StreamOutput> output_;
  Wait wait_ = Wait::none;
};

/// What StreamWriter::wait_closed makes.
class [[nodiscard]] ClosedAwaiter final : public RingWaiter {
 public:
  explicit ClosedAwaiter(std::shared_ptr<streams::StreamOutput> output) noexcept
      : output_(std::move(output)) {}

  [[nodiscard]] bool await_ready() const noexcept;
  template <TaskPromiseType Promise>
  void await_suspend(std::coroutine_handle<Promise> coroutine) {
    enter();
    suspend(coroutine);
  }
  void await_resume();

 private:
  void enter() noexcept;
  std::shared_ptr<streams::StreamOutput> output_;
};

/// What the copies of a StreamWriter share.
struct WriterShare {
  const std::shared_ptr<WriteTransport>& transport;  // of `output`
  std::shared_ptr<streams::StreamOutput> output;
};

}  // namespace detail

/// The sending end of a stream. What is written goes to its transport, see WriteTransport; drain()
/// waits for room (W-200). Copies refer to the same stream; when the last one is dropped while the
/// stream is open, it is closed and a warning is logged (W-209). Loop thread only. asyncio:
/// StreamWriter.
class StreamWriter {
 public:
  /// For the functions that open streams.
  explicit StreamWriter(std::shared_ptr<streams::StreamOutput> output);

  /// As WriteTransport::write: never blocks, never fails.
  void write(Bytes data) const { transport()->write(data); }
  void write(std::string_view text) const { transport()->write(text); }
  void write(std::nullptr_t) const = delete;
  void write(Buffer data) const { transport()->write(std::move(data)); }
  /// As WriteTransport::writelines.
  template <class Range>
  void writelines(Range&& pieces) const {
    transport()->writelines(std::forward<Range>(pieces));
  }
  void writelines(std::initializer_list<std::string_view> pieces) const {
    transport()->writelines(pieces);
  }
  void writelines(std::initializer_list<Buffer> pieces) const { transport()->writelines(pieces); }
  /// As WriteTransport::write_eof.
  void write_eof() const { transport()->write_eof(); }
  [[nodiscard]] bool can_write_eof() const { return transport()->can_write_eof(); }

  /// `co_await writer.drain()`: goes on at once, without suspending, unless the transport is
  /// paused; then once it resumes writing: not everything has been sent (W-206). Any number of
  /// tasks may wait at a time, and one that is cancelled leaves the others (W-204). On a stream
  /// that is closing it goes on in a later turn, so that the loss is seen (W-202, W-205). Throws
  /// what the reader of the same connection would throw; the error that broke the connection while
  /// this waited; and std::errc::connection_reset when the connection is gone already, or was
  /// aborted while this waited and bytes were discarded (W-203, Q-28).
  [[nodiscard]] detail::DrainAwaiter drain() const { return detail::DrainAwaiter(output()); }

  /// As BaseTransport::close: what is buffered is sent first.
  void close() const { transport()->close(); }
  [[nodiscard]] bool is_closing() const { return transport()->is_closing(); }
  /// `co_await writer.wait_closed()`: goes on once the connection is gone; throws the
  /// std::system_error that broke it. May be awaited before close(), repeatedly, and by any number
  /// of tasks (W-207); on every kind of stream.
  [[nodiscard]] detail::ClosedAwaiter wait_closed() const {
    return detail::ClosedAwaiter(output());
  }

  /// `co_await writer.start_tls(context)`: secures the connection in place, as EventLoop::start_tls
  /// does: waits for drain(), then for the handshake. All copies of both ends go on over TLS. What
  /// the reader has buffered by then begins the peer's handshake, and is never data of the secured
  /// stream. Throws what drain() throws; std::system_error when the handshake fails, which
  /// loses the connection; with nothing changed, std::invalid_argument as EventLoop::start_tls, and
  /// std::logic_error while a read has yet to take what it was woken for. A cancellation during the
  /// handshake closes the connection; before, it changes nothing. asyncio: start_tls (W-211).
  [[nodiscard]] Task<> start_tls(std::shared_ptr<TlsContext> context,
                                 StartTlsOptions options = StartTlsOptions()) const;

  /// The transport.
  [[nodiscard]] const std::shared_ptr<WriteTransport>& transport() const noexcept {
    return share_->transport;
  }
  /// asyncio: get_extra_info('peername'), get_extra_info('sockname').
  [[nodiscard]] std::optional<SocketAddress> peername() const { return transport()->peername(); }
  [[nodiscard]] std::optional<SocketAddress> sockname() const { return transport()->sockname(); }

 private:
  /// The share of all copies, which ends the stream with the last of them.
  class Ownership;
  [[nodiscard]] const std::shared_ptr<streams::StreamOutput>& output() const noexcept {
    return share_->output;
  }

  std::shared_ptr<const detail::WriterShare> share_;
};

}  // namespace sluice
