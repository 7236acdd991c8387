#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "source.hpp"
#include "stream_opener.hpp"

namespace sluice::cli {

/// Reads a TCP or Unix connection, straight into the blocks that the sinks share. Sends nothing.
class StreamSource final : public Source {
 public:
  StreamSource(EventLoop& loop, const Endpoint& endpoint, SourceListener& listener);

  void open() override;
  void pause() override;
  void resume() override;
  void abort() override;

 private:
  class Reader;
  enum class State : std::uint8_t { opening, open, aborted, done };

  void made(const std::shared_ptr<Transport>& transport);
  void lost(std::error_code error);
  void finish(SourceEnd end, const std::string& error);

  EventLoop& loop_;
  std::string name_;
  SourceListener& listener_;
  State state_ = State::opening;
  StreamOpener opener_;
  std::shared_ptr<Transport> transport_;
};

}  // namespace sluice::cli
