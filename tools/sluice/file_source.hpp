#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "open_file.hpp"
#include "read_block.hpp"
#include "source.hpp"

namespace sluice::cli {

/// Reads a regular file: one bounded read(2) per turn of the loop, since a file is always ready and
/// has no transport.
class FileSource final : public Source {
 public:
  FileSource(EventLoop& loop, OpenFile file, std::string name, SourceListener& listener);

  void open() override;
  void pause() override;
  void resume() override;
  void abort() override;
  [[nodiscard]] std::optional<std::uint64_t> size() const override { return file_.size; }
  [[nodiscard]] std::optional<FileIdentity> file() const override { return file_.identity; }

 private:
  enum class State : std::uint8_t { paused, reading, done };

  void read_one();
  void finish(SourceEnd end, const std::string& error);

  EventLoop& loop_;
  OpenFile file_;
  std::string name_;
  SourceListener& listener_;
  State state_ = State::paused;
  Handle next_read_;
  ReadBlock block_;
};

}  // namespace sluice::cli
