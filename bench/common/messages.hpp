#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// What `replies` and `pieces` take for one request.
inline constexpr std::size_t request_bytes = 64;

/// What `replies` answers each request with.
inline constexpr std::string_view reply_text =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What `pieces` answers each request with, in bytes.
inline constexpr std::size_t pieces_bytes = 1024;

/// Bytes whose place is seen in their value, so that what is lost or swapped changes the sum.
inline std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>((i * 131 + (i >> 8) * 7) & 255);
  }
  return bytes;
}

/// The FIFOs of a server that writes to so many of them.
inline std::vector<std::string> fifo_paths(const std::string& path, std::size_t count) {
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < count; ++i) {
    paths.push_back(path + "." + std::to_string(i));
  }
  return paths;
}

/// The sizes of the writes that make one reply of `pieces`.
inline std::vector<std::size_t> pieces_of(std::size_t count) {
  if (count == 1) {
    return {1024};
  }
  if (count == 2) {
    return {24, 1000};
  }
  if (count == 5) {
    return {8, 8, 8, 200, 800};
  }
  throw std::invalid_argument("--pieces is 1, 2 or 5");
}

/// The parts of `text`, which they refer to, of these sizes.
inline std::vector<std::string_view> split(std::string_view text,
                                           const std::vector<std::size_t>& sizes) {
  std::vector<std::string_view> parts;
  for (const std::size_t size : sizes) {
    parts.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return parts;
}

}  // namespace bench
