#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace sluice::sys {

/// What a new process finds at one of its descriptors 0, 1 and 2. A number from 0 on is the
/// caller's descriptor, of which the process gets a copy.
using StdioSource = int;
/// What the caller has there; nothing if that is close-on-exec.
inline constexpr StdioSource inherit_stdio = -1;
/// /dev/null.
inline constexpr StdioSource null_device = -2;

/// A process to be. Every descriptor but the three is closed in it.
struct SpawnRequest {
  /// The program and its arguments; at least one. A program without a slash is looked for in PATH
  /// of the new environment.
  std::vector<std::string> argv;
  /// "NAME=value" each; without it the caller's environment.
  std::optional<std::vector<std::string>> environment{};
  /// An open directory to start in, or -1 for the caller's.
  int directory_fd = -1;
  std::array<StdioSource, 3> stdio{inherit_stdio, inherit_stdio, inherit_stdio};
  /// Joins this group, or with 0 founds one.
  std::optional<int> process_group{};
  bool new_session = false;
  /// No signal ignored and none blocked; otherwise as in the caller.
  bool default_signals = true;
};

/// A process that runs. `pidfd` is close-on-exec; it is -1 if the process has already ended and
/// somebody else has collected it, which is what ignoring SIGCHLD does.
struct Spawned {
  int pid = -1;
  int pidfd = -1;
};

/// Whether to wait for the end of a process.
enum class ChildWait : bool {
  not_at_all,  ///< WNOHANG
  until_end,
};

}  // namespace sluice::sys
