#include "sluice/detail/task_context.hpp"

#include "sluice/error.hpp"

namespace sluice::detail {

bool is_cancellation(const std::exception_ptr& exception) noexcept {
  try {
    std::rethrow_exception(exception);
  } catch (const std::system_error& error) {
    return error.code() == Errc::cancelled;
  } catch (...) {
    return false;
  }
}

void Waiter::suspend_in(TaskContext& task, std::coroutine_handle<> coroutine) {
  task_ = &task;
  task.suspend_at(coroutine, *this);
}

void Waiter::settle(Outcome outcome) {
  if (outcome_ == Outcome::none && task_ != nullptr) {
    outcome_ = outcome;
    task_->wake();
  }
}

void Waiter::wake_at_once() {
  if (outcome_ == Outcome::none && task_ != nullptr) {
    outcome_ = Outcome::woken;
    task_->wake_at_once();
  }
}

void Waiter::abandon() {
  settle(Outcome::cancelled);
}

bool Waiter::take_cancellation() noexcept {
  if (task_ == nullptr) {
    return false;
  }
  // One exception answers for both.
  const bool requested = task_->take_cancel_request();
  return requested || outcome_ == Outcome::cancelled;
}

void Waiter::throw_if_cancelled() {
  if (take_cancellation()) {
    throw CancelledError();
  }
}

void TaskContext::launch() {
  self_ = share();
  scheduler_->start(*this);
}

void TaskContext::start() {
  if (progress_ != Progress::unstarted) {
    return;
  }
  if (request_ == CancelRequest::pending) {
    end();
    return;
  }
  drive(enter());
}

void TaskContext::resume() {
  if (progress_ == Progress::suspended) {
    drive(suspended_at_);
  }
}

void TaskContext::wake() {
  scheduler_->schedule([task = share()] { task->resume(); });
}

void TaskContext::wake_at_once() {
  if (progress_ != Progress::suspended || !scheduler_->resume_at_once(*this)) {
    wake();
  }
}

void TaskContext::drive(std::coroutine_handle<> first) {
  progress_ = Progress::running;
  next_ = first;
  while (const std::coroutine_handle<> now = std::exchange(next_, nullptr)) {
    waiter_ = nullptr;
    now.resume();
  }
  if (progress_ == Progress::ended) {
    end();
  } else {
    progress_ = Progress::suspended;
  }
}

void TaskContext::transfer(std::coroutine_handle<> next) {
  if (progress_ == Progress::running) {
    next_ = next;
  } else {
    // An awaitable of somebody else's has resumed a coroutine by its handle.
    drive(next);
  }
}

void TaskContext::leave(std::coroutine_handle<> continuation) {
  if (continuation) {
    transfer(continuation);
    return;
  }
  const bool driven = progress_ == Progress::running;
  progress_ = Progress::ended;
  if (!driven) {
    // The frame cannot be destroyed while its end is on the stack.
    scheduler_->schedule([task = share()] { task->end(); });
  }
}

void TaskContext::suspend_at(std::coroutine_handle<> coroutine, Waiter& waiter) {
  suspended_at_ = coroutine;
  waiter_ = &waiter;
  if (request_ == CancelRequest::pending && waiter.cancel()) {
    request_ = CancelRequest::none;
  }
}

// Flipped first: the destructors of the frame, and who hears of the outcome, may do anything.
void TaskContext::end() {
  const std::shared_ptr<TaskContext> alive = std::exchange(self_, nullptr);
  if (!alive) {
    return;
  }
  const bool cancelled = take_cancel_request();
  progress_ = Progress::ended;
  waiter_ = nullptr;
  unlink();
  conclude(cancelled);
}

void TaskContext::drop() noexcept {
  const std::shared_ptr<TaskContext> alive = std::exchange(self_, nullptr);
  progress_ = Progress::ended;
  waiter_ = nullptr;
  unlink();
  destroy_frame();
}

// The request goes to the innermost task of those that wait for each other, as in asyncio, where
// each passes it on to the next; here without the recursion.
bool TaskContext::cancel() {
  if (progress_ == Progress::ended) {
    return false;
  }
  TaskContext* task = this;
  // Tasks that wait for each other in a circle have no innermost; the hare finds that out.
  TaskContext* hare = this;
  const auto step = [](TaskContext* from) {
    TaskContext* next = from->progress_ == Progress::suspended && from->waiter_ != nullptr
                            ? from->waiter_->awaited_task()
                            : nullptr;
    return next != nullptr && next->progress_ != Progress::ended ? next : nullptr;
  };
  ++cancels_;
  while (TaskContext* const next = step(task)) {
    task = next;
    ++task->cancels_;
    for (int i = 0; i < 2 && hare != nullptr; ++i) {
      hare = step(hare);
    }
    if (hare == task) {
      waiter_->abandon();
      return true;
    }
  }
  task->cancel_here();
  return true;
}

void TaskContext::cancel_here() {
  const bool waits = progress_ == Progress::suspended && waiter_ != nullptr;
  if (!waits || !waiter_->cancel()) {
    request_ = CancelRequest::pending;
  }
}

int TaskContext::uncancel() noexcept {
  if (cancels_ > 0 && --cancels_ == 0) {
    request_ = CancelRequest::none;
  }
  return cancels_;
}

}  // namespace sluice::detail
