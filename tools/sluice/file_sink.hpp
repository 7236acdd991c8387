#pragma once

#include <optional>

#include "open_file.hpp"
#include "sink.hpp"

namespace sluice::cli {

/// Standard output that is a regular file: it has no transport, so the program writes it itself.
/// Takes every byte at once or fails; never pauses the source.
class FileSink final : public Sink {
 public:
  FileSink(EventLoop& loop, const Endpoint& endpoint, OpenFile file, SinkListener& listener);

  void open() override;
  void write(const Buffer& block) override;
  void finish() override;
  void abort() override;
  [[nodiscard]] WriteStatistics statistics() const override { return statistics_; }
  [[nodiscard]] std::size_t buffer_size() const override { return 0; }
  [[nodiscard]] WriteBufferLimits limits() const override { return {.low = 0, .high = 0}; }
  [[nodiscard]] std::optional<FileIdentity> file() const override { return file_.identity; }

 private:
  void end_as(SinkState state);
  void fail(int error_number);

  OpenFile file_;
  WriteStatistics statistics_;
};

}  // namespace sluice::cli
