#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/fake_range.hpp"
#include "core/test_bytes.hpp"
#include "core/write_side.hpp"

namespace sluice::testing {

/// The smallest transport there can be around a WriteSide: a sink that the test commands, the rules
/// of losing, and a log of everything that was called.
class FakeTransport : private core::Sink, private core::WriteSideHost {
 public:
  static constexpr std::size_t no_limit = static_cast<std::size_t>(-1);

  explicit FakeTransport(core::WriteTiming when = core::WriteTiming::end_of_turn,
                         core::DropRule rule = core::DropRule::count_every_loss, bool keeps = false)
      : keeps_(keeps), side({ground, *this, *this, rule}) {
    ground.timing = when;
  }
  ~FakeTransport() override {
    abort();
    pool.release_owners();
  }

  // ---- What the transport's user does ----

  void write(std::string_view text) { side.write(as_bytes(text)); }
  void write(std::size_t count) {
    write(pattern(given_, count));
    given_ += count;
  }
  void write_buffer(std::size_t count) {
    side.write(Buffer::copy_of(pattern(given_, count)));
    given_ += count;
  }
  /// A range that continues what was given; the sink reaches its bytes only if `reaches_ranges`.
  std::shared_ptr<FakeRange> write_range(std::size_t count) {
    auto range = std::make_shared<FakeRange>(pattern(given_, count));
    given_ += count;
    side.write_external(range, "sendfile()");
    return range;
  }
  void close() {
    if (side.move_to(core::LifeState::draining) && side.empty()) {
      lose({});
    }
  }
  void abort() { lose({}); }

  // ---- What the loop does ----

  /// The end of a turn: what was requested is done.
  void end_turn() {
    if (std::exchange(flush_requested, false)) {
      side.flush(core::FlushCause::end_of_turn);
    }
    if (std::exchange(resume_check_requested, false)) {
      side.check_resume();
    }
    pool.release_owners();
  }
  /// The sink is ready again, as a new poll has found out.
  void ready() {
    ++ground.polls;
    late_ready();
  }
  /// The sink was ready when the last poll asked.
  void late_ready() { side.flush(core::FlushCause::readiness); }
  void ready(std::size_t room_now) {
    room = room_now;
    ready();
  }
  /// All that was given so far, as it must come out.
  [[nodiscard]] std::string given() const { return pattern(0, given_); }
  void clear_log() { log.clear(); }
  [[nodiscard]] std::vector<std::string> take_log() { return std::exchange(log, {}); }

  core::SegmentPool pool;
  core::CommonGround ground{pool};
  /// The answers to the next offers; then `room` counts.
  std::deque<core::SinkResult> script;
  std::deque<core::ExternalResult> range_script;
  bool reaches_ranges = true;
  std::size_t room = no_limit;
  std::error_code shutdown_error;
  std::function<void()> on_pause = [] {};
  std::function<void()> on_resume = [] {};
  std::string out;
  std::vector<std::string> log;
  std::vector<std::size_t> offered_pieces;
  const std::byte* last_offered = nullptr;
  bool flush_requested = false;
  bool resume_check_requested = false;
  std::error_code lost_with;
  std::size_t losses = 0;

 private:
  std::size_t given_ = 0;
  bool keeps_;

 public:
  core::WriteSide side;

 private:
  void lose(std::error_code error) {
    if (side.move_to(core::LifeState::losing)) {
      ++losses;
      lost_with = error;
      side.discard(error);
    }
  }

  // Sink
  core::SinkResult write(std::span<const Bytes> pieces) noexcept override {
    std::string offered = joined(pieces);
    offered_pieces.push_back(pieces.size());
    last_offered = pieces.front().data();
    core::SinkResult result = core::SinkResult::would_block();
    if (!script.empty()) {
      result = script.front();
      script.pop_front();
    } else if (room > 0) {
      result = core::SinkResult::accepted(std::min(room, offered.size()));
    }
    log.push_back("send " + std::to_string(offered.size()));
    if (result.kind == core::SinkResult::Kind::accepted) {
      out += offered.substr(0, result.count);
      room -= room == no_limit ? 0 : std::min(room, result.count);
    }
    return result;
  }
  core::ExternalResult write_external(core::External& range, std::size_t most) noexcept override {
    if (!reaches_ranges) {
      return core::ExternalResult::unsupported();
    }
    log.push_back("range " + std::to_string(most));
    if (!range_script.empty()) {
      const core::ExternalResult result = range_script.front();
      range_script.pop_front();
      take_of(range, result.count);
      return result;
    }
    const std::size_t there = dynamic_cast<FakeRange&>(range).left_of_it().size();
    const std::size_t count = std::min({room, most, there});
    take_of(range, count);
    room -= room == no_limit ? 0 : count;
    return count > 0    ? core::ExternalResult::moved(count)
           : there == 0 ? core::ExternalResult::ended()
                        : core::ExternalResult::would_block();
  }
  void take_of(const core::External& range, std::size_t count) {
    out += dynamic_cast<const FakeRange&>(range).left_of_it().substr(0, count);
  }
  [[nodiscard]] bool keeps_bytes() const noexcept override { return keeps_; }
  std::error_code shutdown() noexcept override {
    log.emplace_back("shutdown");
    return shutdown_error;
  }

  // WriteSideHost
  void call_pause_writing() noexcept override {
    log.emplace_back("PW");
    on_pause();
  }
  void call_resume_writing() noexcept override {
    log.emplace_back("RW");
    on_resume();
  }
  void request_flush() noexcept override { flush_requested = true; }
  void request_resume_check() override { resume_check_requested = true; }
  void write_failed(std::error_code error) override {
    log.emplace_back("failed");
    lose(error);
  }
  void drained(core::FlushCause cause) override {
    log.emplace_back(cause == core::FlushCause::readiness ? "drained now" : "drained soon");
    lose({});
  }
  void warn_dropped(std::uint64_t count) override {
    log.push_back("warn " + std::to_string(count));
  }
};

}  // namespace sluice::testing
