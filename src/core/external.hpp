#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <system_error>

namespace sluice::core {

/// What became of an attempt to move bytes of an external range.
struct ExternalResult {
  enum class Kind : std::uint8_t {
    moved,          ///< The next `count` bytes, at least one, have been taken.
    would_block,    ///< The sink is full; it will be ready later.
    ended,          ///< The range has no more bytes, though more were expected.
    unsupported,    ///< The sink cannot reach the bytes: they go through memory.
    source_failed,  ///< The next bytes cannot be had, for the reason `error`.
    sink_failed,    ///< Nothing more can be sent, for the reason `error`.
  };
  Kind kind;
  std::size_t count = 0;
  std::error_code error{};

  static ExternalResult moved(std::size_t count) noexcept { return {Kind::moved, count}; }
  static ExternalResult would_block() noexcept { return {Kind::would_block}; }
  static ExternalResult ended() noexcept { return {Kind::ended}; }
  static ExternalResult unsupported() noexcept { return {Kind::unsupported}; }
  static ExternalResult source_failed(std::error_code error) noexcept {
    return {Kind::source_failed, 0, error};
  }
  static ExternalResult sink_failed(std::error_code error) noexcept {
    return {Kind::sink_failed, 0, error};
  }
};

/// How a range left its queue.
enum class ExternalEnd : std::uint8_t {
  sent,        ///< All its bytes have been taken, or it had no more.
  unreadable,  ///< Its bytes could not be had; the transport is lost over it.
  lost,        ///< The transport was lost first.
};

/// A range of bytes that are not in memory but behind something that a sink can reach, such as a
/// file. It has its place in a WriteQueue like written bytes; what it is, core does not know. It is
/// in one queue at most.
class External {
 public:
  /// At most `count` bytes.
  explicit External(std::uint64_t count) noexcept : remaining_(count) {}
  External(const External&) = delete;
  External& operator=(const External&) = delete;
  virtual ~External() = default;

  /// Bytes still to be taken, at most.
  [[nodiscard]] std::uint64_t remaining() const noexcept { return remaining_; }
  /// Bytes taken so far, by the sink or into the queue's memory.
  [[nodiscard]] std::uint64_t moved() const noexcept { return moved_; }

  /// Copies the next bytes into `memory`, which is neither empty nor larger than remaining(); for
  /// sinks that cannot reach them. would_block and unsupported are no answers.
  virtual ExternalResult read(std::span<std::byte> memory) noexcept = 0;
  /// Bytes that are nowhere else and are lost with the range.
  [[nodiscard]] virtual std::uint64_t held() const noexcept { return 0; }
  /// It has left the queue; told once, and not when a user took it out or the loop was closed. Must
  /// not come back into the WriteSide. `error` is empty for a transport that was closed or aborted.
  virtual void left(ExternalEnd end, std::error_code error) noexcept = 0;

  /// `count` of the remaining bytes have been taken.
  void advance(std::size_t count) noexcept {
    remaining_ -= count;
    moved_ += count;
  }

 protected:
  /// Begins anew with `count` bytes; only while it is in no queue.
  void renew(std::uint64_t count) noexcept {
    remaining_ = count;
    moved_ = 0;
  }

 private:
  friend class WriteQueue;
  friend class WriteSide;

  /// How its bytes get to the sink.
  enum class Way : std::uint8_t {
    direct,          ///< The sink takes them from where they are.
    through_memory,  ///< The sink cannot; they are read block by block.
  };

  std::shared_ptr<External> next_;
  std::uint64_t position_ = 0;  // see WriteQueue::Externals
  std::uint64_t remaining_;
  std::uint64_t moved_ = 0;
  Way way_ = Way::direct;
};

}  // namespace sluice::core
