#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "sluice/bytes.hpp"
#include "sluice/environment.hpp"
#include "sluice/fd.hpp"
#include "sluice/protocol.hpp"
#include "sluice/transport.hpp"

namespace sluice {

/// A child process and our ends of its pipes. Made by EventLoop::subprocess_exec and
/// subprocess_shell, used on the loop's thread only, and kept alive by the loop until
/// connection_lost has returned; whoever holds it longer may still call every method. A loop that
/// is closed or destroyed kills the child and waits until it is gone, so that no zombie stays.
/// asyncio: SubprocessTransport.
class SubprocessTransport : public BaseTransport {
 public:
  /// The number of the process. It may be another's once process_exited was called. asyncio:
  /// get_pid.
  [[nodiscard]] virtual int pid() const = 0;

  /// How the child has ended: its exit status, or minus the number of the signal that killed it;
  /// none while it runs. 255, with a warning in the log, when somebody else has taken the status (a
  /// program that ignores SIGCHLD, or waits for any child). asyncio: get_returncode (W-149).
  [[nodiscard]] virtual std::optional<int> returncode() const = 0;

  /// Our end of the pipe at the child's descriptor `fd`; null when there is none, for good (W-149).
  /// It stays the same after the pipe is closed. asyncio: get_pipe_transport.
  [[nodiscard]] virtual std::shared_ptr<BaseTransport> get_pipe_transport(int fd) const = 0;
  /// get_pipe_transport(0), (1) and (2) by what they are. stdin is a WriteTransport under the whole
  /// contract of writing: write_eof() and close() give the child the end of file after what is
  /// buffered, abort() at once (W-148).
  [[nodiscard]] virtual std::shared_ptr<WriteTransport> stdin_transport() const = 0;
  [[nodiscard]] virtual std::shared_ptr<ReadTransport> stdout_transport() const = 0;
  [[nodiscard]] virtual std::shared_ptr<ReadTransport> stderr_transport() const = 0;

  /// Sends a signal to the child, and to no other process: its number cannot be taken over
  /// meanwhile. Does nothing, successfully, when the child has ended and connection_lost has not
  /// been called. Failure: std::errc::no_such_process after connection_lost (asyncio:
  /// ProcessLookupError); std::errc::operation_not_permitted for a child that has become another
  /// user's. 0 sends nothing and tells only whether something could be sent, as in kill(2). Throws
  /// std::invalid_argument for any other number that is no signal (W-149).
  virtual std::error_code send_signal(int number) = 0;
  /// send_signal(SIGTERM).
  virtual std::error_code terminate() = 0;
  /// send_signal(SIGKILL).
  virtual std::error_code kill() = 0;

  /// Closes all pipes, each as its own close() does, and kills the child if it runs; its end is
  /// reported as always. The second call does nothing (W-147). A stdin that is not empty breaks
  /// when the child is gone.
  void close() override = 0;

  /// A descriptor that becomes readable when the child ends (pidfd_open(2)), still owned by the
  /// transport; -1 once it has ended.
  [[nodiscard]] int fileno() const override = 0;
};

/// What a child process tells. connection_made comes first and once; then the pipes' events and
/// process_exited, in any order; connection_lost last and once, when the child has ended and all
/// pipes are gone (W-144, W-146). Its error is always empty. pause_writing and resume_writing are
/// those of stdin (W-143). What a callback throws goes to the exception handler; a pipe whose data
/// made it throw is lost, as a socket is. asyncio: SubprocessProtocol.
class SubprocessProtocol : public BaseProtocol {
 public:
  /// The child runs and its pipes are ready; reading starts when this returns.
  virtual void connection_made(std::shared_ptr<SubprocessTransport> /*transport*/) {}
  /// The child wrote `data` to its descriptor `fd`, 1 or 2; at most 256 KiB, never empty. The bytes
  /// are valid until the call returns.
  virtual void pipe_data_received(int /*fd*/, Bytes /*data*/) {}
  /// The pipe at the child's descriptor `fd` is closed. `error` is empty after the child closed its
  /// end or we closed ours; EPIPE for a stdin with bytes that the child did not take (W-145).
  virtual void pipe_connection_lost(int /*fd*/, std::error_code /*error*/) {}
  /// The child has ended: returncode() tells how. A process that it left behind may hold the pipes
  /// open, and what is in them still comes.
  virtual void process_exited() {}
};

/// What a child finds at one of its descriptors 0, 1 and 2.
class Stdio {
 public:
  enum class Kind : std::uint8_t {
    pipe,         ///< A pipe to this program.
    inherit,      ///< What this program has there.
    null_device,  ///< /dev/null
    as_stdout,    ///< What the child's stdout is; for stderr only.
    descriptor,   ///< A descriptor that is given.
  };

  /// A pipe with a transport; see get_pipe_transport. asyncio: PIPE.
  [[nodiscard]] static Stdio pipe() noexcept { return Stdio(Kind::pipe); }
  /// What this program has there, unless that is close-on-exec; closed is closed. asyncio: None.
  [[nodiscard]] static Stdio inherit() noexcept { return Stdio(Kind::inherit); }
  /// /dev/null. asyncio: DEVNULL.
  [[nodiscard]] static Stdio devnull() noexcept { return Stdio(Kind::null_device); }
  /// For stderr: the same as stdout. asyncio: STDOUT.
  [[nodiscard]] static Stdio as_stdout() noexcept { return Stdio(Kind::as_stdout); }
  /// The child gets a copy of `fd`; the original is closed when the call that starts the child
  /// returns. Its O_NONBLOCK stays as it is.
  // NOLINTNEXTLINE(google-explicit-constructor): a descriptor is one of the things to say here
  Stdio(Fd fd) noexcept : kind_(Kind::descriptor), fd_(std::move(fd)) {}

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  /// The descriptor of Kind::descriptor.
  [[nodiscard]] Fd take_fd() noexcept { return std::move(fd_); }

 private:
  explicit Stdio(Kind kind) noexcept : kind_(kind) {}

  Kind kind_;
  Fd fd_;
};

/// How subprocess_exec and subprocess_shell start a child; by default as asyncio does. All other
/// descriptors of this program are closed in the child.
struct SubprocessOptions {
  Stdio stdin_ = Stdio::pipe();
  Stdio stdout_ = Stdio::pipe();
  Stdio stderr_ = Stdio::pipe();
  /// The child's whole environment; by default this program's. Begin with
  /// current_environment() to add to it. asyncio: env.
  std::optional<Environment> env{};
  /// The directory it starts in; empty for this program's. A program with a relative path is looked
  /// for from there.
  std::string cwd{};
  /// The process group to join; 0 founds a new one, which a terminal's Ctrl-C does not reach and
  /// kill(2) with -pid() does.
  std::optional<int> process_group{};
  /// The child leads a session of its own, without a terminal.
  bool start_new_session = false;
  /// The child starts with every signal at its default action and none blocked. False: ignored and
  /// blocked signals are inherited, as by a program that nohup(1) started.
  bool restore_signals = true;
};

/// What subprocess_exec and subprocess_shell result in: `auto [transport, protocol] = ...`.
template <class P>
struct SubprocessConnection {
  std::shared_ptr<SubprocessTransport> transport;
  std::shared_ptr<P> protocol;
};

}  // namespace sluice
