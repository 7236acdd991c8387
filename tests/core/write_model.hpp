#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>

#include "core/write_side.hpp"

namespace sluice::testing {

/// What must be true of every WriteSide, in words of its own: told what goes in, what the sink
/// answers and what is called, it names the first promise that was broken.
struct Model {
  std::size_t low;
  std::size_t high;
  std::size_t accepted = 0;  // bytes that write() took
  std::size_t written = 0;   // of these, what the sink took
  std::size_t flying = 0;    // of the rest, what the sink works on
  std::size_t peak = 0;      // the largest size seen at rest
  struct Range {
    std::size_t begin;  // the first byte that was not taken
    std::size_t end;
  };
  std::deque<Range> ranges;  // external ones, among the bytes that were accepted
  bool open = true;
  bool alive = true;
  bool eof_wanted = false;
  bool eof_done = false;
  bool paused = false;
  bool waiting = false;  // the sink said that it is full
  int callouts = 0;      // on the stack
  const char* broken = nullptr;

  void require(bool holds, const char* promise) {
    broken = holds || broken != nullptr ? broken : promise;
  }
  [[nodiscard]] std::size_t size() const { return alive ? in_memory() : 0; }
  [[nodiscard]] std::size_t in_memory() const { return accepted - written - in_ranges(); }
  [[nodiscard]] std::size_t in_ranges() const {
    std::size_t bytes = 0;
    for (const Range& range : ranges) {
      bytes += range.end - range.begin;
    }
    return bytes;
  }
  [[nodiscard]] bool waits() const { return alive && (size() > 0 || !ranges.empty()); }
  [[nodiscard]] bool range_is_next() const {
    return !ranges.empty() && ranges.front().begin == written;
  }
  [[nodiscard]] bool must_throw() const { return open && eof_wanted; }

  void write(std::size_t count) { accepted += open && !eof_wanted ? count : 0; }
  void offer(std::size_t count, bool right_bytes) {
    require(alive, "nothing is offered after the loss");
    require(!eof_done, "nothing is offered after the end of file");
    require(flying == 0, "nothing is offered while bytes are in flight");
    require(count == (ranges.empty() ? accepted : ranges.front().begin) - written,
            "all that is queued, up to the first range, is offered");
    require(right_bytes, "bytes go out in the order they came in, unchanged");
  }
  void take(std::size_t count, std::size_t of) {
    written += count;
    waiting = count < of;
  }
  void write_range(std::size_t count) {
    ranges.push_back({accepted, accepted + count});
    accepted += count;
  }
  void offer_range(std::size_t count) {
    require(alive, "nothing is offered after the loss");
    require(!eof_done, "nothing is offered after the end of file");
    require(flying == 0, "nothing is offered while bytes are in flight");
    require(range_is_next(), "a range is offered when the bytes before it have gone");
    require(range_is_next() && count == ranges.front().end - ranges.front().begin,
            "all that a range still has is offered");
  }
  // Into memory, or past it.
  void range_moved(std::size_t count) { ranges.front().begin += count; }
  void range_left(bool sent) {
    require(!sent || (range_is_next() && ranges.front().begin == ranges.front().end),
            "a range is sent when its last byte has gone");
    require(sent || !alive, "a range is lost with the transport");
    if (!sent) {
      accepted -= ranges.front().end - ranges.front().begin;
    }
    ranges.pop_front();
  }
  void pause() {
    require(alive, "no pause_writing after the loss");
    require(!paused, "pause_writing and resume_writing alternate");
    require(size() > high, "pause_writing only strictly above the high mark");
    paused = true;
  }
  void resume() {
    require(alive, "no resume_writing after the loss");
    require(paused, "resume_writing only after pause_writing");
    require(size() <= low, "resume_writing only at or below the low mark");
    require(callouts == 0, "resume_writing is never nested");
    paused = false;
  }
  void shutdown() {
    require(alive && open, "no half-close of a closing transport");
    require(eof_wanted && !eof_done, "one half-close for write_eof");
    require(!waits(), "the half-close comes after the last byte");
    eof_done = true;
  }
  void drained() {
    require(alive && !open, "only a draining transport is drained");
    require(!waits(), "drained means that the last byte has gone");
  }
  void lose() {
    require(alive, "lost at most once");
    alive = open = false;
  }

  /// What holds whenever nothing of the WriteSide is on the stack.
  void at_rest(const core::WriteSide& side, bool flush_requested, bool check_requested) {
    using Flow = core::WriteSide::FlowState;
    require(!alive || size() <= high || paused, "above the high mark means paused");
    require(!alive || !paused || size() > low || flush_requested || check_requested,
            "a resume that is owed is on its way");
    require(!waits() || waiting || flying > 0 || flush_requested,
            "what is queued has somebody who will send it");
    require(alive || ranges.empty(), "a lost transport keeps no range");
    require(!alive || open || waits(), "a transport that is drained is told so");
    require(!alive || !open || !eof_wanted || waits() || eof_done,
            "the half-close is made when the buffer is empty");
    require((side.flow_state() == Flow::in_flight) == (flying > 0), "in flight is in flight");
    require(!waits() || (side.flow_state() == Flow::blocked) == (waiting && !flying),
            "blocked means that the sink is full");
    require(side.statistics().bytes_written == written, "every byte the sink took is counted");
    require(side.statistics().bytes_written + side.statistics().bytes_discarded + side.size() +
                    in_ranges() ==
                accepted,
            "written + discarded + size == accepted, ranges as far as they were taken");
    peak = std::max(peak, size());
    require(side.statistics().peak_buffer_size >= peak, "the peak is the largest size there was");
    same(side);
    side.check_invariants();
  }
  /// What holds always, inside callouts too.
  void same(const core::WriteSide& side) {
    require(side.size() == size(), "the size is exact");
    require(!alive || side.paused() == paused, "paused is what was told");
    require(side.limits() == WriteBufferLimits{low, high}, "the limits are those that were set");
  }
};

}  // namespace sluice::testing
