#pragma once

#include <memory>
#include <string>
#include <system_error>

#include "sluice/subprocess.hpp"
#include "transport_sink.hpp"

namespace sluice::cli {

/// Writes to the standard input of a command, and is closed when the command has ended: one that
/// fails makes the sink fail. Its output and its errors go where ours go.
class ExecSink final : public TransportSink {
 public:
  ExecSink(EventLoop& loop, const Endpoint& endpoint, BufferMarks marks, SinkListener& listener);
  void open() override;
  void abort() override;

 private:
  class Writer;
  void cancel_opening() override;
  [[nodiscard]] std::string reader_fault() const override;
  void made_child(std::shared_ptr<SubprocessTransport> child);
  void stdin_lost(std::error_code error);

  std::shared_ptr<SubprocessTransport> child_;
  std::string early_end_;  // why the command took no more before we were done
};

}  // namespace sluice::cli
