#include "text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>

namespace sluice::cli {

namespace {

// How many bytes the UTF-8 character at the front of `text` has; 0 when it is no valid one.
std::size_t utf8_length(std::string_view text) {
  const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  std::size_t length = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
  }
  if (length == 0 || text.size() < length) {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (at(i) < 0x80 || at(i) > 0xBF) {
      return 0;
    }
  }
  const bool overlong = (lead == 0xE0 && at(1) < 0xA0) || (lead == 0xF0 && at(1) < 0x90);
  const bool surrogate = lead == 0xED && at(1) > 0x9F;
  const bool too_high = lead == 0xF4 && at(1) > 0x8F;
  return overlong || surrogate || too_high ? 0 : length;
}

void append_escaped(std::string& out, unsigned char character) {
  constexpr std::string_view hex = "0123456789abcdef";
  if (character == '"' || character == '\\') {
    out += '\\';
    out += static_cast<char>(character);
  } else if (character == '\n') {
    out += "\\n";
  } else if (character < 0x20 || character == 0x7F) {
    out += "\\u00";
    out += hex[character >> 4U];
    out += hex[character & 0xFU];
  } else {
    out += static_cast<char>(character);
  }
}

void append_hex(std::string& out, std::string_view bytes) {
  constexpr std::string_view hex = "0123456789abcdef";
  for (const char byte : bytes) {
    const auto code = static_cast<unsigned char>(byte);
    out += "\\x";
    out += hex[code >> 4U];
    out += hex[code & 0xFU];
  }
}

void append_printable(std::string& out, std::string_view character) {
  const auto lead = static_cast<unsigned char>(character.front());
  // U+0080 to U+009F are control characters too.
  const bool is_control =
      lead < 0x20 || lead == 0x7F ||
      (lead == 0xC2 && character.size() > 1 && static_cast<unsigned char>(character[1]) < 0xA0);
  if (character == "\n") {
    out += "\\n";
  } else if (character == "\t") {
    out += "\\t";
  } else if (character == "\r") {
    out += "\\r";
  } else if (is_control || (lead >= 0x80 && character.size() == 1)) {
    append_hex(out, character);
  } else {
    out += character;
  }
}

}  // namespace

std::string fixed(double number, int decimals) {
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number,
                                 std::chars_format::fixed, decimals);
  return {text.data(), end.ptr};
}

std::string human_bytes(double bytes) {
  constexpr std::array<std::string_view, 6> units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  // 1023.95 would be printed as 1024.0.
  while (bytes >= 1023.95 && unit + 1 < units.size()) {
    bytes /= 1024;
    ++unit;
  }
  return fixed(bytes, unit == 0 ? 0 : 1).append(" ").append(units[unit]);
}

std::string exact_bytes(std::uint64_t bytes) {
  return std::to_string(bytes).append(bytes == 1 ? " byte" : " bytes");
}

std::string human_clock(Seconds seconds) {
  constexpr double longest = 99 * 3600.0;
  if (!(seconds.count() >= 0) || seconds.count() > longest) {
    return "--:--";
  }
  const auto total = static_cast<std::int64_t>(std::llround(seconds.count()));
  const auto two = [](std::int64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  const std::string rest = two(total % 60);
  if (total < 3600) {
    return std::to_string(total / 60) + ":" + rest;
  }
  return std::to_string(total / 3600) + ":" + two(total / 60 % 60) + ":" + rest;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const bool ascii = static_cast<unsigned char>(text.front()) < 0x80;
    const std::size_t length = ascii ? 1 : std::max<std::size_t>(1, utf8_length(text));
    append_printable(out, text.substr(0, length));
    text.remove_prefix(length);
  }
  return out;
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text.front());
    std::size_t length = 1;
    if (lead < 0x80) {
      append_escaped(out, lead);
    } else if (const std::size_t valid = utf8_length(text); valid > 0) {
      length = valid;
      out.append(text.substr(0, length));
    } else {
      out += "\\ufffd";
    }
    text.remove_prefix(length);
  }
  return out += '"';
}

}  // namespace sluice::cli
