// What the examples share: arguments that are numbers.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <system_error>

// A number from 0 to `largest`; whoever gives anything else is told what `name` has to be, and the
// program ends with status 2.
inline unsigned number_argument(std::string_view text, const char* name, unsigned largest) {
  unsigned number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end || number > largest) {
    std::fprintf(stderr, "%s: expected a number from 0 to %u, got '%.*s'\n", name, largest,
                 static_cast<int>(text.size()), text.data());
    std::exit(2);
  }
  return number;
}

inline std::uint16_t port_argument(std::string_view text) {
  return static_cast<std::uint16_t>(number_argument(text, "PORT", 65535));
}
