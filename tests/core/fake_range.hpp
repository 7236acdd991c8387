#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>
#include <string>

#include "core/external.hpp"

namespace sluice::testing {

/// A range whose bytes are a text, and which remembers what it was told.
class FakeRange final : public core::External {
 public:
  explicit FakeRange(std::string text) : External(text.size()), bytes(std::move(text)) {}
  /// Says that it has more, or fewer, than it has.
  FakeRange(std::string text, std::uint64_t claimed) : External(claimed), bytes(std::move(text)) {}

  core::ExternalResult read(std::span<std::byte> memory) noexcept override {
    largest_read = std::max(largest_read, memory.size());
    if (read_error) {
      return core::ExternalResult::source_failed(read_error);
    }
    const std::string_view rest = left_of_it();
    if (rest.empty()) {
      return core::ExternalResult::ended();
    }
    const std::size_t count = std::min(memory.size(), rest.size());
    std::memcpy(memory.data(), rest.data(), count);
    return core::ExternalResult::moved(count);
  }
  [[nodiscard]] std::uint64_t held() const noexcept override { return held_bytes; }
  void left(core::ExternalEnd how, std::error_code reason) noexcept override {
    end = how;
    error = reason;
    ++times_left;
  }
  /// What has not been taken.
  [[nodiscard]] std::string_view left_of_it() const {
    return std::string_view(bytes).substr(std::min<std::size_t>(moved(), bytes.size()));
  }
  using External::renew;

  std::string bytes;
  std::error_code read_error;
  std::uint64_t held_bytes = 0;
  std::size_t largest_read = 0;
  std::optional<core::ExternalEnd> end;
  std::error_code error;
  int times_left = 0;
};

}  // namespace sluice::testing
