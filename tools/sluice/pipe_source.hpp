#pragma once

#include <cstdint>
#include <string>

#include "open_file.hpp"
#include "reading_source.hpp"

namespace sluice::cli {

/// Reads a pipe, FIFO, character device or inherited socket.
class PipeSource final : public ReadingSource {
 public:
  /// Whether a FIFO may have had no writer yet. Reading it then gives end of file, which it is not.
  enum class Writer : std::uint8_t { present, awaited };

  PipeSource(EventLoop& loop, Fd fd, std::string name, Writer writer, SourceListener& listener);

  void open() override;
  void abort() override;
  [[nodiscard]] std::string awaited() const override;

 private:
  class Reader;

  void wait_for_writer();
  void connect();

  Fd fd_;  ///< until there is a writer
  Writer writer_;
  TimerHandle next_look_;
};

}  // namespace sluice::cli
