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
  [[nodiscard]] std::shared_ptr<StreamInput> shared_input(int fd) {
    return output(fd).input.lock();
  }
  /// Closes the outputs that nobody can read any more.
  void close_unread();
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
    std::shared_ptr<StreamInput> unopened;
    /// The readers'.
    std::weak_ptr<StreamInput> input;
  };
  [[nodiscard]] Output& output(int fd) { return outputs_[static_cast<std::size_t>(fd) - 1]; }
  void stop_reading(int fd);

  std::shared_ptr<detail::Scheduler> scheduler_;
  std::shared_ptr<SubprocessTransport> transport_;
  std::shared_ptr<StreamOutput> stdin_;  // null without a pipe
  std::array<Output, 2> outputs_;        // stdout and stderr
  detail::Ring<detail::ExitAwaiter> exits_;
};

}  // namespace sluice::streams
