#include "core/write_side.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/check.hpp"
#include "core/piece_room.hpp"

namespace sluice::core {
namespace {

// Walking a deeper queue for each write would make it quadratic.
constexpr std::size_t cheap_to_check = 16;

}  // namespace

// The order of the checks (W-6): once the transport is closing or lost, a write is dropped and
// never throws, not even after write_eof() (a deliberate difference from asyncio, which looks at
// write_eof() first).
void WriteSide::refuse(std::size_t bytes, const char* call) {
  if (life_.open()) {
    throw std::logic_error(std::string("Cannot call ") + call + " after write_eof()");
  }
  if (bytes > 0) {
    count_drop(bytes);
  }
}

void WriteSide::count_drop(std::size_t bytes) {
  if (RareCounts* const rare = rare_counts()) {
    rare->bytes_dropped += bytes;
    ++rare->writes_dropped;
  }
  const bool warn = drops_counted_ >= drop_warning_threshold;
  count_towards_warning();
  if (warn) {
    host_->warn_dropped(statistics().writes_dropped);
  }
}

// Without memory for it nothing is counted: that is no reason to lose a connection.
WriteSide::RareCounts* WriteSide::rare_counts() noexcept {
  if (rare_ == nullptr) {
    rare_.reset(new (std::nothrow) RareCounts);
  }
  return rare_.get();
}

void WriteSide::count(std::uint32_t& counter, std::uint32_t RareCounts::*wraps) noexcept {
  if (++counter == 0) {
    if (RareCounts* const rare = rare_counts()) {
      ++(rare->*wraps);
    }
  }
}

// What is done for a write that is not just one more of many, unless it is one and long.
void WriteSide::write_and_look(Bytes data) {
  if (queue_.append_in_lane(data) || !admit(data.size(), "write()")) {
    return;
  }
  const bool at_once = ground_->timing == WriteTiming::at_once;
  const std::size_t high = marks_.limits().high;
  if (flow_ == FlowState::idle && !at_once && data.size() < direct_send_bytes &&
      data.size() <= high) {
    begin_run(data, high);
    return;
  }
  const bool worth_a_call = data.size() >= direct_send_bytes || size() + data.size() > high;
  const bool now = at_once ? flow_ == FlowState::idle : flow_ <= FlowState::dirty && worth_a_call;
  if (now && !sink_keeps_bytes_ && !queue_.has_external() &&
      queue_.segment_count() < Sink::max_pieces) {
    send_with(data);
  } else if (append_or_fail(data.size(), [&] { queue_.append_copy(data); })) {
    after_append();
  }
  open_lane();
}

// The first bytes of a turn, as a rule, with nothing before them.
void WriteSide::begin_run(Bytes data, std::size_t high) {
  const std::size_t lane_bytes = std::min(high - data.size(), longest_lane_bytes);
  if (append_or_fail(data.size(), [&] { queue_.begin(data, lane_bytes); })) {
    flow_ = FlowState::dirty;
    host_->request_flush();
  }
}

// The next writes need only be appended for as long as they neither find an idle sink nor cross the
// high mark: then a look at each would find nothing to do. What changes that closes the lane.
void WriteSide::open_lane() noexcept {
  if (!life_.open() || half_ != HalfState::open || flow_ == FlowState::idle) {
    return;
  }
  if (size() <= marks_.limits().high) {
    queue_.open_lane(std::min(marks_.limits().high - size(), longest_lane_bytes));
  } else if (paused() && flow_ != FlowState::dirty) {
    queue_.open_lane(longest_lane_bytes);
  }
}

void WriteSide::write(Buffer data) {
  const std::size_t bytes = data.size();
  if (admit(bytes, "write()") && append_or_fail(bytes, [&] { queue_.append(std::move(data)); })) {
    after_append();
  }
}

template <class Append>
void WriteSide::queue_frame(std::size_t bytes, Append append) {
  if (append_or_fail(bytes, append)) {
    after_append();
  }
}

void WriteSide::write_frame(Bytes header, Bytes payload) {
  const std::size_t bytes = header.size() + payload.size();
  if (!admit(bytes, "sendto()")) {
    return;
  }
  const bool now = ground_->timing == WriteTiming::at_once || payload.size() >= direct_send_bytes;
  if (now && flow_ == FlowState::idle && !sink_keeps_bytes_) {
    send_frame(header, payload);
    return;
  }
  queue_frame(bytes, [&] {
    queue_.append_copy(header);
    queue_.append_copy(payload);
  });
}

void WriteSide::write_frame(Bytes header, Buffer payload) {
  const std::size_t bytes = header.size() + payload.size();
  if (admit(bytes, "sendto()")) {
    queue_frame(bytes, [&] {
      queue_.append_copy(header);
      queue_.append(std::move(payload));
    });
  }
}

// With nothing in its way a frame is offered from the caller's memory; it is copied only if it was
// not taken.
void WriteSide::send_frame(Bytes header, Bytes payload) {
  const std::array<Bytes, 2> pieces{header, payload};
  const std::size_t bytes = header.size() + payload.size();
  const SinkResult result =
      sink_->write(std::span(pieces).first(payload.empty() ? 1 : pieces.size()));
  note_attempt(result, bytes);
  if (result.kind == SinkResult::Kind::failed) {
    bytes_discarded_ += bytes;
    fail(result.error);
    return;
  }
  check(result.count == 0 || result.count == bytes, "a frame is taken whole or not at all");
  bytes_written_ += result.count;
  if (result.count == 0 && !append_or_fail(bytes, [&] {
        queue_.append_copy(header);
        queue_.append_copy(payload);
      })) {
    return;
  }
  note_rest(result, bytes);
  if (result.count > 0) {
    request_resume_if_low();
  }
  note_growth();
}

template <class Piece, class Append>
void WriteSide::write_list(std::span<const Piece> pieces, Append append) {
  std::size_t total = 0;
  for (const Piece& piece : pieces) {
    total += piece.size();
  }
  if (!admit(total, "writelines()")) {
    return;
  }
  if (!append_or_fail(total, [&] { std::for_each(pieces.begin(), pieces.end(), append); })) {
    return;
  }
  // asyncio makes its one attempt here even when older bytes are waiting (W-25).
  if (ground_->timing == WriteTiming::at_once && flow_ == FlowState::blocked) {
    if (push_out()) {
      check_resume();
    }
    note_growth();
  } else {
    after_append();
  }
}

void WriteSide::writelines(std::span<const Buffer> pieces) {
  write_list(pieces, [this](const Buffer& piece) { queue_.append(Buffer(piece)); });
}

void WriteSide::writelines(std::span<const Bytes> pieces) {
  write_list(pieces, [this](const Bytes& piece) { queue_.append_copy(piece); });
}

// A stream with a hole in it is worse than none: without memory the connection is lost.
template <class Append>
bool WriteSide::append_or_fail(std::size_t bytes, Append append) {
  const std::size_t before = queue_.size();
  try {
    append();
    return true;
  } catch (const std::bad_alloc&) {
    bytes_discarded_ += bytes - (queue_.size() - before);
    fail(std::make_error_code(std::errc::not_enough_memory));
    return false;
  }
}

// Offers the queue and, behind it, bytes that are still the caller's; copies only what was not
// taken.
void WriteSide::send_with(Bytes borrowed) {
  std::size_t offered = 0;
  const std::size_t queued = queue_.size();
  const SinkResult result = offer_front(borrowed, offered);
  check(offered == queued + borrowed.size(), "borrowed bytes go behind all that is queued");
  check(result.kind != SinkResult::Kind::in_flight,
        "borrowed bytes are not offered to a sink that keeps them");
  if (result.kind == SinkResult::Kind::failed) {
    bytes_discarded_ += borrowed.size();
    fail(result.error);
    return;
  }
  const std::size_t taken_from_queue = std::min(result.count, queued);
  bytes_written_ += result.count;
  queue_.acknowledge(taken_from_queue);
  const Bytes rest = borrowed.subspan(result.count - taken_from_queue);
  if (!append_or_fail(rest.size(), [&] { queue_.append_copy(rest); })) {
    return;
  }
  note_rest(result, offered);
  // What these write in their last moment goes behind the rest.
  queue_.release_owners();
  if (result.count > 0) {
    request_resume_if_low();
  }
  note_growth();
}

// What every write does once its bytes are queued.
void WriteSide::after_append() {
  const bool at_once = ground_->timing == WriteTiming::at_once;
  if (flow_ == FlowState::idle) {
    flow_ = FlowState::dirty;
    if (at_once) {
      if (push_out()) {
        request_resume_if_low();
      }
    } else {
      host_->request_flush();
    }
  }
  if (flow_ == FlowState::dirty && !at_once && size() > marks_.limits().high &&
      !queue_.has_external() && push_out()) {
    request_resume_if_low();
  }
  note_growth();
}

// Sending from inside write() may have reached the low mark; the protocol is told at the end of the
// turn.
void WriteSide::request_resume_if_low() {
  if (life_.alive() && paused() && size() <= marks_.limits().low) {
    host_->request_flush();
  }
}

void WriteSide::note_peak() noexcept {
  peak_ = std::max(peak_, size());
}

WriteStatistics WriteSide::statistics() const noexcept {
  const auto whole = [](std::uint32_t wraps, std::uint32_t counter) {
    return std::uint64_t{wraps} << 32 | counter;
  };
  const RareCounts none;
  const RareCounts& rare = rare_ == nullptr ? none : *rare_;
  return {.bytes_written = bytes_written_,
          .bytes_discarded = bytes_discarded_,
          .bytes_dropped = rare.bytes_dropped,
          .writes_dropped = rare.writes_dropped,
          .send_calls = send_calls_,
          .short_writes = whole(rare.short_write_wraps, short_writes_),
          .would_blocks = whole(rare.would_block_wraps, would_blocks_),
          .pauses = whole(rare.pause_wraps, pauses_),
          .peak_buffer_size = std::max(peak_, size())};
}

void WriteSide::note_growth() {
  note_peak();
  check_pause();
  if constexpr (debug_checks) {
    if (queue_.segment_count() <= cheap_to_check) {
      check_invariants();
    }
  }
}

// Whether that moved bytes.
bool WriteSide::push_out() {
  if (queue_.has_external()) {
    return push_ranges();
  }
  std::size_t offered = 0;
  const SinkResult result =
      queue_.segment_count() == 1 ? offer_only_piece(offered) : offer_front({}, offered);
  return take_result(result, offered) && result.progressed();
}

// As a rule there is no other.
SinkResult WriteSide::offer_only_piece(std::size_t& offered) {
  note_peak();
  const Bytes piece = queue_.only_piece();
  offered = piece.size();
  const SinkResult result = sink_->write({&piece, 1});
  note_attempt(result, offered);
  return result;
}

SinkResult WriteSide::offer_front(Bytes borrowed, std::size_t& offered) {
  // What was appended in the lane has been noted by nobody.
  note_peak();
  PieceRoom<Sink::max_pieces> room;
  const std::span<Bytes> slots = room.slots();
  std::size_t count = queue_.gather(slots.first(slots.size() - (borrowed.empty() ? 0 : 1)));
  if (!borrowed.empty()) {
    slots[count++] = borrowed;
  }
  const std::span<const Bytes> pieces = slots.first(count);
  offered = 0;
  for (const Bytes piece : pieces) {
    offered += piece.size();
  }
  const SinkResult result = sink_->write(pieces);
  note_attempt(result, offered);
  return result;
}

// What is known after every attempt, whatever came of it.
void WriteSide::note_attempt(const SinkResult& result, std::size_t offered) {
  ++send_calls_;
  tried_after_poll_ = ground_->polls;
  if (result.kind == SinkResult::Kind::would_block) {
    count(would_blocks_, &RareCounts::would_block_wraps);
  } else if (result.kind == SinkResult::Kind::accepted && result.count < offered) {
    count(short_writes_, &RareCounts::short_write_wraps);
  }
}

// Where the queue's front stands after an attempt, once what was taken is out of it.
void WriteSide::note_rest(const SinkResult& result, std::size_t offered) {
  const bool sink_took_all = result.kind == SinkResult::Kind::accepted && result.count == offered;
  if (queue_.empty()) {
    flow_ = FlowState::idle;
  } else if (sink_took_all || result.kind == SinkResult::Kind::enough) {
    // There was more than one call can offer, or the sink wants no more for now.
    flow_ = FlowState::dirty;
    host_->request_flush();
  } else {
    flow_ = FlowState::blocked;
  }
}

// Moves queue and flow by what the sink answered; false when the transport is lost now.
bool WriteSide::take_result(const SinkResult& result, std::size_t offered) {
  switch (result.kind) {
    case SinkResult::Kind::accepted:
    case SinkResult::Kind::enough:
      bytes_written_ += result.count;
      queue_.acknowledge(result.count);
      note_rest(result, offered);
      queue_.release_owners();
      return true;
    case SinkResult::Kind::would_block:
      flow_ = FlowState::blocked;
      return true;
    case SinkResult::Kind::in_flight:
      queue_.submit(std::min({result.count, offered, queue_.size()}));
      flow_ = FlowState::in_flight;
      return true;
    case SinkResult::Kind::failed:
      fail(result.error);
      return false;
  }
  return false;
}

void WriteSide::flush_what_is_due(FlushCause cause) {
  if (!life_.alive()) {
    return;
  }
  const FlowState due = cause == FlushCause::readiness ? FlowState::blocked : FlowState::dirty;
  if (queue_.empty() || flow_ != due) {
    // A write may have sent what was due, and brought the producer below the low mark by it. A
    // check that was asked for keeps its place behind what was queued before it.
    if (resume_check_ == ResumeCheck::none) {
      check_resume();
    }
    return;
  }
  queue_.close_lane();
  // An attempt since the poll that found the sink ready knows better: it filled it.
  if (cause == FlushCause::readiness && tried_after_poll_ == ground_->polls) {
    return;
  }
  if (push_out()) {
    after_progress(cause);
  }
}

void WriteSide::complete(SinkResult result) {
  check(flow_ == FlowState::in_flight, "only what is in flight completes");
  note_peak();
  if (result.kind == SinkResult::Kind::accepted && result.count < queue_.in_flight_size()) {
    count(short_writes_, &RareCounts::short_write_wraps);
  }
  // All bytes are ours again, until the result says what became of them.
  queue_.acknowledge(0);
  flow_ = FlowState::dirty;
  if (!life_.alive()) {
    // discard() has counted all of them, not knowing that some would still be taken.
    bytes_written_ += result.count;
    bytes_discarded_ -= result.count;
    static_cast<void>(queue_.clear());
    flow_ = FlowState::idle;
    queue_.release_owners();
    return;
  }
  if (take_result(result, result.count) && result.progressed()) {
    after_progress(FlushCause::readiness);
  }
}

void WriteSide::sink_ready() {
  if (life_.alive() && flow_ == FlowState::blocked) {
    queue_.close_lane();
    flow_ = FlowState::dirty;
    host_->request_flush();
  }
}

void WriteSide::set_sink(Sink& sink) noexcept {
  check(flow_ != FlowState::in_flight && !sink.keeps_bytes(), "a sink at work is not replaced");
  sink_ = &sink;
  sink_keeps_bytes_ = false;
}

// The order is asyncio's (W-21): the protocol first, and what follows only if it left the buffer
// empty.
void WriteSide::after_progress(FlushCause cause) {
  if (nobody_waits()) {
    return;
  }
  check_resume();
  if (life_.alive() && empty()) {
    settle(cause);
  }
}

// What was put off until everything has gone.
void WriteSide::settle(FlushCause cause) {
  if (life_.draining()) {
    host_->drained(cause);
  } else if (half_ == HalfState::eof_pending) {
    shut_down();
  }
}

void WriteSide::check_pause() {
  if (life_.alive() && marks_.crossed_high(size())) {
    count(pauses_, &RareCounts::pause_wraps);
    const Callout outer = std::exchange(callout_, Callout::pausing);
    host_->call_pause_writing();
    callout_ = outer;
  }
}

void WriteSide::check_resume() {
  if (callout_ == Callout::none) {
    resume_check_ = ResumeCheck::none;
  }
  if (!life_.alive() || !paused() || size() > marks_.limits().low) {
    return;
  }
  if (callout_ != Callout::none) {
    host_->request_resume_check();
    resume_check_ = ResumeCheck::requested;
    return;
  }
  if (marks_.crossed_low(size())) {
    callout_ = Callout::resuming;
    host_->call_resume_writing();
    callout_ = Callout::none;
  }
}

void WriteSide::catch_up(bool told_paused) {
  if (!life_.alive() || told_paused == paused()) {
    return;
  }
  const Callout outer = std::exchange(callout_, paused() ? Callout::pausing : Callout::resuming);
  paused() ? host_->call_pause_writing() : host_->call_resume_writing();
  callout_ = outer;
}

void WriteSide::set_limits(std::optional<std::size_t> high, std::optional<std::size_t> low) {
  queue_.close_lane();
  marks_.set_limits(high, low);
  check_pause();
  check_resume();
}

void WriteSide::write_eof() {
  if (!life_.open() || half_ != HalfState::open) {
    return;
  }
  queue_.close_lane();
  half_ = HalfState::eof_pending;
  if (empty()) {
    shut_down();
  }
}

void WriteSide::shut_down() {
  half_ = HalfState::eof_sent;
  if (const std::error_code error = sink_->shutdown()) {
    fail(error);
  }
}

void WriteSide::fail(std::error_code error) {
  if (drop_rule_ == DropRule::count_failures) {
    count_towards_warning();
  }
  host_->write_failed(error);
}

void WriteSide::discard(std::error_code reason) noexcept {
  check(!life_.alive(), "bytes are discarded only when the transport is lost");
  std::shared_ptr<External> ranges = queue_.take_externals();
  peak_ = std::max(peak_, queue_.size());
  bytes_discarded_ += queue_.size();
  // What the sink still works on stays until it says that it is done.
  if (flow_ != FlowState::in_flight) {
    flow_ = FlowState::idle;
    static_cast<void>(queue_.clear());
  }
  lose_ranges(std::move(ranges), reason);
  queue_.release_owners();
}

void WriteSide::check_invariants() const noexcept {
  queue_.check_invariants();
  check(life_.alive() || size() == 0, "a lost transport buffers nothing");
  check((flow_ == FlowState::idle) == queue_.empty() || !life_.alive(),
        "idle means that the queue is empty");
  check((flow_ == FlowState::in_flight) == queue_.in_flight(), "in flight means submitted");
  check(queue_.lane_room() == 0 ||
            (life_.open() && half_ == HalfState::open && flow_ != FlowState::idle &&
             (size() + queue_.lane_room() <= marks_.limits().high ||
              (paused() && flow_ != FlowState::dirty))),
        "in the lane a write finds nothing to do but to append");
  check(half_ != HalfState::eof_sent || queue_.empty(), "nothing is queued behind the end of file");
}

}  // namespace sluice::core
