#include "loop/log.hpp"

#include <cstdio>

namespace sluice::loop {
namespace {

void write_to_stderr(LogLevel level, std::string_view message) noexcept {
  constexpr const char* names[] = {"debug", "info", "warning", "error"};
  std::fprintf(stderr, "sluice %s: %.*s\n", names[static_cast<std::size_t>(level)],
               static_cast<int>(message.size()), message.data());
}

}  // namespace

void Log::write(LogLevel level, std::string_view message) noexcept {
  if (!function_) {
    if (level >= LogLevel::warning || debug_) {
      write_to_stderr(level, message);
    }
    return;
  }
  try {
    function_(level, message);
  } catch (...) {
    write_to_stderr(LogLevel::error, "the log function threw an exception on this message:");
    write_to_stderr(level, message);
  }
}

}  // namespace sluice::loop
