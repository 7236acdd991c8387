#pragma once

#include <algorithm>
#include <cstddef>

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
  [[nodiscard]] std::size_t size() const { return alive ? accepted - written : 0; }
  [[nodiscard]] bool must_throw() const { return open && eof_wanted; }

  void write(std::size_t count) { accepted += open && !eof_wanted ? count : 0; }
  void offer(std::size_t count, bool right_bytes) {
    require(alive, "nothing is offered after the loss");
    require(!eof_done, "nothing is offered after the end of file");
    require(flying == 0, "nothing is offered while bytes are in flight");
    require(count == accepted - written, "all that is queued is offered");
    require(right_bytes, "bytes go out in the order they came in, unchanged");
  }
  void take(std::size_t count, std::size_t of) {
    written += count;
    waiting = count < of;
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
    require(size() == 0, "the half-close comes after the last byte");
    eof_done = true;
  }
  void drained() {
    require(alive && !open, "only a draining transport is drained");
    require(size() == 0, "drained means that the last byte has gone");
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
    require(size() == 0 || waiting || flying > 0 || flush_requested,
            "bytes that are queued have somebody who will send them");
    require(!alive || open || size() > 0, "a transport that is drained is told so");
    require(!alive || !open || !eof_wanted || size() > 0 || eof_done,
            "the half-close is made when the buffer is empty");
    require((side.flow_state() == Flow::in_flight) == (flying > 0), "in flight is in flight");
    require(!alive || size() == 0 || (side.flow_state() == Flow::blocked) == (waiting && !flying),
            "blocked means that the sink is full");
    require(side.statistics().bytes_written == written, "every byte the sink took is counted");
    require(flying > 0 ||
                side.statistics().bytes_written + side.statistics().bytes_discarded + side.size() ==
                    accepted,
            "written + discarded + size == accepted");
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
