#include "size.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <system_error>

#include "errors.hpp"

namespace sluice::cli {

namespace {

constexpr double longest_seconds = 86'400;

[[noreturn]] void refuse(std::string_view option, std::string_view text, std::string_view why,
                         std::string_view expected) {
  std::string message(option);
  message.append(": '").append(text).append("' ").append(why);
  message.append("; expected ").append(expected);
  throw UsageError(message);
}

// The power of two of a suffix, or -1 for a letter that is none.
int shift_of(char suffix) {
  switch (suffix) {
    case 'K':
    case 'k':
      return 10;
    case 'M':
    case 'm':
      return 20;
    case 'G':
    case 'g':
      return 30;
    default:
      return -1;
  }
}

bool is_digit(char character) {
  return character >= '0' && character <= '9';
}

}  // namespace

std::uint64_t parse_size(std::string_view text, std::string_view option, SizeRange range) {
  const std::string expected = std::string("a number of ") + range.what + " from " +
                               std::to_string(range.smallest) +
                               " to 1024G, such as 4096, 64K, 16M or 1G";
  std::string_view digits = text;
  int shift = 0;
  if (!digits.empty() && shift_of(digits.back()) > 0) {
    shift = shift_of(digits.back());
    digits.remove_suffix(1);
  }
  if (digits.size() > 1 && digits.front() == '-' && is_digit(digits[1])) {
    refuse(option, text, "is negative", expected);
  }
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) {
    refuse(option, text, "is not a size", expected);
  }
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (parsed.ec != std::errc{} || number > (largest_size >> shift)) {
    refuse(option, text, "is too large", expected);
  }
  if (number < range.smallest) {
    refuse(option, text, "is too small", expected);
  }
  return number << shift;
}

double parse_seconds(std::string_view text, std::string_view option) {
  constexpr std::string_view expected = "a number of seconds from 0 to 86400, such as 5 or 0.5";
  double seconds = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, seconds);
  if (parsed.ec != std::errc{} || parsed.ptr != end) {
    refuse(option, text, "is not a number of seconds", expected);
  }
  // Written so that "nan" is out of range as well.
  if (!(seconds >= 0 && seconds <= longest_seconds)) {
    refuse(option, text, "is out of range", expected);
  }
  return seconds;
}

}  // namespace sluice::cli
