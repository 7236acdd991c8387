#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <system_error>

#include "core/common_ground.hpp"
#include "core/lifecycle.hpp"
#include "core/sink.hpp"
#include "core/watermarks.hpp"
#include "core/write_queue.hpp"
#include "sluice/transport.hpp"

namespace sluice::core {

/// Why a flush happens.
enum class FlushCause : std::uint8_t {
  end_of_turn,  ///< Somebody asked for it with request_flush.
  readiness,    ///< The sink is ready again, or has completed what was in flight.
};

/// How dropped writes are counted towards the warning; asyncio's kinds of transport differ (W-61,
/// W-63).
enum class DropRule : std::uint8_t {
  count_every_loss,  ///< Sockets: that it ends, in whatever way, counts as one.
  count_failures,    ///< Pipes: only a failed write does.
};

/// What a WriteSide needs of its transport. None of these throws; the callouts to the protocol are
/// the only ones that may come back into the WriteSide.
class WriteSideHost {
 public:
  WriteSideHost() = default;
  WriteSideHost(const WriteSideHost&) = delete;
  WriteSideHost& operator=(const WriteSideHost&) = delete;

  /// Call the protocol.
  virtual void call_pause_writing() noexcept = 0;
  virtual void call_resume_writing() noexcept = 0;
  /// Call flush(end_of_turn) when the turn ends at the latest, once however often this is asked.
  virtual void request_flush() noexcept = 0;
  /// Call check_resume() soon, from the loop.
  virtual void request_resume_check() = 0;
  /// The sink failed, or a range could not be read. The transport is lost, and discards the queue.
  virtual void write_failed(std::error_code error) = 0;
  /// The transport is draining and the last byte has gone.
  virtual void drained(FlushCause cause) = 0;
  /// Yet another write after the loss was dropped; `count` so far.
  virtual void warn_dropped(std::uint64_t count) = 0;

 protected:
  ~WriteSideHost() = default;
};

/// The write half of every transport: the contract of WriteTransport over a WriteQueue, Watermarks
/// and a Sink. Knows no descriptor, no system call and no clock.
class WriteSide {
 public:
  /// Whether the peer has been told that nothing more comes.
  enum class HalfState : std::uint8_t {
    open,         ///< More may come.
    eof_pending,  ///< write_eof() was called; the sink is shut down when the queue is empty.
    eof_sent,     ///< The sink was shut down.
  };

  /// Where the front of the queue stands with the sink.
  enum class FlowState : std::uint8_t {
    idle,       ///< The queue is empty.
    dirty,      ///< The sink has not been offered these bytes; a flush was requested.
    blocked,    ///< The sink is full; its readiness is awaited.
    in_flight,  ///< The sink works on the bytes; its completion is awaited.
  };

  /// From this size on, borrowed bytes are offered to the sink at once: copying them would cost
  /// more than the system call that is saved.
  static constexpr std::size_t direct_send_bytes = 16 * 1024;
  /// So the lane is never longer than what is less.
  static constexpr std::size_t longest_lane_bytes = direct_send_bytes - 1;
  /// The most of external ranges that is sent in one go, so that others get their turn: in bytes,
  /// and in attempts.
  static constexpr std::size_t external_burst_bytes = 1024 * 1024;
  static constexpr int external_burst_attempts = 64;
  /// A dropped write is warned about when this many were counted before it (W-60).
  static constexpr std::uint8_t drop_warning_threshold = 5;

  struct Parts {
    const CommonGround& ground;
    Sink& sink;
    WriteSideHost& host;
    DropRule drop_rule;
  };
  /// All parts must outlive the WriteSide.
  explicit WriteSide(const Parts& parts) noexcept
      : queue_(parts.ground.pool),
        sink_(&parts.sink),
        host_(&parts.host),
        ground_(&parts.ground),
        drop_rule_(parts.drop_rule),
        sink_keeps_bytes_(parts.sink.keeps_bytes()),
        drops_counted_(parts.drop_rule == DropRule::count_every_loss ? 1 : 0) {}

  /// The life of the transport, which belongs to what it does with its bytes.
  [[nodiscard]] const Lifecycle& life() const noexcept { return life_; }
  /// As Lifecycle::move_to; the transport does what the new state asks for.
  [[nodiscard]] bool move_to(LifeState next) noexcept {
    queue_.close_lane();
    return life_.move_to(next);
  }

  // The contract of WriteTransport; see sluice/transport.hpp.
  void write(Bytes data) {
    // One of many in a row: it is only appended.
    if (!queue_.append_short_in_lane(data)) {
      write_and_look(data);
    }
  }
  void write(Buffer data);
  void writelines(std::span<const Buffer> pieces);
  void writelines(std::span<const Bytes> pieces);
  /// One message for a sink that takes whole messages only: `header`, not empty, then `payload`,
  /// with no attempt to send and no pause check in between. Each of the two stays in one piece for
  /// as long as it is queued.
  void write_frame(Bytes header, Bytes payload);
  void write_frame(Bytes header, Buffer payload);
  void write_eof();
  void set_limits(std::optional<std::size_t> high, std::optional<std::size_t> low);

  /// Queues `range` behind everything written so far; it is sent from the end of the turn on. The
  /// transport must be open. `call` is the name for the message. Throws std::logic_error after
  /// write_eof(), std::bad_alloc with nothing queued.
  void write_external(std::shared_ptr<External> range, const char* call);
  /// Takes `range` out of the queue if none of its bytes have been sent; it is not told. False when
  /// it stays, or is not there.
  bool remove_external(const External& range);

  /// Bytes that the sink has not taken; 0 once the transport is lost.
  [[nodiscard]] std::size_t size() const noexcept { return life_.alive() ? queue_.size() : 0; }
  [[nodiscard]] WriteBufferLimits limits() const noexcept { return marks_.limits(); }
  [[nodiscard]] WriteStatistics statistics() const noexcept;

  /// Sends what is queued, in one attempt, then runs the resume check. Does nothing when the queue
  /// is empty or the transport is lost.
  void flush(FlushCause cause) {
    // Every event says that there is room, and as a rule nobody has waited for it.
    if (flow_ != FlowState::idle || !nobody_waits()) {
      flush_what_is_due(cause);
    }
  }
  /// Ends an in_flight: the first `result.count` bytes are gone, or all is lost. After a loss it
  /// only sets the count of bytes right and frees them.
  void complete(SinkResult result);
  /// The sink takes bytes again for a reason that no poll tells: a flush is requested if one waits
  /// for that.
  void sink_ready();
  /// From now on the bytes go to `sink`, which must outlive the WriteSide, must not keep bytes, and
  /// is ready when the old one is. Nothing may be in flight.
  void set_sink(Sink& sink) noexcept;
  /// Tells the producer to go on, if it is owed that.
  void check_resume();
  /// A new producer, who last heard a pause if `told_paused`, hears what has happened since: as a
  /// rule nothing (W-78).
  void catch_up(bool told_paused);
  /// Throws away what is queued; for every loss, whose reason external ranges are told. The
  /// transport must have left `open` and `draining`.
  void discard(std::error_code reason = {}) noexcept;
  /// The same when nobody is to be told.
  void drop() noexcept;

  /// Neither bytes nor external ranges wait.
  [[nodiscard]] bool empty() const noexcept {
    return size() == 0 && (queue_.empty() || !life_.alive());
  }
  /// Whether external ranges are queued, which size() does not count.
  [[nodiscard]] bool has_ranges() const noexcept { return queue_.has_external(); }
  [[nodiscard]] bool paused() const noexcept { return marks_.paused(); }
  [[nodiscard]] HalfState half_state() const noexcept { return half_; }
  [[nodiscard]] FlowState flow_state() const noexcept { return flow_; }

  /// Ends the process when the state contradicts itself; for debug builds and tests.
  void check_invariants() const noexcept;

 private:
  /// Which callout is on the stack; resume_writing is never called from inside one (no endless
  /// recursion).
  enum class Callout : std::uint8_t { none, pausing, resuming };
  /// Whether the host was asked for a resume check that has not come yet.
  enum class ResumeCheck : std::uint8_t { none, requested };

  /// Counts that hardly any connection has.
  struct RareCounts {
    std::uint64_t bytes_dropped = 0;
    std::uint64_t writes_dropped = 0;
    // How often the counter of that name has wrapped around.
    std::uint32_t short_write_wraps = 0;
    std::uint32_t would_block_wraps = 0;
    std::uint32_t pause_wraps = 0;
  };
  [[nodiscard]] RareCounts* rare_counts() noexcept;
  void count(std::uint32_t& counter, std::uint32_t RareCounts::*wraps) noexcept;
  void count_towards_warning() noexcept {
    if (drops_counted_ < drop_warning_threshold) {
      ++drops_counted_;
    }
  }

  void write_and_look(Bytes data);
  void begin_run(Bytes data, std::size_t high);
  void open_lane() noexcept;
  void note_peak() noexcept;
  [[nodiscard]] bool admit(std::size_t bytes, const char* call) {
    if (life_.open() && half_ == HalfState::open) {
      return bytes > 0;
    }
    refuse(bytes, call);
    return false;
  }
  void refuse(std::size_t bytes, const char* call);
  void count_drop(std::size_t bytes);
  template <class Piece, class Append>
  void write_list(std::span<const Piece> pieces, Append append);
  template <class Append>
  [[nodiscard]] bool append_or_fail(std::size_t bytes, Append append);
  void send_with(Bytes borrowed);
  void send_frame(Bytes header, Bytes payload);
  template <class Append>
  void queue_frame(std::size_t bytes, Append append);
  void after_append();
  void request_resume_if_low();
  void note_growth();
  bool push_out();
  [[nodiscard]] SinkResult offer_only_piece(std::size_t& offered);
  [[nodiscard]] SinkResult offer_front(Bytes borrowed, std::size_t& offered);
  void note_attempt(const SinkResult& result, std::size_t offered);
  void note_rest(const SinkResult& result, std::size_t offered);
  [[nodiscard]] bool take_result(const SinkResult& result, std::size_t offered);
  [[nodiscard]] bool push_ranges();
  [[nodiscard]] bool push_range(std::size_t& budget);
  [[nodiscard]] bool fetch_range();
  [[nodiscard]] bool range_ended(ExternalEnd end, std::error_code error);
  void move_on();
  void lose_ranges(std::shared_ptr<External> ranges, std::error_code reason) noexcept;
  // Neither for fewer bytes nor for none.
  [[nodiscard]] bool nobody_waits() const noexcept {
    return !paused() && resume_check_ == ResumeCheck::none && life_.open() &&
           half_ == HalfState::open;
  }
  void flush_what_is_due(FlushCause cause);
  void after_progress(FlushCause cause);
  void settle(FlushCause cause);
  void check_pause();
  void shut_down();
  void fail(std::error_code error);

  [[no_unique_address]] WriteQueue queue_;
  std::uint32_t short_writes_ = 0;
  std::uint32_t would_blocks_ = 0;
  std::uint32_t pauses_ = 0;
  Sink* sink_;
  WriteSideHost* host_;
  const CommonGround* ground_;
  std::uint64_t tried_after_poll_ = 0;
  std::uint64_t bytes_written_ = 0;
  std::uint64_t bytes_discarded_ = 0;
  std::uint64_t send_calls_ = 0;
  std::size_t peak_ = 0;
  std::unique_ptr<RareCounts> rare_;  // null as long as there was none
  // Its tail has room for what follows.
  [[no_unique_address]] Watermarks marks_;
  HalfState half_ = HalfState::open;
  FlowState flow_ = FlowState::idle;
  Callout callout_ = Callout::none;
  ResumeCheck resume_check_ = ResumeCheck::none;
  DropRule drop_rule_;
  bool sink_keeps_bytes_;
  std::uint8_t drops_counted_;  // as far as the threshold
  Lifecycle life_;
};

// Every connection has one.
static_assert(sizeof(WriteSide) <= 192);

}  // namespace sluice::core
