#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <system_error>

#include "sluice/bytes.hpp"
#include "sluice/stream_reader.hpp"
#include "sluice/transport.hpp"
#include "streams/receive_buffer.hpp"

namespace sluice::streams {

/// The receiving half of a stream: what a protocol feeds and a StreamReader takes. asyncio: the
/// inside of StreamReader.
class StreamInput {
 public:
  /// Throws std::invalid_argument for a limit of 0.
  explicit StreamInput(std::size_t limit);
  StreamInput(const StreamInput&) = delete;
  StreamInput& operator=(const StreamInput&) = delete;

  // For the protocol.
  /// Whom to pause. asyncio: set_transport.
  void set_transport(const std::shared_ptr<ReadTransport>& transport) noexcept {
    transport_ = transport;
  }
  void feed_data(Bytes data);
  void feed_eof();
  void set_exception(std::exception_ptr exception);
  /// Nothing comes any more: an end, or what `error` says.
  void connection_lost(std::error_code error);

  // For the reader.
  [[nodiscard]] bool at_eof() const noexcept { return ended_ && buffer_.empty(); }
  [[nodiscard]] const std::exception_ptr& exception() const noexcept { return failure_; }
  /// Whether a read need not wait. Throws std::logic_error when another one waits.
  [[nodiscard]] bool ready(detail::ReadRequest& request);
  /// `waiter` is woken when its request is ready.
  void enter(detail::ReadAwaiter& waiter) noexcept;
  /// It waits no more, whether it got something or not.
  void leave(detail::ReadAwaiter& waiter) noexcept;
  /// The bytes of a request that is ready.
  [[nodiscard]] std::string take(const detail::ReadRequest& request);
  /// Everything that nobody has read yet; a read that waits goes on waiting, for what comes then.
  /// Throws std::logic_error, with nothing taken, when one has yet to take what it was woken for.
  [[nodiscard]] std::string take_buffered();

 private:
  enum class Flow : std::uint8_t {
    reading,  ///< The transport delivers.
    paused,   ///< It was told to stop.
  };
  [[nodiscard]] bool satisfied(detail::ReadRequest& request) const;
  [[nodiscard]] bool separator_decided(detail::ReadRequest& request) const;
  void wake_if_ready();
  void pause_if_full();
  void resume();
  [[nodiscard]] std::string take_front(std::size_t count);
  [[nodiscard]] std::string take_until(const detail::ReadRequest& request);
  [[nodiscard]] std::string take_line(const detail::ReadRequest& request);

  ReceiveBuffer buffer_;
  std::size_t limit_;
  std::weak_ptr<ReadTransport> transport_;
  detail::ReadAwaiter* waiting_ = nullptr;
  std::exception_ptr failure_;
  Flow flow_ = Flow::reading;
  bool ended_ = false;
};

}  // namespace sluice::streams
