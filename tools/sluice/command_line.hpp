#pragma once

#include <string>
#include <variant>

#include "copy_command.hpp"
#include "serve_command.hpp"

namespace sluice::cli {

/// The command line asked for a text: --help or --version.
struct ShowText {
  std::string text;
};

using Command = std::variant<ShowText, CopyOptions, ServeOptions>;

/// Parses the command line. Throws UsageError, which says what was expected.
[[nodiscard]] Command parse_command_line(int argc, const char* const* argv);

}  // namespace sluice::cli
