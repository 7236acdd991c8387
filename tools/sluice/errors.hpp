#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>

namespace sluice::cli {

/// What the program exits with. A signal that ends it adds its number to signal_base.
enum ExitStatus : int { exit_done = 0, exit_failed = 1, exit_usage = 2, signal_base = 128 };

/// The command line asks for what cannot be; the text says what was expected.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Something did not work; the text says what was attempted on what, and why it failed.
class RunError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The system's words for an errno: never the bare number.
[[nodiscard]] inline std::string error_text(int error_number) {
  return std::system_category().message(error_number);
}

/// What an exception says.
[[nodiscard]] inline std::string reason_text(const std::exception_ptr& reason) {
  try {
    std::rethrow_exception(reason);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "unknown error";
  }
}

}  // namespace sluice::cli
