#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "console.hpp"

namespace sluice::cli {

/// The clients of a server that TLS could not be spoken with. Each is counted; one line a second
/// at most tells why, so that nobody can fill a log by knocking.
class FailedHandshakes {
 public:
  void note(std::string_view why) {
    ++count_;
    const auto now = std::chrono::steady_clock::now();
    if (told_ && now - *told_ < between_lines) {
      ++untold_;
      return;
    }
    told_ = now;
    std::string line = std::string(why) + "; a client is turned away";
    if (untold_ > 0) {
      line += " (and " + std::to_string(untold_) + " before it)";
    }
    untold_ = 0;
    print_error(line);
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  static constexpr std::chrono::seconds between_lines{1};

  std::uint64_t count_ = 0;
  std::uint64_t untold_ = 0;  // since the last line
  std::optional<std::chrono::steady_clock::time_point> told_;
};

}  // namespace sluice::cli
