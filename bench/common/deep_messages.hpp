#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/messages.hpp"

namespace bench {

/// What each write of `deep` carries.
inline constexpr std::size_t deep_message_bytes = 100;

/// A request of `deep`: eight bytes, little endian, say how many writes are wanted. Nothing else
/// has that size, and whoever asks sends nothing more before the answer.
inline std::optional<std::uint64_t> deep_request(std::string_view received) {
  if (received.size() != sizeof(std::uint64_t)) {
    return {};
  }
  std::uint64_t writes = 0;
  for (std::size_t i = 0; i < received.size(); ++i) {
    writes |= std::uint64_t{static_cast<unsigned char>(received[i])} << (8 * i);
  }
  return writes;
}

/// The message of one write: it begins with its number, little endian.
class DeepMessage {
 public:
  [[nodiscard]] std::string_view numbered(std::uint64_t number) {
    for (std::size_t i = 0; i < sizeof number; ++i) {
      bytes_[i] = static_cast<char>(number >> (8 * i) & 255);
    }
    return bytes_;
  }

 private:
  std::string bytes_ = pattern(deep_message_bytes);
};

}  // namespace bench
