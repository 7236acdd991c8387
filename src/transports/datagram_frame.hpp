#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "core/check.hpp"
#include "sluice/bytes.hpp"

namespace sluice::transports {

/// What stands before each datagram in the write queue. Its size is what asyncio counts for a
/// queued datagram besides the bytes (W-133).
struct FrameHeader {
  std::uint32_t size;     ///< bytes that follow
  std::uint32_t address;  ///< the number of where they go

  [[nodiscard]] std::array<std::byte, 8> encode() const noexcept {
    std::array<std::byte, 8> bytes{};
    std::memcpy(bytes.data(), this, sizeof *this);
    return bytes;
  }
};
static_assert(sizeof(FrameHeader) == 8);

/// A datagram as it stands in the queue. Trivial, so that an array of them costs nothing unfilled.
struct Frame {
  const std::byte* data;
  std::uint32_t size;
  std::uint32_t address;
  [[nodiscard]] std::size_t queued_bytes() const noexcept { return sizeof(FrameHeader) + size; }
};

/// Takes the pieces of a queue apart into the frames that WriteSide::write_frame put in. Neither a
/// header nor a payload is ever split between two pieces.
class FrameReader {
 public:
  explicit FrameReader(std::span<const Bytes> pieces) noexcept : pieces_(pieces) {}

  /// The next whole frame; none when the pieces end before or inside it.
  [[nodiscard]] std::optional<Frame> next() noexcept {
    const std::optional<Bytes> head = take(sizeof(FrameHeader));
    if (!head) {
      return std::nullopt;
    }
    FrameHeader header{};
    std::memcpy(&header, head->data(), sizeof header);
    const std::optional<Bytes> payload = take(header.size);
    if (!payload) {
      return std::nullopt;
    }
    return Frame{payload->data(), header.size, header.address};
  }

 private:
  [[nodiscard]] std::optional<Bytes> take(std::size_t count) noexcept {
    if (count == 0) {
      return Bytes();
    }
    if (!pieces_.empty() && used_ == pieces_.front().size()) {
      pieces_ = pieces_.subspan(1);
      used_ = 0;
    }
    if (pieces_.empty()) {
      return std::nullopt;
    }
    core::check(count <= pieces_.front().size() - used_, "a frame's parts are whole");
    const Bytes part = pieces_.front().subspan(used_, count);
    used_ += count;
    return part;
  }

  std::span<const Bytes> pieces_;
  std::size_t used_ = 0;
};

}  // namespace sluice::transports
