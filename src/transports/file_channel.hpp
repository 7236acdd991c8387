#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <vector>

#include "loop/workers.hpp"
#include "sys/system_calls.hpp"
#include "transports/channel.hpp"
#include "transports/open_file.hpp"

namespace sluice::transports {

/// A regular file: written by worker threads, one piece of work at a time, so the order is kept.
class FileChannel final : public Channel, private loop::Workers::Job {
 public:
  /// The most that one piece of work writes: how often the writer hears of progress, and how long
  /// abort() and the end of the loop may have to wait, depend on it.
  static constexpr std::size_t most_at_once = 1024 * 1024;

  /// Takes over `file`; its descriptor, though, only when it is attached. Workers and system must
  /// outlive the work.
  FileChannel(loop::Workers& workers, sys::SystemCalls& sys, WritableFile file) noexcept
      : workers_(&workers), sys_(&sys), file_(std::move(file)) {}
  ~FileChannel() override;

  // Channel
  void attach(ChannelHost& host) noexcept override { host_ = &host; }
  core::SinkResult write(std::span<const Bytes> pieces) noexcept override;
  [[nodiscard]] bool keeps_bytes() const noexcept override { return true; }
  /// A file has no half to close: its transport closes instead, and never gets here.
  std::error_code shutdown() noexcept override;
  [[nodiscard]] std::optional<std::error_code> finish() noexcept override;
  [[nodiscard]] bool takes_descriptor() noexcept override;
  /// A file is never read: its transport is write-only.
  core::SourceResult read(std::span<std::byte> memory) noexcept override;
  [[nodiscard]] bool short_read_empties() const noexcept override { return true; }

 private:
  /// What the workers do for this file.
  enum class Task : std::uint8_t {
    none,       ///< Nothing: everything here is the loop's thread's.
    writing,    ///< One call for what `vectors_` say.
    finishing,  ///< What the file still needs after its last byte.
    closing,    ///< Nobody wants the file any more.
  };

  [[nodiscard]] std::error_code start(Task task) noexcept;
  void write_once() noexcept;
  void let_go() noexcept;

  // loop::Workers::Job
  void run() noexcept override;
  void done() override;
  void dropped() noexcept override;

  loop::Workers* workers_;
  sys::SystemCalls* sys_;
  ChannelHost* host_ = nullptr;
  std::weak_ptr<void> share_;            // of the transport, which gives none once it is closed
  WritableFile file_;                    // while there is a task, the worker's
  std::vector<iovec> vectors_;           // likewise
  core::SinkResult written_{};           // likewise
  std::error_code finish_error_;         // likewise
  Task task_ = Task::none;               // read by the worker, changed only between tasks
  std::atomic<bool> abandoned_ = false;  // the transport is done with the descriptor
};

}  // namespace sluice::transports
