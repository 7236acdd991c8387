#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "open_file.hpp"
#include "source.hpp"

namespace sluice::cli {

/// Reads a pipe, FIFO, character device or inherited socket.
class PipeSource final : public Source {
 public:
  /// Whether a FIFO may have had no writer yet. Reading it then gives end of file, which it is not.
  enum class Writer : std::uint8_t { present, awaited };

  PipeSource(EventLoop& loop, Fd fd, std::string name, Writer writer, SourceListener& listener);

  void open() override;
  void pause() override;
  void resume() override;
  void abort() override;

 private:
  class Reader;
  enum class State : std::uint8_t {
    waiting,  ///< for the first writer of a FIFO
    opening,  ///< the transport is being made
    open,     ///< there is a transport
    aborted,  ///< connection_lost is to come
    done,     ///< source_done was called
  };

  void wait_for_writer();
  void connect();
  void made(const std::shared_ptr<ReadTransport>& transport);
  void lost(std::error_code error);
  void finish(SourceEnd end, const std::string& error);

  EventLoop& loop_;
  Fd fd_;
  std::string name_;
  Writer writer_;
  SourceListener& listener_;
  State state_ = State::waiting;
  TimerHandle next_look_;
  std::shared_ptr<ReadTransport> transport_;
};

}  // namespace sluice::cli
