#pragma once

#include <memory>
#include <optional>

#include "open_file.hpp"
#include "transport_sink.hpp"

namespace sluice::cli {

/// A regular file: of a path, or standard output that was redirected to one.
class FileSink final : public TransportSink {
 public:
  /// Of a path. Unless `options` say in place, the file has its name, or its new content, only when
  /// everything was written, and is as it was before otherwise.
  FileSink(EventLoop& loop, const Endpoint& endpoint, const SinkOptions& options,
           SinkListener& listener);
  /// Of an open file, written where it stands.
  FileSink(EventLoop& loop, const Endpoint& endpoint, const SinkOptions& options,
           SinkListener& listener, OpenFile file);

  void open() override;
  void finish_incomplete() override;
  [[nodiscard]] WriteStatistics statistics() const override;
  [[nodiscard]] std::optional<FileIdentity> file() const override { return identity_; }

 private:
  class Writer;
  void cancel_opening() override;
  [[nodiscard]] bool replaces() const { return options_.if_exists == IfExists::replace; }

  FileOptions options_;
  Fd fd_;
  std::optional<FileIdentity> identity_;  // of a file that is written in its place
  std::optional<Future<WriteConnection<Writer>>> opening_;
};

}  // namespace sluice::cli
