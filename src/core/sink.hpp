#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>

#include "core/external.hpp"
#include "sluice/bytes.hpp"

namespace sluice::core {

/// What became of an offer of bytes.
struct SinkResult {
  enum class Kind : std::uint8_t {
    accepted,  ///< The first `count` bytes are gone; fewer than offered means that the sink is
               ///< full.
    enough,  ///< The first `count` bytes are gone; the sink stopped by itself, and takes more when
             ///< it is offered more.
    would_block,  ///< Nothing was taken; the sink will be ready later.
    in_flight,  ///< The first `count` are being worked on and must stay; WriteSide::complete comes
                ///< later.
    failed,     ///< Nothing more can be sent, for the reason `error`.
  };
  Kind kind;
  std::size_t count = 0;
  std::error_code error{};

  static SinkResult accepted(std::size_t count) noexcept { return {Kind::accepted, count}; }
  static SinkResult enough(std::size_t count) noexcept { return {Kind::enough, count}; }
  static SinkResult would_block() noexcept { return {Kind::would_block}; }
  /// Without a count: everything that was offered.
  static SinkResult in_flight(std::size_t count = static_cast<std::size_t>(-1)) noexcept {
    return {Kind::in_flight, count};
  }
  static SinkResult failed(std::error_code error) noexcept { return {Kind::failed, 0, error}; }

  /// Whether bytes may have gone, so that the marks and what waits for an empty queue are due.
  [[nodiscard]] bool progressed() const noexcept {
    return kind == Kind::accepted || kind == Kind::enough;
  }
};

/// What differs between kinds of descriptor when writing: the only thing a new transport brings.
class Sink {
 public:
  /// The most pieces that are offered at once: IOV_MAX on Linux.
  static constexpr std::size_t max_pieces = 1024;

  Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  virtual ~Sink() = default;

  /// Offers the pieces, in order, in one attempt; at least one piece, none empty. What is not
  /// accepted is offered again, the same bytes in the same order, before any others.
  virtual SinkResult write(std::span<const Bytes> pieces) noexcept = 0;
  /// Whether write() may answer in_flight; such a sink is never offered borrowed bytes.
  [[nodiscard]] virtual bool keeps_bytes() const noexcept { return false; }
  /// Offers the next bytes of `range`, at most `most`, in one attempt. A sink that cannot reach
  /// them is given them with write() instead.
  virtual ExternalResult write_external(External& /*range*/, std::size_t /*most*/) noexcept {
    return ExternalResult::unsupported();
  }
  /// Tells the peer that nothing more comes; everything has been accepted before.
  virtual std::error_code shutdown() noexcept = 0;
};

}  // namespace sluice::core
