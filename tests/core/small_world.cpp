#include "core/small_world.hpp"

#include <array>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "core/test_bytes.hpp"

namespace sluice::testing {
namespace {

using Kind = Step::Kind;

// The bytes of every sequence, from the first on.
const std::string& stream() {
  static const std::string bytes = pattern(0, 256 * 1024);
  return bytes;
}

std::string amount(std::size_t count) {
  return count == everything ? "everything" : std::to_string(count);
}

}  // namespace

std::string Step::text() const {
  switch (kind) {
    case Kind::nothing:
      return "nothing";
    case Kind::write:
      return "write(" + amount(count) + " borrowed bytes)";
    case Kind::write_buffer:
      return "write(Buffer of " + amount(count) + ")";
    case Kind::writelines:
      return "writelines(1, 0, " + amount(count - 1) + ")";
    case Kind::write_eof:
      return "write_eof()";
    case Kind::close:
      return "close()";
    case Kind::abort:
      return "abort()";
    case Kind::set_limits:
      return "set_limits(high " + amount(count) + ", low " + amount(low) + ")";
    case Kind::ready:
      return "ready, room for " + amount(count) + " more";
    case Kind::end_turn:
      return "the turn ends";
    case Kind::leave_turn:
      return "the turn ends, no other begins";
    case Kind::fail_next:
      return "the next attempt will fail";
    case Kind::fly_next:
      return "the next attempt will be in flight";
    case Kind::complete:
      return "completed: " + amount(count);
    case Kind::complete_full:
      return "completed: the sink is full";
    case Kind::complete_failed:
      return "completed: failed";
    case Kind::write_range:
      return "write_external(range of " + amount(count) + ")";
    case Kind::remove_range:
      return "the last range is taken out";
    case Kind::fail_range:
      return "the next attempt to read a range will fail";
  }
  return "?";
}

std::string Setting::text() const {
  return std::string(timing == core::WriteTiming::at_once ? "at once" : "end of turn") +
         (sink_keeps_bytes ? ", sink keeps bytes" : "") +
         (sink_reaches_ranges ? ", sink reaches ranges" : "") + ", room " + amount(room) +
         ", high " + amount(high) + ", low " + amount(low) +
         "\n  in pause_writing: " + inside_pause.text() +
         "\n  in resume_writing: " + inside_resume.text() +
         "\n  at the end of an owner: " + inside_release.text();
}

// A range of the stream, as the model knows it.
class World::Range final : public core::External {
 public:
  Range(World& world, std::size_t count) : External(count), world_(&world) {}

  core::ExternalResult read(std::span<std::byte> memory) noexcept override {
    const core::ExternalResult answer = world_->range_answer();
    if (answer.kind == core::ExternalResult::Kind::moved) {
      world_->model_.offer_range(memory.size());
      std::memcpy(memory.data(), stream().data() + world_->model_.written, memory.size());
      world_->model_.range_moved(memory.size());
      return core::ExternalResult::moved(memory.size());
    }
    return answer;
  }
  void left(core::ExternalEnd end, std::error_code /*error*/) noexcept override {
    ++times_left;
    world_->model_.require(times_left == 1, "a range is told once that it left");
    world_->model_.range_left(end == core::ExternalEnd::sent);
    world_->ranges_.pop_front();
  }

  int times_left = 0;

 private:
  World* world_;
};

World::World(core::SegmentPool& pool, const Setting& setting)
    : setting_(&setting),
      model_{.low = setting.low, .high = setting.high},
      ground_{pool, setting.timing},
      side_({ground_, *this, *this, core::DropRule::count_every_loss}),
      room_(setting.room) {
  side_.set_limits(setting.high, setting.low);
}

World::~World() {
  if (side_.life().alive()) {
    lose();
  }
  if (model_.flying > 0) {
    complete(core::SinkResult::accepted(0));
  }
  ground_.pool.release_owners();
}

std::size_t World::expected_offers(const Step& step) const {
  const bool queued = model_.size() > 0;
  const bool busy = model_.flying > 0;
  switch (step.kind) {
    case Kind::write:
    case Kind::write_buffer:
    case Kind::writelines:
      if (!model_.open || model_.eof_wanted || busy) {
        return 0;
      }
      if (ground_.timing == core::WriteTiming::at_once) {
        return !queued || (step.kind == Kind::writelines && model_.waiting) ? 1 : 0;
      }
      if (queued && model_.waiting) {
        return 0;
      }
      return model_.size() + step.count > model_.high ||
                     (step.kind == Kind::write && !setting_->sink_keeps_bytes &&
                      step.count >= core::WriteSide::direct_send_bytes)
                 ? 1
                 : 0;
    case Kind::ready:
      return queued && model_.waiting && !busy ? 1 : 0;
    case Kind::end_turn:
    case Kind::leave_turn:
      return queued && flush_requested_ && !model_.waiting && !busy ? 1 : 0;
    default:
      return 0;
  }
}

void World::run(const Step& step) {
  switch (step.kind) {
    case Kind::ready:
      room_ = step.count == everything ? everything : room_ + step.count;
      ++ground_.polls;
      side_.flush(core::FlushCause::readiness);
      break;
    case Kind::end_turn:
      end_turn();
      break;
    case Kind::leave_turn:
      end_turn();
      ground_.timing = core::WriteTiming::at_once;
      break;
    case Kind::fail_next:
      fail_next_ = true;
      break;
    case Kind::fly_next:
      fly_next_ = true;
      break;
    case Kind::complete:
      complete(core::SinkResult::accepted(std::min(step.count, model_.flying)));
      break;
    case Kind::complete_full:
      complete(core::SinkResult::would_block());
      break;
    case Kind::complete_failed:
      complete(core::SinkResult::failed(std::make_error_code(std::errc::io_error)));
      break;
    case Kind::write_range:
    case Kind::remove_range:
    case Kind::fail_range:
      act_on_ranges(step);
      break;
    default:
      act(step);
  }
  model_.at_rest(side_, flush_requested_, check_requested_);
}

// What a user can do, inside callouts too.
void World::act(const Step& step) {
  switch (step.kind) {
    case Kind::write:
    case Kind::write_buffer:
    case Kind::writelines:
      give(step);
      break;
    case Kind::write_eof:
      model_.eof_wanted = model_.eof_wanted || model_.open;
      side_.write_eof();
      break;
    case Kind::close:
      if (side_.move_to(core::LifeState::draining)) {
        model_.open = false;
        if (side_.empty()) {
          lose();
        }
      }
      break;
    case Kind::abort:
      if (side_.life().alive()) {
        lose();
      }
      break;
    case Kind::set_limits:
      model_.low = step.low;
      model_.high = step.count;
      side_.set_limits(step.count, step.low);
      break;
    default:
      break;
  }
}

void World::act_on_ranges(const Step& step) {
  if (step.kind == Kind::fail_range) {
    fail_range_ = true;
  } else if (step.kind == Kind::write_range && side_.life().open() && !model_.eof_wanted) {
    ranges_.push_back(std::make_shared<Range>(*this, step.count));
    model_.write_range(step.count);
    side_.write_external(ranges_.back(), "sendfile()");
  } else if (step.kind == Kind::remove_range && !ranges_.empty()) {
    // The stream has no gaps: only what nothing was written behind is taken out.
    const Model::Range last = model_.ranges.back();
    const std::shared_ptr<Range> range = ranges_.back();
    if (last.end == model_.accepted && range->moved() == 0) {
      model_.accepted = last.begin;
      model_.ranges.pop_back();
      ranges_.pop_back();
      model_.require(side_.remove_external(*range), "what has not begun can be taken out");
      // With nothing left to send, nobody remembers that the sink was full: it is asked again.
      model_.waiting = model_.waiting && model_.waits();
    } else if (range->moved() > 0) {
      model_.require(!side_.remove_external(*range), "what has begun stays");
    }
  }
}

void World::give(const Step& step) {
  static std::array<char, 32 * 1024> borrowed;
  const std::string_view bytes = std::string_view(stream()).substr(model_.accepted, step.count);
  const bool must_throw = model_.must_throw();
  dropped_ += model_.open ? 0 : bytes.size();
  model_.write(step.count);
  bool threw = false;
  try {
    if (step.kind == Kind::write_buffer) {
      side_.write(owned(bytes));
    } else {
      std::memcpy(borrowed.data(), bytes.data(), bytes.size());
      const Bytes mine = as_bytes({borrowed.data(), bytes.size()});
      if (step.kind == Kind::write) {
        side_.write(mine);
      } else {
        const std::array pieces{mine.first(1), Bytes(), mine.subspan(1)};
        side_.writelines(std::span<const Bytes>(pieces));
      }
      // The caller may do with its memory what it likes.
      std::memset(borrowed.data(), '~', bytes.size());
    }
  } catch (const std::logic_error&) {
    threw = true;
  }
  model_.require(threw == must_throw,
                 "a write throws after write_eof, and only on an open transport");
  model_.require(side_.statistics().bytes_dropped == dropped_, "every dropped byte is counted");
}

Buffer World::owned(std::string_view bytes) {
  if (setting_->inside_release.kind == Kind::nothing) {
    return Buffer::from_static(bytes);
  }
  return Buffer::share(
      std::shared_ptr<const void>(bytes.data(), [this](const void* /*bytes*/) { owner_ended(); }),
      as_bytes(bytes));
}

// Not a callout of the write side: a resume_writing may come from in here.
void World::owner_ended() {
  constexpr int owners_that_act = 3;
  model_.same(side_);
  if (owners_that_acted_ < owners_that_act) {
    ++owners_that_acted_;
    act(setting_->inside_release);
    model_.same(side_);
  }
}

void World::inside(const Step& step) {
  model_.same(side_);
  ++model_.callouts;
  act(step);
  --model_.callouts;
  model_.same(side_);
}

void World::end_turn() {
  if (std::exchange(flush_requested_, false)) {
    side_.flush(core::FlushCause::end_of_turn);
  }
  if (std::exchange(check_requested_, false)) {
    side_.check_resume();
  }
  ground_.pool.release_owners();
}

void World::complete(core::SinkResult result) {
  if (model_.flying == 0) {
    return;
  }
  model_.take(result.count, result.count);
  model_.waiting = result.kind == core::SinkResult::Kind::would_block;
  model_.flying = 0;
  side_.complete(result);
}

void World::lose() {
  model_.lose();
  model_.require(side_.move_to(core::LifeState::losing), "the lifecycle allows one loss");
  side_.discard();
}

void World::finish() {
  fail_next_ = false;
  fly_next_ = false;
  // Each round may bring a resume_writing that writes again; the protocols here end by the third.
  for (int round = 0; round < 4; ++round) {
    run({Kind::complete, everything});
    run({Kind::ready, everything});
    run({Kind::end_turn});
  }
  model_.require(!model_.waits(), "everything goes out in the end");
  model_.require(!model_.alive || !model_.paused, "who was paused is resumed in the end");
}

core::SinkResult World::write(std::span<const Bytes> pieces) noexcept {
  ++offers_;
  std::size_t offered = 0;
  bool right = pieces.size() <= core::Sink::max_pieces;
  for (const Bytes piece : pieces) {
    const std::size_t at = model_.written + offered;
    right = right && !piece.empty() && at + piece.size() <= stream().size() &&
            std::memcmp(piece.data(), stream().data() + at, piece.size()) == 0;
    offered += piece.size();
  }
  model_.offer(offered, right);
  if (std::exchange(fail_next_, false)) {
    return core::SinkResult::failed(std::make_error_code(std::errc::broken_pipe));
  }
  if (std::exchange(fly_next_, false)) {
    model_.flying = offered;
    return core::SinkResult::in_flight();
  }
  if (room_ == 0) {
    model_.waiting = true;
    return core::SinkResult::would_block();
  }
  const std::size_t taken = std::min(room_, offered);
  room_ -= room_ == everything ? 0 : taken;
  model_.take(taken, offered);
  return core::SinkResult::accepted(taken);
}

// What the first range says to an attempt to read it; moved if there is nothing in the way.
core::ExternalResult World::range_answer() {
  if (std::exchange(fail_range_, false)) {
    return core::ExternalResult::source_failed(std::make_error_code(std::errc::io_error));
  }
  return core::ExternalResult::moved(0);
}

core::ExternalResult World::write_external(core::External& range, std::size_t most) noexcept {
  model_.require(&range == ranges_.front().get(), "the first range is offered first");
  model_.offer_range(most);
  if (!setting_->sink_reaches_ranges) {
    return core::ExternalResult::unsupported();
  }
  const core::ExternalResult answer = range_answer();
  if (answer.kind != core::ExternalResult::Kind::moved) {
    return answer;
  }
  if (std::exchange(fail_next_, false)) {
    return core::ExternalResult::sink_failed(std::make_error_code(std::errc::broken_pipe));
  }
  if (room_ == 0) {
    model_.waiting = true;
    return core::ExternalResult::would_block();
  }
  const std::size_t taken = std::min(room_, most);
  room_ -= room_ == everything ? 0 : taken;
  model_.range_moved(taken);
  model_.written += taken;
  model_.waiting = false;
  return core::ExternalResult::moved(taken);
}

std::error_code World::shutdown() noexcept {
  model_.shutdown();
  return {};
}

void World::call_pause_writing() noexcept {
  model_.pause();
  inside(setting_->inside_pause);
}

void World::call_resume_writing() noexcept {
  model_.resume();
  inside(setting_->inside_resume);
}

void World::request_flush() noexcept {
  model_.require(model_.alive, "a lost transport asks for no flush");
  flush_requested_ = true;
}

void World::request_resume_check() {
  model_.require(model_.alive, "a lost transport asks for no resume check");
  check_requested_ = true;
}

void World::write_failed(std::error_code /*error*/) {
  lose();
}

void World::drained(core::FlushCause /*cause*/) {
  model_.drained();
  lose();
}

void World::warn_dropped(std::uint64_t count) {
  model_.require(count > core::WriteSide::drop_warning_threshold - 1 && !model_.open,
                 "only a fifth drop after the loss is warned about");
}

}  // namespace sluice::testing
