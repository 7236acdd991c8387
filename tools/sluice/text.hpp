#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::cli {

/// A duration of the report: seconds as a floating point number.
using Seconds = std::chrono::duration<double>;

/// A number of bytes for people, at most 10 characters: "0 B", "64.0 KiB", "1.5 GiB".
[[nodiscard]] std::string human_bytes(double bytes);
[[nodiscard]] inline std::string human_bytes(std::uint64_t bytes) {
  return human_bytes(static_cast<double>(bytes));
}

/// "1 byte", "2 bytes": the exact number, for errors and reports.
[[nodiscard]] std::string exact_bytes(std::uint64_t bytes);

/// A time to wait for, for people: "0:07", "12:34", "1:02:03".
[[nodiscard]] std::string human_clock(Seconds seconds);

/// A number with `decimals` digits after the point, in the C locale.
[[nodiscard]] std::string fixed(double number, int decimals);

/// `text` on one line of a terminal: control characters, and bytes that are not UTF-8, are written
/// as \n, \t, \r or \x1b.
[[nodiscard]] std::string printable(std::string_view text);

/// `text` as a JSON string, with its quotes. Bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace sluice::cli
