#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "endpoint.hpp"
#include "open_file.hpp"
#include "sluice/buffer.hpp"
#include "sluice/event_loop.hpp"

namespace sluice::cli {

enum class SourceEnd : std::uint8_t { end_of_file, failed, aborted };

/// Who is told what a source does. Called on the loop's thread, never from inside open().
class SourceListener {
 public:
  SourceListener(const SourceListener&) = delete;
  SourceListener& operator=(const SourceListener&) = delete;

  /// Bytes will come after resume().
  virtual void source_ready() = 0;
  /// How many bytes the next read may ask for, at least one. A hint: a pipe may give more.
  [[nodiscard]] virtual std::size_t read_limit() = 0;
  /// The next bytes, never empty.
  virtual void source_block(const Buffer& block) = 0;
  /// Whether a regular file is to be sent by source_file(), not read into blocks.
  [[nodiscard]] virtual bool sends_file() = 0;
  /// Sends the rest of the file. The result is how many bytes went; 0 at its end.
  virtual Future<std::uint64_t> source_file(const std::shared_ptr<const Fd>& file,
                                            std::uint64_t offset) = 0;
  /// No more bytes come and everything is closed; last and once. `error` is a whole message when it
  /// failed.
  virtual void source_done(SourceEnd end, const std::string& error) = 0;

 protected:
  SourceListener() = default;
  ~SourceListener() = default;
};

/// Where the bytes of a copy come from. Starts paused. Must outlive the running of the loop.
class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;

  virtual void open() = 0;
  virtual void pause() = 0;
  virtual void resume() = 0;
  /// Stops and closes; source_done(aborted) follows, unless the source has ended before.
  virtual void abort() = 0;
  /// Whom it waits for before it can be read, as "a writer of NAME"; empty: for nobody to be told
  /// of.
  [[nodiscard]] virtual std::string awaited() const { return {}; }
  /// How many bytes will come, when that is known.
  [[nodiscard]] virtual std::optional<std::uint64_t> size() const { return std::nullopt; }
  /// Which regular file it is, if it is one.
  [[nodiscard]] virtual std::optional<FileIdentity> file() const { return std::nullopt; }
};

/// Makes the source of an endpoint; opens files at once. Throws RunError.
[[nodiscard]] std::unique_ptr<Source> make_source(EventLoop& loop, const Endpoint& endpoint,
                                                  SourceListener& listener);

}  // namespace sluice::cli
