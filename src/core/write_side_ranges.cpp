// WriteSide: external ranges, such as files, among the bytes.
#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/check.hpp"
#include "core/write_side.hpp"

namespace sluice::core {

void WriteSide::write_external(std::shared_ptr<External> range, const char* call) {
  check(life_.open(), "ranges are given to open transports only");
  if (half_ != HalfState::open) {
    throw std::logic_error(std::string("Cannot call ") + call + " after write_eof()");
  }
  queue_.append_external(std::move(range));
  if (flow_ == FlowState::idle) {
    flow_ = FlowState::dirty;
    host_->request_flush();
  }
}

bool WriteSide::remove_external(const External& range) {
  if (range.moved() > 0 || queue_.remove_external(range) == nullptr) {
    return false;
  }
  if (queue_.empty()) {
    flow_ = FlowState::idle;
    if (life_.alive() && empty()) {
      settle(FlushCause::end_of_turn);
    }
  }
  return true;
}

// Sends bytes and ranges in turn until the sink is full or it is the turn of others. Whether there
// was progress, and the transport is not lost.
bool WriteSide::push_ranges() {
  std::size_t budget = external_burst_bytes;
  bool progress = false;
  for (int attempt = 0; attempt < external_burst_attempts && budget > 0; ++attempt) {
    bool went = false;
    if (queue_.next_external() != nullptr) {
      went = push_range(budget);
    } else {
      std::size_t offered = 0;
      const SinkResult result = offer_front({}, offered);
      went = take_result(result, offered) && result.progressed();
    }
    progress = progress || went;
    if (!went || flow_ != FlowState::dirty) {
      break;
    }
  }
  return progress && life_.alive();
}

// One attempt on the range at the front. Whether there was progress; the transport is not lost
// then.
bool WriteSide::push_range(std::size_t& budget) {
  External& range = *queue_.next_external();
  if (range.remaining() == 0) {
    return range_ended(ExternalEnd::sent, {});
  }
  if (range.way_ == External::Way::through_memory) {
    return fetch_range();
  }
  const ExternalResult result = sink_->write_external(
      range, static_cast<std::size_t>(std::min<std::uint64_t>(budget, range.remaining())));
  if (result.kind == ExternalResult::Kind::unsupported) {
    range.way_ = External::Way::through_memory;
    return fetch_range();
  }
  ++send_calls_;
  tried_after_poll_ = ground_->polls;
  switch (result.kind) {
    case ExternalResult::Kind::moved:
      bytes_written_ += result.count;
      budget -= result.count;
      range.advance(result.count);
      if (range.remaining() == 0) {
        return range_ended(ExternalEnd::sent, {});
      }
      move_on();
      return true;
    case ExternalResult::Kind::would_block:
      count(would_blocks_, &RareCounts::would_block_wraps);
      flow_ = FlowState::blocked;
      return false;
    case ExternalResult::Kind::sink_failed:
      fail(result.error);
      return false;
    default:
      return range_ended(
          result.kind == ExternalResult::Kind::ended ? ExternalEnd::sent : ExternalEnd::unreadable,
          result.error);
  }
}

// Brings the next block of the range at the front into the queue, as if it had been written.
bool WriteSide::fetch_range() {
  ExternalResult result{};
  try {
    result = queue_.fetch_external();
  } catch (const std::bad_alloc&) {
    fail(std::make_error_code(std::errc::not_enough_memory));
    return false;
  }
  if (result.kind != ExternalResult::Kind::moved) {
    return range_ended(
        result.kind == ExternalResult::Kind::ended ? ExternalEnd::sent : ExternalEnd::unreadable,
        result.error);
  }
  move_on();
  note_growth();
  return life_.alive();
}

// The range at the front is over. One that could not be read leaves a hole in the stream, which is
// worse than no stream.
bool WriteSide::range_ended(ExternalEnd end, std::error_code error) {
  const std::shared_ptr<External> range = queue_.remove_external(*queue_.next_external());
  move_on();
  if (end == ExternalEnd::unreadable) {
    bytes_discarded_ += range->held();
    fail(error);
  }
  range->left(end, error);
  return life_.alive();
}

// Something has gone, and the sink has not said that it is full.
void WriteSide::move_on() {
  flow_ = queue_.empty() ? FlowState::idle : FlowState::dirty;
  if (flow_ == FlowState::dirty) {
    host_->request_flush();
  }
}

void WriteSide::lose_ranges(std::shared_ptr<External> ranges, std::error_code reason) noexcept {
  while (ranges != nullptr) {
    const std::shared_ptr<External> range = WriteQueue::pop(ranges);
    bytes_discarded_ += range->held();
    range->left(ExternalEnd::lost, reason);
  }
}

void WriteSide::drop() noexcept {
  for (std::shared_ptr<External> chain = queue_.take_externals(); chain != nullptr;) {
    WriteQueue::pop(chain);
  }
  discard();
}

}  // namespace sluice::core
