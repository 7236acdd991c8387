#include "core/read_side.hpp"

namespace sluice::core {

void ReadSide::pause() noexcept {
  if (life_->open() && state_ == State::reading) {
    state_ = State::paused;
  }
}

void ReadSide::resume() noexcept {
  if (!life_->open() || state_ != State::paused) {
    return;
  }
  state_ = State::reading;
  if (polls_ != nullptr) {
    resumed_after_poll_ = *polls_;
  }
  if (unread_ != Unread::none) {
    host_->request_read();
  }
}

void ReadSide::on_ready(Readiness readiness) {
  if (readiness == Readiness::hangup) {
    unread_ = Unread::until_ended;
  } else if (readiness == Readiness::data && unread_ == Unread::none) {
    unread_ = Unread::maybe;
  }
  if (!is_reading() || unread_ == Unread::none) {
    return;
  }
  // Readiness that is older than resume() is for the next turn (W-153).
  if (polls_ != nullptr && resumed_after_poll_ == *polls_) {
    host_->request_read();
    return;
  }
  const std::span<std::byte> memory = host_->read_memory();
  // Asking the protocol for memory ran its code: it may have paused or closed.
  if (memory.empty() || !is_reading()) {
    return;
  }
  const SourceResult result = source_->read(memory);
  switch (result.kind) {
    case SourceResult::Kind::received:
      if (unread_ == Unread::maybe && result.count < memory.size() &&
          source_->short_read_empties()) {
        unread_ = Unread::none;
      } else {
        host_->request_read();
      }
      host_->deliver(memory, result.count);
      return;
    case SourceResult::Kind::would_block:
      unread_ = Unread::none;
      return;
    case SourceResult::Kind::end:
      state_ = State::ended;
      host_->deliver_end();
      return;
    case SourceResult::Kind::failed:
      state_ = State::ended;
      host_->read_failed(result.error);
      return;
  }
}

}  // namespace sluice::core
