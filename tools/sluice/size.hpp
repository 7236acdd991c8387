#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::cli {

/// More than this is a slip of the finger, not a size: 1 TiB.
inline constexpr std::uint64_t largest_size = std::uint64_t{1} << 40;

/// What an option takes, at most largest_size.
struct SizeRange {
  std::uint64_t smallest = 0;
  const char* what = "bytes";  ///< of which it is a number
};

/// Parses a number of bytes: digits, then optionally K, M or G (powers of 1024, either case).
/// `option` names the option in the UsageError, with the range, that a negative, fractional,
/// overflowing or absurd number, or one below the range, throws.
[[nodiscard]] std::uint64_t parse_size(std::string_view text, std::string_view option,
                                       SizeRange range = {});

/// Parses a number of seconds, 0 to 86400, with decimals. Throws UsageError.
[[nodiscard]] double parse_seconds(std::string_view text, std::string_view option);

}  // namespace sluice::cli
