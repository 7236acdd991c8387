#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "endpoint.hpp"
#include "open_file.hpp"
#include "sluice/buffer.hpp"
#include "sluice/event_loop.hpp"
#include "sluice/transport.hpp"
#include "text.hpp"

namespace sluice::cli {

enum class SinkState : std::uint8_t {
  opening,    ///< not ready to be written to
  open,       ///< takes bytes
  flushing,   ///< the source has ended; what is buffered goes out
  lingering,  ///< everything was sent, and so was the end; the peer's end is awaited
  closing,    ///< close() was called; connection_lost is to come
  closed,     ///< took every byte and was closed in order
  failed,     ///< did not; error() says why
  aborted,    ///< was given up by abort()
};

/// The marks that --high and --low ask for.
struct BufferMarks {
  std::optional<std::size_t> high;
  std::optional<std::size_t> low;
};

/// How sinks are to be written.
struct SinkOptions {
  BufferMarks marks;
  bool in_place = false;  ///< --in-place: a path is emptied and written itself
  bool fsync = false;     ///< --fsync: files are synchronized before they are closed
};

class Sink;

/// Who is told what a sink does. Called on the loop's thread, never from inside open(); sink_paused
/// may come from inside write().
class SinkListener {
 public:
  SinkListener(const SinkListener&) = delete;
  SinkListener& operator=(const SinkListener&) = delete;

  virtual void sink_ready(Sink& sink) = 0;
  /// The buffer is above the high mark.
  virtual void sink_paused(Sink& sink) = 0;
  /// The buffer is at or below the low mark again.
  virtual void sink_resumed(Sink& sink) = 0;
  /// It is closed, failed or aborted; last and once. A pause has ended with it.
  virtual void sink_gone(Sink& sink) = 0;

 protected:
  SinkListener() = default;
  ~SinkListener() = default;
};

/// Where the bytes of a copy go. Must outlive the running of the loop.
class Sink {
 public:
  Sink(EventLoop& loop, Endpoint endpoint, SinkListener& listener)
      : loop_(loop), endpoint_(std::move(endpoint)), listener_(listener) {}
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  virtual ~Sink() = default;

  virtual void open() = 0;
  /// Gives it the next bytes. Does nothing unless it is open.
  virtual void write(const Buffer& block) = 0;
  /// Whether send_file() can be called.
  [[nodiscard]] virtual bool takes_files() const { return false; }
  /// Sends a file from `offset` to its end without reading it. The result is how many bytes went;
  /// it fails when the connection is lost, too, which sink_gone tells as ever. Only while open.
  virtual Future<std::uint64_t> send_file(const std::shared_ptr<const Fd>& /*file*/,
                                          std::uint64_t /*offset*/) {
    throw std::logic_error("this sink does not take files");
  }
  /// No more bytes come: send what is buffered and close. Does nothing unless it is open.
  virtual void finish() = 0;
  /// The same when the source has failed: what was read goes out, but nothing that is not whole may
  /// look as if it were.
  virtual void finish_incomplete() { finish(); }
  /// Gives up at once; sink_gone follows unless it has been.
  virtual void abort() = 0;

  /// Bytes taken, system calls and so on; also when it is gone.
  [[nodiscard]] virtual WriteStatistics statistics() const = 0;
  [[nodiscard]] virtual std::size_t buffer_size() const = 0;
  [[nodiscard]] virtual WriteBufferLimits limits() const = 0;
  /// Which regular file it writes in its place, if it is one.
  [[nodiscard]] virtual std::optional<FileIdentity> file() const { return std::nullopt; }

  /// Whom it waits for before it can be written to, as "a reader of NAME"; empty: for nobody to be
  /// told of.
  [[nodiscard]] virtual std::string awaited() const { return {}; }

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] SinkState state() const { return state_; }
  [[nodiscard]] bool is_gone() const {
    return state_ == SinkState::closed || state_ == SinkState::failed ||
           state_ == SinkState::aborted;
  }
  /// The whole message of a sink that failed.
  [[nodiscard]] const std::string& error() const { return error_; }
  /// Whether it holds the source up now.
  [[nodiscard]] bool is_paused() const { return paused_since_.has_value(); }
  /// How often, and how long in all, it has held the source up.
  [[nodiscard]] std::uint64_t pauses() const { return pauses_; }
  [[nodiscard]] Seconds time_paused() const {
    return time_paused_ + (paused_since_ ? loop_.time() - *paused_since_ : Seconds(0));
  }

 protected:
  void begin_pause() {
    ++pauses_;
    paused_since_ = loop_.time();
  }
  /// Returns whether there was a pause to end.
  bool end_pause() {
    if (!paused_since_) return false;
    time_paused_ = time_paused();
    paused_since_.reset();
    return true;
  }

  EventLoop& loop_;
  Endpoint endpoint_;
  SinkListener& listener_;
  SinkState state_ = SinkState::opening;
  std::string error_;

 private:
  std::uint64_t pauses_ = 0;
  std::optional<TimePoint> paused_since_;
  Seconds time_paused_{0};
};

/// Makes the sink of an endpoint. Throws RunError when standard output cannot be written to.
[[nodiscard]] std::unique_ptr<Sink> make_sink(EventLoop& loop, const Endpoint& endpoint,
                                              const SinkOptions& options, SinkListener& listener);

}  // namespace sluice::cli
