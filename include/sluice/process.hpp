#pragma once

#include <coroutine>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "sluice/detail/task_context.hpp"
#include "sluice/environment.hpp"
#include "sluice/stream_reader.hpp"
#include "sluice/stream_writer.hpp"
#include "sluice/subprocess.hpp"
#include "sluice/task.hpp"

namespace sluice {

namespace streams {
class ChildStreams;
}

namespace detail {

/// What Process::wait makes.
class [[nodiscard]] ExitAwaiter final : public RingWaiter {
 public:
  explicit ExitAwaiter(std::shared_ptr<streams::ChildStreams> child) noexcept
      : child_(std::move(child)) {}

  [[nodiscard]] bool await_ready() const;
  template <TaskPromiseType Promise>
  void await_suspend(std::coroutine_handle<Promise> coroutine) {
    enter();
    suspend(coroutine);
  }
  int await_resume();

 private:
  void enter() noexcept;
  std::shared_ptr<streams::ChildStreams> child_;
};

}  // namespace detail

/// What a child has written, each to its end; empty where there is no pipe.
struct ProcessOutput {
  std::string stdout_;
  std::string stderr_;
};

/// A child process with streams for its pipes. Copies refer to the same child. When the last one is
/// dropped the child goes on, and the loop still collects it; its pipes are closed, except those of
/// which a StreamReader or StreamWriter is left, and an open stdin with a warning (W-209). Loop
/// thread only. asyncio: asyncio.subprocess.Process.
class Process {
 public:
  /// For the functions that start a child.
  explicit Process(std::shared_ptr<streams::ChildStreams> child);

  /// Our ends of the child's pipes; none where it has something else.
  /// `process.stdin_()->write(...)`. wait_closed() of stdin throws std::errc::broken_pipe when the
  /// child did not take everything (W-207). asyncio: stdin, stdout, stderr.
  [[nodiscard]] const std::optional<StreamWriter>& stdin_() const noexcept;
  [[nodiscard]] const std::optional<StreamReader>& stdout_() const noexcept;
  [[nodiscard]] const std::optional<StreamReader>& stderr_() const noexcept;

  /// As SubprocessTransport::pid.
  [[nodiscard]] int pid() const;
  /// As SubprocessTransport::returncode.
  [[nodiscard]] std::optional<int> returncode() const;
  /// As SubprocessTransport::send_signal.
  std::error_code send_signal(int number) const;
  std::error_code terminate() const;
  std::error_code kill() const;

  /// `co_await process.wait()`: returncode(), once the child has ended; what it wrote can still be
  /// read. A child whose output nobody reads may never end. Any number of tasks may wait. asyncio:
  /// wait.
  [[nodiscard]] detail::ExitAwaiter wait() const;

  /// `co_await process.communicate(input)`: writes `input` to stdin and closes it, reads stdout and
  /// stderr to their ends, without a limit, and waits for the child's. A child that does not take
  /// all of the input is no error (W-210). Throws what a read throws; std::logic_error when
  /// somebody else reads, or when there is input and stdin is no pipe. A cancellation leaves the
  /// child and its streams as they are, and every byte in the readers, whether an output has ended
  /// or not: after kill(), communicate() gives them. asyncio: communicate.
  [[nodiscard]] Task<ProcessOutput> communicate(std::string input = {}) const;

  /// The transport. asyncio: a private member.
  [[nodiscard]] const std::shared_ptr<SubprocessTransport>& transport() const noexcept;

 private:
  /// What the copies share.
  class Ownership;
  std::shared_ptr<Ownership> ownership_;
};

/// How create_subprocess_exec and create_subprocess_shell start a child: as SubprocessOptions, but
/// without pipes unless they are asked for, as in asyncio.
struct ProcessOptions {
  Stdio stdin_ = Stdio::inherit();
  Stdio stdout_ = Stdio::inherit();
  Stdio stderr_ = Stdio::inherit();
  std::optional<Environment> env{};
  std::string cwd{};
  std::optional<int> process_group{};
  bool start_new_session = false;
  bool restore_signals = true;
  /// Of each reader; see default_stream_limit.
  std::size_t limit = default_stream_limit;
};

/// Starts a program, as EventLoop::subprocess_exec: `auto starting =
/// create_subprocess_exec({"gzip",
/// "-c"}, ...); const Process process = co_await std::move(starting)`. In one statement GCC 12
/// refuses the braces. Throws as subprocess_exec fails. A cancellation kills what was started.
/// asyncio: create_subprocess_exec.
[[nodiscard]] Task<Process> create_subprocess_exec(std::vector<std::string> argv,
                                                   ProcessOptions options = ProcessOptions());
/// The same of `/bin/sh -c command`. asyncio: create_subprocess_shell.
[[nodiscard]] Task<Process> create_subprocess_shell(std::string command,
                                                    ProcessOptions options = ProcessOptions());

}  // namespace sluice
