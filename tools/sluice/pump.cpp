#include "pump.hpp"

#include <algorithm>
#include <utility>

#include "errors.hpp"

namespace sluice::cli {

namespace {

// The largest overshoot above the high mark, and the time a read of a file may take, depend on it.
constexpr std::size_t largest_block = std::size_t{64} * 1024;
constexpr std::size_t smallest_block = std::size_t{4} * 1024;

// Who asks for a small buffer does not want it overshot by a large block.
std::size_t block_size_for(BufferMarks marks) {
  const std::size_t high = marks.high.value_or(largest_block);
  return std::clamp(high, smallest_block, largest_block);
}

}  // namespace

Pump::Pump(EventLoop& loop, const PumpOptions& options, std::function<void()> on_done)
    : loop_(loop),
      on_done_(std::move(on_done)),
      source_(make_source(loop, options.source, *this)),
      block_size_(block_size_for(options.how.marks)),
      rate_(options.rate),
      sends_file_(false),
      not_ready_(options.sinks.size() + 1),
      sinks_to_close_(options.sinks.size()) {
  for (const Endpoint& endpoint : options.sinks) {
    sinks_.push_back(make_sink(loop, endpoint, options.how, *this));
  }
  refuse_same_file();
  sends_file_ = can_send_file(options.how.marks);
}

// Who asks for a rate or for marks asks for bytes that pass through a buffer. A file without a size
// may be one that only read(2) can tell.
bool Pump::can_send_file(BufferMarks marks) const {
  return source_->file() && source_->size().value_or(0) > 0 && sinks_.size() == 1 &&
         sinks_.front()->takes_files() && !rate_ && !marks.high && !marks.low;
}

std::vector<std::string> Pump::awaited() const {
  std::vector<std::string> all{source_->awaited()};
  for (const auto& sink : sinks_) {
    all.push_back(sink->awaited());
  }
  std::erase(all, std::string());
  return all;
}

void Pump::refuse_same_file() const {
  for (const auto& sink : sinks_) {
    if (source_->file() && source_->file() == sink->file()) {
      throw RunError("cannot write to " + sink->endpoint().name +
                     ": it is the file that is read, and would never end");
    }
  }
}

void Pump::start() {
  source_->open();
  for (const auto& sink : sinks_) {
    sink->open();
  }
}

void Pump::interrupt() {
  if (phase_ != Phase::stopping && phase_ != Phase::done) {
    stop(Outcome::interrupted, {});
  }
}

void Pump::break_off(const std::string& error) {
  if (phase_ != Phase::stopping && phase_ != Phase::done) {
    stop(Outcome::broken, error);
  }
}

void Pump::source_ready() {
  one_more_is_ready();
}

void Pump::sink_ready(Sink& /*sink*/) {
  one_more_is_ready();
}

void Pump::one_more_is_ready() {
  --not_ready_;
  if (not_ready_ > 0 || phase_ != Phase::opening) {
    return;
  }
  phase_ = Phase::copying;
  started_ = loop_.time();
  if (rate_) {
    limiter_.emplace(*rate_, block_size_, *started_);
  }
  if (source_is_done_) {
    drain();
  } else {
    update_flow();
  }
}

std::size_t Pump::read_limit() {
  return limiter_ ? std::min(block_size_, limiter_->portion()) : block_size_;
}

void Pump::source_block(const Buffer& block) {
  ++reads_;
  bytes_read_ += block.size();
  if (limiter_) {
    held_.push_back(block);
    pace();
  } else {
    forward(block);
  }
}

void Pump::forward(const Buffer& block) {
  for (const auto& sink : sinks_) {
    sink->write(block);
  }
}

Future<std::uint64_t> Pump::source_file(const std::shared_ptr<const Fd>& file,
                                        std::uint64_t offset) {
  return sinks_.front()->send_file(file, offset);
}

std::uint64_t Pump::bytes_read() const {
  return sends_file_ ? std::max(bytes_read_, sinks_.front()->statistics().bytes_written)
                     : bytes_read_;
}

// Passes on what the rate allows. A pipe gives more than a portion at once; the source is not read
// again before all of it has gone on.
void Pump::pace() {
  rate_timer_.reset();
  while (phase_ == Phase::copying && !rate_timer_) {
    const auto delay = limiter_->delay(loop_.time());
    if (delay.count() > 0) {
      rate_timer_ = loop_.call_later(delay, [this] { pace(); });
    } else if (held_.empty() || any_sink_paused()) {
      break;
    } else {
      const Buffer block = std::move(held_.front());
      held_.pop_front();
      const std::size_t size = std::min(block.size(), limiter_->portion());
      if (size < block.size()) {
        held_.push_front(block.slice(size, block.size() - size));
      }
      limiter_->take(size, loop_.time());
      forward(block.slice(0, size));
    }
  }
  update_flow();
}

// The source has ended by a failure: what it gave before goes out, at any rate.
void Pump::forward_all() {
  for (const Buffer& block : std::exchange(held_, {})) {
    forward(block);
  }
}

void Pump::sink_paused(Sink& /*sink*/) {
  update_flow();
}

void Pump::sink_resumed(Sink& /*sink*/) {
  // Not from here: it may come from inside a write.
  if (!held_.empty() && !rate_timer_) {
    rate_timer_ = loop_.call_later({}, [this] { pace(); });
  }
  update_flow();
}

void Pump::update_flow() {
  const bool paused = phase_ == Phase::copying && any_sink_paused();
  if (paused && !paused_since_) {
    ++pauses_;
    paused_since_ = loop_.time();
  } else if (!paused && paused_since_) {
    time_paused_ = time_paused();
    paused_since_.reset();
  }
  if (phase_ != Phase::copying) {
    return;
  }
  if (paused || rate_timer_ || !held_.empty()) {
    source_->pause();
  } else {
    source_->resume();
  }
}

void Pump::source_done(SourceEnd end, const std::string& error) {
  source_is_done_ = true;
  if (end == SourceEnd::failed && phase_ == Phase::opening) {
    stop(Outcome::not_started, error);
    return;
  }
  if (end == SourceEnd::failed && phase_ == Phase::copying) {
    outcome_ = Outcome::broken;
    error_ = error;
  }
  if (phase_ == Phase::copying) {
    drain();
  }
  finish_if_over();
}

void Pump::drain() {
  phase_ = Phase::draining;
  update_flow();
  forward_all();
  for (const auto& sink : sinks_) {
    if (outcome_ == Outcome::broken) {
      sink->finish_incomplete();
    } else {
      sink->finish();
    }
  }
}

void Pump::sink_gone(Sink& sink) {
  --sinks_to_close_;
  if (phase_ == Phase::opening) {
    stop(Outcome::not_started, sink.error());
    return;
  }
  if (phase_ == Phase::copying && sinks_to_close_ == 0) {
    stop(Outcome::abandoned, {});
    return;
  }
  sink_resumed(sink);
  finish_if_over();
}

void Pump::stop(Outcome outcome, const std::string& error) {
  outcome_ = outcome;
  error_ = error;
  phase_ = Phase::stopping;
  update_flow();
  if (!source_is_done_) {
    source_->abort();
  }
  for (const auto& sink : sinks_) {
    sink->abort();
  }
  finish_if_over();
}

void Pump::finish_if_over() {
  const bool ending = phase_ == Phase::draining || phase_ == Phase::stopping;
  if (!ending || !source_is_done_ || sinks_to_close_ > 0) {
    return;
  }
  phase_ = Phase::done;
  ended_ = loop_.time();
  if (outcome_ == Outcome::running) {
    outcome_ = Outcome::completed;
  }
  on_done_();
}

bool Pump::any_sink_paused() const {
  return std::any_of(sinks_.begin(), sinks_.end(),
                     [](const auto& sink) { return sink->is_paused(); });
}

Seconds Pump::time_paused() const {
  return time_paused_ + (paused_since_ ? loop_.time() - *paused_since_ : Seconds(0));
}

Seconds Pump::elapsed() const {
  return started_ ? ended_.value_or(loop_.time()) - *started_ : Seconds(0);
}

}  // namespace sluice::cli
