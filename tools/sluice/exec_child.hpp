#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sluice/subprocess.hpp"

namespace sluice::cli {

/// The words of a command, as a shell splits them: blanks separate; '...' is literal; in "..." a
/// backslash quotes ", \ and nothing else; outside of quotes it quotes the next character. Nothing
/// is expanded. Throws UsageError when a quote is not closed or there is no word.
[[nodiscard]] std::vector<std::string> split_command(std::string_view text);

/// "exec:gzip -d: exited with status 1", "...: killed by SIGTERM"; empty for status 0. The child
/// must have ended.
[[nodiscard]] std::string child_fault(const std::string& name, const SubprocessTransport& child);

/// "cannot start exec:gzip -d: No such file or directory".
[[nodiscard]] std::string start_failure(const std::string& name, const std::exception_ptr& reason);

/// Who started this program may have told it to ignore SIGCHLD; how children end would be lost.
void heed_children();

}  // namespace sluice::cli
