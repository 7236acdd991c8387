#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/external.hpp"
#include "core/write_model.hpp"
#include "core/write_side.hpp"

namespace sluice::testing {

/// One step of a sequence.
struct Step {
  enum class Kind : std::uint8_t {
    nothing,
    write,  // borrowed bytes
    write_buffer,
    writelines,  // one byte, none, the rest
    write_eof,
    close,
    abort,
    set_limits,  // high, low
    ready,       // so much more room, then readiness
    end_turn,
    leave_turn,     // the turn ends; from now on writes are sent at once
    fail_next,      // the next offer fails
    fly_next,       // the next offer goes in flight
    complete,       // so many of the bytes in flight are gone
    complete_full,  // none are; the sink is full
    complete_failed,
    write_range,   // an external one
    remove_range,  // the last one, by the user
    fail_range,    // the next attempt to read one fails
  };
  Kind kind = Kind::nothing;
  std::size_t count = 0;
  std::size_t low = 0;

  [[nodiscard]] std::string text() const;
};

/// How a world begins.
struct Setting {
  core::WriteTiming timing = core::WriteTiming::at_once;
  bool sink_keeps_bytes = false;
  bool with_ranges = false;
  bool sink_reaches_ranges = false;
  std::size_t room = 0;
  std::size_t low = 0;
  std::size_t high = 0;
  Step inside_pause;  // what the protocol does there, every time
  Step inside_resume;
  Step inside_release;  // what the owner of a Buffer does in its last moment, at most three times

  [[nodiscard]] std::string text() const;
};

inline constexpr std::size_t everything = static_cast<std::size_t>(-1);

/// A transport around one WriteSide, run step by step beside a Model.
class World : private core::Sink, private core::WriteSideHost {
 public:
  World(core::SegmentPool& pool, const Setting& setting);
  ~World() override;

  void run(const Step& step);
  /// Gives the sink all the room and time there is: whatever happened before must come to its end.
  void finish();
  /// The first promise that was broken, or null.
  [[nodiscard]] const char* broken() const { return model_.broken; }
  /// Attempts to send so far.
  [[nodiscard]] std::size_t offers() const { return offers_; }
  /// How many attempts this step has to make, in a world without actions inside callouts.
  [[nodiscard]] std::size_t expected_offers(const Step& step) const;

 private:
  class Range;

  void act(const Step& step);
  void act_on_ranges(const Step& step);
  void give(const Step& step);
  [[nodiscard]] Buffer owned(std::string_view bytes);
  void owner_ended();
  void inside(const Step& step);
  void end_turn();
  void complete(core::SinkResult result);
  void lose();

  core::SinkResult write(std::span<const Bytes> pieces) noexcept override;
  core::ExternalResult write_external(core::External& range, std::size_t most) noexcept override;
  [[nodiscard]] core::ExternalResult range_answer();
  [[nodiscard]] bool keeps_bytes() const noexcept override { return setting_->sink_keeps_bytes; }
  std::error_code shutdown() noexcept override;
  void call_pause_writing() noexcept override;
  void call_resume_writing() noexcept override;
  void request_flush() noexcept override;
  void request_resume_check() override;
  void write_failed(std::error_code error) override;
  void drained(core::FlushCause cause) override;
  void warn_dropped(std::uint64_t count) override;

  const Setting* setting_;
  Model model_;
  core::CommonGround ground_;
  core::WriteSide side_;
  std::size_t room_;
  std::size_t offers_ = 0;
  std::size_t dropped_ = 0;
  int owners_that_acted_ = 0;
  bool fail_next_ = false;
  bool fly_next_ = false;
  bool fail_range_ = false;
  std::deque<std::shared_ptr<Range>> ranges_;
  bool flush_requested_ = false;
  bool check_requested_ = false;
};

}  // namespace sluice::testing
