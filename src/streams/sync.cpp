#include "sluice/sync.hpp"

namespace sluice {

namespace detail {

bool Permits::try_acquire() noexcept {
  if (free_ == 0) {
    return false;
  }
  --free_;
  return true;
}

// The permit goes from hand to hand: somebody who comes meanwhile does not overtake.
void Permits::release() {
  if (Acquire* const first = waiting_.pop_front()) {
    first->answer(Grant::granted);
  } else {
    ++free_;
  }
}

void Permits::refuse_all() {
  refusing_ = true;
  while (Acquire* const each = waiting_.pop_front()) {
    each->answer(Grant::refused);
  }
}

void Permits::add(Acquire& waiter) noexcept {
  waiting_.push_back(waiter);
}

void Permits::Acquire::answer(Grant grant) {
  grant_ = grant;
  wake();
}

bool Permits::Acquire::await_ready() noexcept {
  if (permits_->try_acquire()) {
    grant_ = Grant::granted;
  } else if (permits_->refusing()) {
    grant_ = Grant::refused;
  }
  return grant_ != Grant::pending;
}

bool Permits::Acquire::await_resume() {
  if (take_cancellation()) {
    if (grant_ == Grant::granted) {
      permits_->release();
    }
    throw CancelledError();
  }
  return grant_ == Grant::granted;
}

}  // namespace detail

void Event::set() {
  set_ = true;
  while (Wait* const each = waiting_.pop_front()) {
    each->wake();
  }
}

void Lock::release() {
  if (!locked()) {
    throw std::logic_error("Lock is not acquired.");
  }
  permits_.release();
}

}  // namespace sluice
