#pragma once

#include <functional>
#include <string_view>

#include "sluice/options.hpp"

namespace sluice::loop {

/// Where a loop and its transports send messages for people. Outlives the loop, since a transport
/// may.
class Log {
 public:
  Log(std::function<void(LogLevel, std::string_view)> function, bool debug)
      : function_(std::move(function)), debug_(debug) {}

  /// Hands `message` to the user's function, or writes it to standard error.
  void write(LogLevel level, std::string_view message) noexcept;
  /// Whether the loop is in debug mode.
  [[nodiscard]] bool debug() const noexcept { return debug_; }

 private:
  std::function<void(LogLevel, std::string_view)> function_;
  bool debug_;
};

}  // namespace sluice::loop
