#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <system_error>

#include "sluice/process.hpp"
#include "sluice/subprocess.hpp"
#include "streams/stream_input.hpp"
#include "streams/stream_output.hpp"

namespace sluice::streams {

/// What the readers of one of a child's outputs share. The pipe is closed with the last of them:
/// the child is told so by EPIPE, and its bytes are not read into nothing.
class OutputEnd {
 public:
  explicit OutputEnd(std::size_t limit) : input_(limit) {}
  OutputEnd(const OutputEnd&) = delete;
  OutputEnd& operator=(const OutputEnd&) = delete;
  ~OutputEnd();

  void set_pipe(const std::shared_ptr<ReadTransport>& pipe) noexcept;
  [[nodiscard]] StreamInput& input() noexcept { return input_; }

 private:
  StreamInput input_;
  std::weak_ptr<ReadTransport> pipe_;
};

/// A child process and its pipes as streams. asyncio: SubprocessStreamProtocol.
class ChildStreams final : public SubprocessProtocol {
 public:
  ChildStreams(std::shared_ptr<detail::Scheduler> scheduler, std::size_t limit);

  // For Process; after connection_made.
  [[nodiscard]] const std::shared_ptr<SubprocessTransport>& transport() const noexcept {
    return transport_;
  }
  /// A new stream of the pipe at the child's descriptor; none when there is no pipe. Once for each.
  [[nodiscard]] std::optional<StreamWriter> open_stdin();
  [[nodiscard]] std::optional<StreamReader> open_output(int fd);
  /// What the readers of an output share; null when there is no pipe, or no reader any more.
  [[nodiscard]] std::shared_ptr<StreamInput> shared_input(int fd);
  void wait_for_exit(detail::ExitAwaiter& waiter) noexcept { exits_.push_back(waiter); }

  void connection_made(std::shared_ptr<SubprocessTransport> transport) override;
  void pipe_data_received(int fd, Bytes data) override;
  void pipe_connection_lost(int fd, std::error_code error) override;
  void process_exited() override;
  void pause_writing() override;
  void resume_writing() override;

 private:
  struct Output {
    /// Alive until the connection is made.
    std::shared_ptr<OutputEnd> unopened;
    /// The readers'.
    std::weak_ptr<OutputEnd> end;
  };
  [[nodiscard]] Output& output(int fd) { return outputs_[static_cast<std::size_t>(fd) - 1]; }

  std::shared_ptr<detail::Scheduler> scheduler_;
  std::shared_ptr<SubprocessTransport> transport_;
  std::shared_ptr<StreamOutput> stdin_;  // null without a pipe
  std::array<Output, 2> outputs_;        // stdout and stderr
  detail::Ring<detail::ExitAwaiter> exits_;
};

}  // namespace sluice::streams
