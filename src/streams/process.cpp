// Process, and the functions of process.hpp that start children.

#include "sluice/process.hpp"

#include <utility>

#include "sluice/event_loop.hpp"
#include "sluice/tasks.hpp"
#include "streams/child_streams.hpp"
#include "streams/established.hpp"

namespace sluice {

using streams::ChildStreams;

namespace detail {

bool ExitAwaiter::await_ready() const {
  return child_->transport()->returncode().has_value();
}

void ExitAwaiter::enter() noexcept {
  child_->wait_for_exit(*this);
}

int ExitAwaiter::await_resume() {
  throw_if_cancelled();
  return child_->transport()->returncode().value();
}

}  // namespace detail

class Process::Ownership {
 public:
  explicit Ownership(std::shared_ptr<ChildStreams> child)
      : child_(std::move(child)),
        stdin_(child_->open_stdin()),
        stdout_(child_->open_output(1)),
        stderr_(child_->open_output(2)) {}
  Ownership(const Ownership&) = delete;
  Ownership& operator=(const Ownership&) = delete;

  [[nodiscard]] const std::shared_ptr<ChildStreams>& child() const noexcept { return child_; }
  [[nodiscard]] const std::optional<StreamWriter>& input() const noexcept { return stdin_; }
  [[nodiscard]] const std::optional<StreamReader>& output() const noexcept { return stdout_; }
  [[nodiscard]] const std::optional<StreamReader>& errors() const noexcept { return stderr_; }

 private:
  std::shared_ptr<ChildStreams> child_;
  std::optional<StreamWriter> stdin_;
  std::optional<StreamReader> stdout_;
  std::optional<StreamReader> stderr_;
};

Process::Process(std::shared_ptr<ChildStreams> child)
    : ownership_(std::make_shared<Ownership>(std::move(child))) {}

const std::optional<StreamWriter>& Process::stdin_() const noexcept {
  return ownership_->input();
}
const std::optional<StreamReader>& Process::stdout_() const noexcept {
  return ownership_->output();
}
const std::optional<StreamReader>& Process::stderr_() const noexcept {
  return ownership_->errors();
}

const std::shared_ptr<SubprocessTransport>& Process::transport() const noexcept {
  return ownership_->child()->transport();
}
int Process::pid() const {
  return transport()->pid();
}
std::optional<int> Process::returncode() const {
  return transport()->returncode();
}
std::error_code Process::send_signal(int number) const {
  return transport()->send_signal(number);
}
std::error_code Process::terminate() const {
  return transport()->terminate();
}
std::error_code Process::kill() const {
  return transport()->kill();
}

detail::ExitAwaiter Process::wait() const {
  return detail::ExitAwaiter(ownership_->child());
}

namespace {

// A child that has had enough closes its end: that is its right (W-210).
bool peer_had_enough(const std::system_error& error) {
  return error.code() == std::errc::broken_pipe || error.code() == std::errc::connection_reset;
}

Task<> feed(std::optional<StreamWriter> to, std::string input) {
  if (!to) {
    co_return;
  }
  try {
    to->write(Buffer::take(std::move(input)));
    co_await to->drain();
  } catch (const std::system_error& error) {
    if (!peer_had_enough(error)) {
      throw;
    }
  }
  to->close();
}

using SharedInput = std::shared_ptr<streams::StreamInput>;

detail::ReadAwaiter end_of(const SharedInput& output) {
  return {output, {.kind = detail::ReadRequest::Kind::end}};
}

// Takes nothing: what a task has taken is lost with it when it is cancelled.
Task<> reach_end(SharedInput output) {
  if (output) {
    co_await end_of(output);
  }
}

std::string take_all(const SharedInput& output) {
  return output ? output->take({.kind = detail::ReadRequest::Kind::all}) : std::string();
}

Task<ProcessOutput> communicate_with(Process process, std::string input, SharedInput output,
                                     SharedInput errors) {
  if (!process.stdin_() && !input.empty()) {
    throw std::logic_error("communicate() with a child whose stdin is no pipe has input for it");
  }
  Task<> feeding = feed(process.stdin_(), std::move(input));
  auto all = gather(std::move(feeding), reach_end(output), reach_end(errors));
  static_cast<void>(co_await std::move(all));
  static_cast<void>(co_await process.wait());
  // Nothing suspends any more, so no cancellation comes between the bytes and who gets them.
  co_return ProcessOutput{take_all(output), take_all(errors)};
}

SubprocessOptions to_subprocess(ProcessOptions options) {
  return {.stdin_ = std::move(options.stdin_),
          .stdout_ = std::move(options.stdout_),
          .stderr_ = std::move(options.stderr_),
          .env = std::move(options.env),
          .cwd = std::move(options.cwd),
          .process_group = options.process_group,
          .start_new_session = options.start_new_session,
          .restore_signals = options.restore_signals};
}

}  // namespace

Task<ProcessOutput> Process::communicate(std::string input) const {
  const std::shared_ptr<ChildStreams>& child = ownership_->child();
  return communicate_with(*this, std::move(input), child->shared_input(1), child->shared_input(2));
}

Task<Process> create_subprocess_exec(std::vector<std::string> argv, ProcessOptions options) {
  detail::TaskContext& task = co_await detail::running_task();
  auto child = std::make_shared<ChildStreams>(task.scheduler(), options.limit);
  auto starting = task.loop().subprocess_exec([child] { return child; }, std::move(argv),
                                              to_subprocess(std::move(options)));
  co_await streams::established(std::move(starting));
  co_return Process(child);
}

Task<Process> create_subprocess_shell(std::string command, ProcessOptions options) {
  return create_subprocess_exec({"/bin/sh", "-c", std::move(command)}, std::move(options));
}

}  // namespace sluice
