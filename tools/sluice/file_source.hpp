#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "open_file.hpp"
#include "read_block.hpp"
#include "source.hpp"

namespace sluice::cli {

/// A regular file: has it sent by the kernel where the listener can do that, otherwise one bounded
/// read(2) per turn of the loop, since a file is always ready.
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
  enum class State : std::uint8_t {
    paused,   ///< nothing is done
    reading,  ///< the next block is read in the next turn
    sending,  ///< the kernel sends the rest; that is not paused
    done,     ///< source_done was called, or is to be
  };

  void read_one();
  void send_rest();
  void sent(const Future<std::uint64_t>& result);
  void finish(SourceEnd end, const std::string& error);

  EventLoop& loop_;
  OpenFile file_;
  std::shared_ptr<const Fd> fd_;
  std::uint64_t offset_ = 0;  // of what is sent; read(2) has the file's own
  std::string name_;
  SourceListener& listener_;
  State state_ = State::paused;
  Handle next_read_;
  ReadBlock block_;
};

}  // namespace sluice::cli
