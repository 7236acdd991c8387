#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::cli {

enum class StandardStream : int { input = 0, output = 1, error = 2 };

/// Call first in main: opens /dev/null for each standard stream that was closed, so that no later
/// descriptor takes its number, and remembers which. Ignores SIGPIPE and SIGXFSZ, so that writing
/// fails with an error that can be told.
void guard_standard_streams();

/// Whether the program was started with this stream closed.
[[nodiscard]] bool was_closed(StandardStream stream);

/// Writes all of `text`; waits where the stream is non-blocking and full. Returns the errno that
/// stopped it, or 0.
int write_all(StandardStream stream, std::string_view text);

/// Writes `text` to standard output. Throws RunError when it is closed, full or broken, which names
/// `what` was to be written.
void print(std::string_view text, std::string_view what = {});

/// One line "sluice: MESSAGE" on standard error; see printable().
void print_error(std::string_view message);

/// Whether standard error is a terminal.
[[nodiscard]] bool error_is_terminal();

/// Whether standard output is a terminal.
[[nodiscard]] bool output_is_terminal();

/// How many columns the terminal of standard error has; empty when it is none.
[[nodiscard]] std::optional<unsigned> terminal_columns();

/// Whether standard error takes something now: a stopped terminal does not.
[[nodiscard]] bool error_is_writable();

}  // namespace sluice::cli
