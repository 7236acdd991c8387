// What tasks.hpp declares and no template needs to see.

#include "sluice/tasks.hpp"

namespace sluice::detail {

void SleepAwaiter::begin() {
  if (delay_ <= std::chrono::nanoseconds::zero()) {
    wake();
  } else {
    timer_ = task()->loop().call_later(delay_, [this] { wake(); });
  }
}

bool SleepAwaiter::give_up() {
  timer_.cancel();
  wake_cancelled();
  return true;
}

GatherAwaiter::GatherAwaiter(std::vector<std::shared_ptr<FutureStateBase>> children, Until until)
    : children_(std::move(children)),
      observers_(std::make_unique<Child[]>(children_.size())),
      until_(until) {
  for (std::size_t i = 0; i < children_.size(); ++i) {
    if (children_[i]->done()) {
      note_done(*children_[i]);
    } else {
      ++pending_;
      observers_[i].owner = this;
      children_[i]->add_observer(observers_[i]);
    }
  }
}

GatherAwaiter::~GatherAwaiter() {
  if (until_ == Until::first_failure) {
    for (const auto& child : children_) {
      child->ignore_failure();
    }
  }
}

bool GatherAwaiter::await_ready() const noexcept {
  return pending_ == 0 || failure_ != nullptr;
}

void GatherAwaiter::await_resume() {
  // All are told when the last has ended, or one has failed; a cancellation counts either way.
  if (take_cancellation() || progress_ == Progress::cancelling) {
    throw CancelledError();
  }
}

void GatherAwaiter::note_done(FutureStateBase& state) noexcept {
  if (until_ == Until::first_failure && failure_ == nullptr &&
      (state.failed() || state.cancelled())) {
    failure_ = &state;
  }
}

void GatherAwaiter::child_done(FutureStateBase& state) {
  --pending_;
  note_done(state);
  const bool enough = pending_ == 0 || (failure_ != nullptr && progress_ == Progress::gathering);
  if (enough) {
    wake();
  }
}

bool GatherAwaiter::give_up() {
  progress_ = Progress::cancelling;
  // Those that end at once count down here; the last one wakes.
  for (const auto& child : children_) {
    child->cancel();
  }
  return true;
}

Deadline::Deadline(TaskContext& task, std::optional<std::chrono::nanoseconds> timeout,
                   std::shared_ptr<FutureStateBase> watched)
    : task_(&task), watched_(std::move(watched)), cancels_before_(task.cancelling()) {
  if (!timeout) {
    return;
  }
  if (*timeout <= std::chrono::nanoseconds::zero()) {
    expire();
  } else {
    timer_ = task.loop().call_later(*timeout, [this] { expire(); });
  }
}

void Deadline::expire() {
  if (watched_ && watched_->done()) {
    return;
  }
  state_ = State::expired;
  task_->cancel();
}

bool Deadline::finish() noexcept {
  timer_.cancel();
  if (std::exchange(state_, State::over) != State::expired) {
    return false;
  }
  return task_->uncancel() <= cancels_before_;
}

std::system_error timeout_error() {
  return {std::make_error_code(std::errc::timed_out), "wait_for"};
}

void rethrow_or_time_out(Deadline& deadline, const std::exception_ptr& exception) {
  if (deadline.finish() && is_cancellation(exception)) {
    throw timeout_error();
  }
  std::rethrow_exception(exception);
}

}  // namespace sluice::detail
