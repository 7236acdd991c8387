#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/bytes.hpp"

namespace sluice {

/// Immutable bytes with shared ownership: copying a Buffer shares the bytes, so one message can be
/// written to a thousand transports and is stored once. The bytes live until the last Buffer (or
/// slice of it) is gone. A Buffer may be copied and destroyed on any thread.
class Buffer {
 public:
  /// An empty Buffer; owns nothing.
  Buffer() noexcept = default;

  /// Copies `bytes` once; they may be changed or freed as soon as this returns.
  /// Throws std::bad_alloc when there is no memory.
  [[nodiscard]] static Buffer copy_of(Bytes bytes);
  [[nodiscard]] static Buffer copy_of(std::string_view text) { return copy_of(as_bytes(text)); }
  /// 0 and nullptr are no text.
  static Buffer copy_of(std::nullptr_t) = delete;

  /// Takes the string's or vector's storage over without copying the bytes.
  [[nodiscard]] static Buffer take(std::string&& text);
  [[nodiscard]] static Buffer take(std::vector<std::byte>&& bytes);

  /// Refers to `bytes` without copying and keeps `owner` alive as long as any Buffer refers to
  /// them. The caller promises that they do not change and live as long as `owner`. A transport
  /// that lets go of the last Buffer does so on its loop's thread, and the end of `owner` may call
  /// any transport of that loop; it must not throw.
  [[nodiscard]] static Buffer share(std::shared_ptr<const void> owner, Bytes bytes) noexcept {
    return {std::move(owner), bytes};
  }

  /// Refers to `bytes` without copying. The caller promises static storage duration.
  [[nodiscard]] static Buffer from_static(Bytes bytes) noexcept { return {nullptr, bytes}; }
  [[nodiscard]] static Buffer from_static(std::string_view text) noexcept {
    return from_static(as_bytes(text));
  }
  static Buffer from_static(std::nullptr_t) = delete;
  /// A temporary has no static storage.
  template <class T>
  requires(std::is_same_v<T, std::string> ||
           std::is_same_v<T, std::vector<std::byte>>) static Buffer from_static(T&&) = delete;

  /// The `count` bytes from `offset` on, sharing ownership; no copy. Both are in bytes and are cut
  /// to what is there: an offset past the end gives an empty Buffer.
  [[nodiscard]] Buffer slice(std::size_t offset, std::size_t count) const;

  /// The bytes; valid as long as this Buffer, or a copy of it, lives.
  [[nodiscard]] Bytes bytes() const noexcept { return bytes_; }
  /// The number of bytes.
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  /// What keeps the bytes alive, shared; null when nothing has to.
  [[nodiscard]] const std::shared_ptr<const void>& owner() const& noexcept { return owner_; }
  /// The same, given away; the Buffer is empty then.
  [[nodiscard]] std::shared_ptr<const void> owner() && noexcept {
    bytes_ = {};
    return std::move(owner_);
  }

 private:
  Buffer(std::shared_ptr<const void> owner, Bytes bytes) noexcept
      : owner_(std::move(owner)), bytes_(bytes) {}

  std::shared_ptr<const void> owner_;
  Bytes bytes_;
};

}  // namespace sluice
