#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::cli {

/// More than this is a slip of the finger, not a size: 1 TiB.
inline constexpr std::uint64_t largest_size = std::uint64_t{1} << 40;

/// Parses a number of bytes: digits, then optionally K, M or G (powers of 1024, either case).
/// `option` names the option in the UsageError that a negative, fractional, overflowing or absurd
/// number throws.
[[nodiscard]] std::uint64_t parse_size(std::string_view text, std::string_view option);

/// Parses a number of seconds, 0 to 86400, with decimals. Throws UsageError.
[[nodiscard]] double parse_seconds(std::string_view text, std::string_view option);

}  // namespace sluice::cli
