#include "reading_source.hpp"

#include <utility>

namespace sluice::cli {

ReadingSource::ReadingSource(EventLoop& loop, std::string name, SourceListener& listener)
    : loop_(loop), name_(std::move(name)), listener_(listener) {}

void ReadingSource::pause() {
  if (state_ == State::open) transport_->pause_reading();
}

void ReadingSource::resume() {
  if (state_ == State::open) transport_->resume_reading();
}

void ReadingSource::abort() {
  if (state_ == State::opening) {
    state_ = State::aborted;
  } else if (state_ == State::open) {
    state_ = State::aborted;
    transport_->close();
  }
}

void ReadingSource::abort_opening() {
  state_ = State::aborted;
  loop_.call_soon([this] { finish(SourceEnd::aborted, {}); });
}

void ReadingSource::opening_failed(const std::string& error) {
  finish(state_ == State::aborted ? SourceEnd::aborted : SourceEnd::failed, error);
}

void ReadingSource::made(std::shared_ptr<ReadTransport> transport) {
  transport_ = std::move(transport);
  if (state_ == State::aborted) {
    transport_->close();
    return;
  }
  state_ = State::open;
  transport_->pause_reading();
  listener_.source_ready();
}

void ReadingSource::received(const Buffer& block) {
  if (state_ == State::open) {
    listener_.source_block(block);
  }
}

void ReadingSource::lost(std::error_code error) {
  if (state_ == State::aborted) {
    finish(SourceEnd::aborted, {});
  } else if (error) {
    finish(SourceEnd::failed, "cannot read " + name_ + ": " + error.message());
  } else {
    finish(SourceEnd::end_of_file, {});
  }
}

void ReadingSource::finish(SourceEnd end, const std::string& error) {
  state_ = State::done;
  transport_.reset();
  listener_.source_done(end, error);
}

}  // namespace sluice::cli
