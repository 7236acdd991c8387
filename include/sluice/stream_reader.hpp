#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "sluice/detail/task_context.hpp"

namespace sluice {

namespace streams {
class StreamInput;
}

/// How much a StreamReader buffers before it stops its transport, and how long a line may be, in
/// bytes. asyncio: the same default.
inline constexpr std::size_t default_stream_limit = 64 * 1024;

/// The stream ended before a read was complete. asyncio: IncompleteReadError.
class IncompleteReadError : public std::runtime_error {
 public:
  /// Without `expected` the number of bytes was not known: a separator was looked for.
  IncompleteReadError(std::string partial, std::optional<std::size_t> expected);
  /// What was there; it has been taken from the reader.
  [[nodiscard]] const std::string& partial() const noexcept { return partial_; }
  [[nodiscard]] std::optional<std::size_t> expected() const noexcept { return expected_; }

 private:
  std::string partial_;
  std::optional<std::size_t> expected_;
};

/// The separator did not come within the limit. asyncio: LimitOverrunError.
class LimitOverrunError : public std::runtime_error {
 public:
  LimitOverrunError(const char* message, std::size_t consumed)
      : std::runtime_error(message), consumed_(consumed) {}
  /// How many bytes at the front of the reader do not hold the separator.
  [[nodiscard]] std::size_t consumed() const noexcept { return consumed_; }

 private:
  std::size_t consumed_;
};

namespace detail {

/// What one read wants.
struct ReadRequest {
  enum class Kind : std::uint8_t {
    some,     ///< Up to `count` bytes, at least one.
    exactly,  ///< `count` bytes.
    all,      ///< Everything until the end of the stream.
    until,    ///< Everything up to the end of `separator`.
    line,     ///< The same of "\n", and what there is at the end of the stream.
    end,      ///< Nothing, once the stream has ended: the bytes stay.
  };
  Kind kind;
  std::size_t count = 0;
  std::string separator{};
  /// No separator begins before this; so nothing is searched twice.
  std::size_t searched = 0;
};

/// What the reading calls of StreamReader make.
class [[nodiscard]] ReadAwaiter final : public Waiter {
 public:
  ReadAwaiter(std::shared_ptr<streams::StreamInput> input, ReadRequest request) noexcept
      : input_(std::move(input)), request_(std::move(request)) {}
  ~ReadAwaiter();

  [[nodiscard]] bool await_ready();
  template <TaskPromiseType Promise>
  void await_suspend(std::coroutine_handle<Promise> coroutine) {
    enter();
    suspend(coroutine);
  }
  std::string await_resume();

  // For the stream.
  [[nodiscard]] ReadRequest& request() noexcept { return request_; }

 private:
  void enter() noexcept;
  [[nodiscard]] bool give_up() override;

  std::shared_ptr<streams::StreamInput> input_;
  ReadRequest request_;
};

}  // namespace detail

/// The receiving end of a stream, with a buffer that stops the transport when nobody reads: above
/// twice the limit it is paused, at the limit it goes on. Each call is awaited: `co_await
/// reader.read(n)`; one at a time, a second one throws std::logic_error. A task that is cancelled
/// while it reads loses no byte. When the connection broke, every read throws its
/// std::system_error, whatever is buffered. What is there already is taken without suspending.
/// Copies refer to the same stream. Loop thread only. asyncio: StreamReader.
class StreamReader {
 public:
  /// For the functions that open streams.
  explicit StreamReader(std::shared_ptr<streams::StreamInput> input) noexcept
      : input_(std::move(input)) {}

  /// Up to `count` bytes, at least one; empty at the end of the stream, or for 0.
  detail::ReadAwaiter read(std::size_t count) const;
  /// Everything until the end of the stream, without a limit. asyncio: read(-1).
  detail::ReadAwaiter read() const;
  /// Exactly `count` bytes. Throws IncompleteReadError when the stream ends before.
  detail::ReadAwaiter readexactly(std::size_t count) const;
  /// Everything up to `separator`, and that. Throws IncompleteReadError when the stream ends
  /// before; LimitOverrunError, with everything left in the buffer, when what precedes it is longer
  /// than the limit; std::invalid_argument for an empty separator.
  detail::ReadAwaiter readuntil(std::string_view separator = "\n") const;
  /// Everything up to "\n", and that; at the end of the stream what there is. Throws
  /// LimitOverrunError for a line longer than the limit, which is thrown away as far as it is
  /// there. (asyncio throws a ValueError.)
  detail::ReadAwaiter readline() const;

  /// Whether the stream has ended and everything was read.
  [[nodiscard]] bool at_eof() const noexcept;
  /// Why reads throw; null while they do not.
  [[nodiscard]] std::exception_ptr exception() const noexcept;

 private:
  std::shared_ptr<streams::StreamInput> input_;
};

}  // namespace sluice
