#pragma once

#include <memory>
#include <string>

#include "loop/loop_core.hpp"
#include "loop/workers.hpp"
#include "sluice/detail/protocol_binding.hpp"
#include "sluice/future.hpp"
#include "sluice/options.hpp"
#include "sluice/transport.hpp"
#include "transports/fd_transport.hpp"
#include "transports/open_file.hpp"

namespace sluice::transports {

/// Throws std::system_error(invalid_argument) that names `name` unless the descriptor is a regular
/// file, a block device, or a device that is always ready; is_a_directory for a directory.
void require_file(loop::LoopCore& loop, int fd, mode_t mode, const std::string& name);

/// The birth of the transport of an open file.
[[nodiscard]] Birth file_birth(loop::LoopCore& loop, WritableFile file);

/// One connect_file of a path: opens it off the loop's thread, then makes the transport.
class FileOpener final : public std::enable_shared_from_this<FileOpener>,
                         private loop::Workers::Job {
 public:
  using Result = Future<detail::Established<WriteTransport>>;

  /// Fails `result` when the work cannot be begun. A cancelled result makes no transport, and
  /// leaves no temporary file.
  static void open(loop::LoopCore& loop, detail::ProtocolFactory factory, std::string path,
                   FileOptions options, const Result& result);

  FileOpener(loop::LoopCore& loop, detail::ProtocolFactory factory, std::string path,
             FileOptions options, Result result)
      : loop_(&loop),
        factory_(std::move(factory)),
        path_(std::move(path)),
        options_(options),
        result_(std::move(result)),
        file_(loop.sys()) {}

 private:
  /// What the workers do.
  enum class Task : std::uint8_t {
    opening,  ///< Opens the file.
    closing,  ///< Nobody wants it any more.
  };

  void submit();
  void establish_transport();
  void close_again() noexcept;

  // loop::Workers::Job
  void run() noexcept override;
  void done() override;
  void dropped() noexcept override { close_file(file_); }

  loop::LoopCore* loop_;
  detail::ProtocolFactory factory_;
  std::string path_;
  FileOptions options_;
  Result result_;
  WritableFile file_;
  OpenFailure failure_;
  Task task_ = Task::opening;
};

}  // namespace sluice::transports
