// Fuzzes the write side: the input is a program of writes, flushes, sink answers and ends. Whatever
// it is, no byte is wrong, lost or doubled, pauses and resumes alternate, and the loss comes once.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <span>
#include <string>

#include "core/write_side.hpp"

namespace {

using namespace sluice;
using core::FlushCause;
using core::SinkResult;

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

std::byte stream_byte(std::uint64_t offset) {
  return static_cast<std::byte>((offset * 31 + (offset >> 8)) & 0xff);
}

class Program final : core::Sink, core::WriteSideHost {
 public:
  explicit Program(std::span<const std::uint8_t> input) : input_(input) {}

  void run() {
    while (!input_.empty()) {
      step();
      write_side_.check_invariants();
    }
    if (write_side_.flow_state() == core::WriteSide::FlowState::in_flight) {
      write_side_.complete(SinkResult::accepted(in_flight_));
    }
    lose();
    pool_.release_owners();
    const WriteStatistics& statistics = write_side_.statistics();
    require(statistics.bytes_written + statistics.bytes_discarded == accepted_);
    require(write_side_.size() == 0);
    require(losses_ == 1);
  }

 private:
  std::uint8_t next() {
    if (input_.empty()) {
      return 0;
    }
    const std::uint8_t byte = input_.front();
    input_ = input_.subspan(1);
    return byte;
  }
  std::size_t size() {
    static constexpr std::size_t sizes[] = {0,    1,     2,     100,   511,   512,  513,
                                            4000, 16287, 16288, 16289, 16384, 40000};
    return sizes[next() % std::size(sizes)];
  }
  std::string bytes(std::size_t count) {
    std::string text(count, '\0');
    for (std::size_t i = 0; i < count; ++i) {
      text[i] = static_cast<char>(stream_byte(accepted_ + i));
    }
    if (write_side_.life().open()) {
      accepted_ += count;
    }
    return text;
  }
  // What the owner does in its last moment is one more step, or none.
  Buffer owned(std::size_t count) {
    const std::shared_ptr<const std::string> text(new std::string(bytes(count)),
                                                  [this](const std::string* dead) {
                                                    delete dead;
                                                    react();
                                                  });
    return Buffer::share(text, as_bytes(*text));
  }
  [[nodiscard]] bool may_write() const {
    return !write_side_.life().open() ||
           write_side_.half_state() == core::WriteSide::HalfState::open;
  }

  void step() {
    ground_.timing = next() % 2 == 0 ? core::WriteTiming::at_once : core::WriteTiming::end_of_turn;
    switch (next() % 9) {
      case 0:
        if (may_write()) {
          write_side_.write(as_bytes(bytes(size())));
        }
        break;
      case 1:
        if (may_write()) {
          write_side_.write(owned(size()));
        }
        break;
      case 2:
        if (may_write()) {
          const Buffer whole = owned(size());
          const Buffer pieces[] = {whole.slice(0, whole.size() / 3), Buffer(),
                                   whole.slice(whole.size() / 3, whole.size())};
          write_side_.writelines(pieces);
        }
        break;
      case 3:
        ++ground_.polls;
        write_side_.flush(FlushCause::readiness);
        break;
      case 4:
        write_side_.flush(FlushCause::end_of_turn);
        pool_.release_owners();
        break;
      case 5: {
        const std::size_t high = size();
        write_side_.set_limits(high, std::min(high, size()));
        break;
      }
      case 6:
        if (write_side_.flow_state() == core::WriteSide::FlowState::in_flight) {
          const std::size_t count = std::min(in_flight_, size());
          check_sent(count);
          write_side_.complete(SinkResult::accepted(count));
        }
        break;
      case 7:
        write_side_.write_eof();
        break;
      default:
        end(next());
        break;
    }
  }

  void end(std::uint8_t how) {
    if (how % 8 == 0) {
      lose();
    } else if (how % 8 == 1 && write_side_.move_to(core::LifeState::draining) &&
               write_side_.empty()) {
      lose();
    }
  }
  void lose() {
    if (write_side_.move_to(core::LifeState::losing)) {
      ++losses_;
      write_side_.discard();
    }
  }

  // core::Sink
  SinkResult write(std::span<const Bytes> pieces) noexcept override {
    offered_.clear();
    for (const Bytes piece : pieces) {
      offered_.insert(offered_.end(), piece.begin(), piece.end());
    }
    switch (next() % 8) {
      case 0:
        return SinkResult::would_block();
      case 1:
        return next() % 16 == 0 ? SinkResult::failed(std::make_error_code(std::errc::io_error))
                                : SinkResult::would_block();
      case 2:
      case 3: {
        const std::size_t count = std::min(offered_.size(), size());
        check_sent(count);
        return SinkResult::accepted(count);
      }
      case 4:
        if (keeps_bytes()) {
          in_flight_ = offered_.size();
          return SinkResult::in_flight();
        }
        [[fallthrough]];
      default: {
        const std::size_t all = offered_.size();
        check_sent(all);
        return SinkResult::accepted(all);
      }
    }
  }
  [[nodiscard]] bool keeps_bytes() const noexcept override { return (input_size_ & 1) != 0; }
  std::error_code shutdown() noexcept override {
    require(write_side_.empty());
    return {};
  }
  void check_sent(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      require(offered_[i] == stream_byte(sent_ + i));
    }
    sent_ += count;
    offered_.erase(offered_.begin(), offered_.begin() + static_cast<std::ptrdiff_t>(count));
    in_flight_ -= std::min(in_flight_, count);
  }

  // core::WriteSideHost
  void call_pause_writing() noexcept override {
    require(!paused_);
    paused_ = true;
    react();
  }
  void call_resume_writing() noexcept override {
    require(paused_);
    paused_ = false;
    react();
  }
  // What a protocol does from inside a callback, and an owner at its end; bounded, or the input
  // would decide the depth of the stack.
  void react() {
    if (depth_ < 3) {
      ++depth_;
      if (next() % 2 == 0) {
        step();
      }
      --depth_;
    }
  }
  void request_flush() noexcept override {}
  void request_resume_check() override {}
  void write_failed(std::error_code /*error*/) override { lose(); }
  void drained(FlushCause /*cause*/) override { lose(); }
  void warn_dropped(std::uint64_t /*count*/) override {}

  std::span<const std::uint8_t> input_;
  std::size_t input_size_ = input_.size();
  core::SegmentPool pool_;
  core::CommonGround ground_{pool_};
  core::WriteSide write_side_{{ground_, *this, *this, core::DropRule::count_every_loss}};
  std::deque<std::byte> offered_;
  std::uint64_t accepted_ = 0;
  std::uint64_t sent_ = 0;
  std::size_t in_flight_ = 0;
  int losses_ = 0;
  int depth_ = 0;
  bool paused_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Program(std::span(data, size)).run();
  return 0;
}
