#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <system_error>

#include "endpoint.hpp"
#include "source.hpp"

namespace sluice::cli {

/// Reads the standard output of a command. The command ends the source, not its output alone: one
/// that fails makes the source fail. It has no input, and our standard error.
class ExecSource final : public Source {
 public:
  ExecSource(EventLoop& loop, Endpoint endpoint, SourceListener& listener);

  void open() override;
  void pause() override;
  void resume() override;
  void abort() override;

 private:
  class Reader;
  enum class State : std::uint8_t {
    opening,  ///< the command is being started
    open,     ///< it runs
    aborted,  ///< connection_lost is to come
    done,     ///< source_done was called
  };

  void made(const std::shared_ptr<SubprocessTransport>& child);
  void lost();
  void finish(SourceEnd end, const std::string& error);

  EventLoop& loop_;
  Endpoint endpoint_;
  SourceListener& listener_;
  State state_ = State::opening;
  std::error_code read_error_;
  std::shared_ptr<SubprocessTransport> child_;
};

}  // namespace sluice::cli
