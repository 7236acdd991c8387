#pragma once

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

#include "sluice/detail/ring.hpp"
#include "sluice/detail/scheduler.hpp"

namespace sluice {
class EventLoop;
}

namespace sluice::detail {

class TaskContext;

/// Whether this is the end of a cancelled task: a std::system_error with Errc::cancelled.
[[nodiscard]] bool is_cancellation(const std::exception_ptr& exception) noexcept;

/// What the promise of every coroutine of a task begins with.
struct PromiseBase {
  /// The task that the coroutine is a part of; null until it is started.
  TaskContext* context = nullptr;
  /// Who awaits it; null for the outermost.
  std::coroutine_handle<> continuation;
  std::exception_ptr exception;
};

/// A coroutine that knows its task: a Task<T>.
template <class Promise>
concept TaskPromiseType = std::derived_from<Promise, PromiseBase>;

/// One suspension of a task, kept in the frame of the coroutine that is suspended: what co_await
/// makes. Whoever brings what is waited for calls wake(); the task goes on in the next turn.
class Waiter {
 public:
  Waiter() noexcept = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  /// What is waited for has come. Does nothing after the first wake() or cancel().
  void wake() { settle(Outcome::woken); }
  /// The same for what a descriptor has brought: the task goes on inside this call if it would
  /// overtake nobody. The waiter, and who has called this, may be gone then.
  void wake_at_once();
  /// The task is to give up waiting. False when it is about to go on already.
  [[nodiscard]] bool cancel() { return outcome_ == Outcome::none && give_up(); }
  /// Waits no more, without asking what is waited for.
  void abandon();
  /// The unfinished task whose end is waited for, if that is what it is: a cancellation is for it.
  [[nodiscard]] virtual TaskContext* awaited_task() const noexcept { return nullptr; }

 protected:
  ~Waiter() = default;

  /// The last thing to do in await_suspend: the coroutine waits until wake().
  template <TaskPromiseType Promise>
  void suspend(std::coroutine_handle<Promise> coroutine) {
    suspend_in(*coroutine.promise().context, coroutine);
  }
  void suspend_in(TaskContext& task, std::coroutine_handle<> coroutine);
  /// Whether the task was cancelled during this suspension; to be asked once, in await_resume,
  /// which then throws CancelledError.
  [[nodiscard]] bool take_cancellation() noexcept;
  void throw_if_cancelled();
  /// Wakes the task as cancelled.
  void wake_cancelled() { settle(Outcome::cancelled); }
  /// Stops waiting, in favour of wake_cancelled() now or wake() later; returns true. Or returns
  /// false: it cannot be stopped, and the task hears of its cancellation when it goes on.
  [[nodiscard]] virtual bool give_up() = 0;
  /// The task that waits; null unless it was suspended.
  [[nodiscard]] TaskContext* task() const noexcept { return task_; }

 private:
  enum class Outcome : std::uint8_t {
    none,       ///< Nothing has come yet.
    woken,      ///< It has come; the task goes on in the next turn.
    cancelled,  ///< The wait was given up; likewise.
  };
  void settle(Outcome outcome);

  TaskContext* task_ = nullptr;
  Outcome outcome_ = Outcome::none;
};

/// A suspension that waits in a ring, and leaves it when it is cancelled.
class RingWaiter : public Waiter, public RingLink {
 protected:
  ~RingWaiter() = default;
  [[nodiscard]] bool give_up() override {
    unlink();
    wake_cancelled();
    return true;
  }
};

/// A chain of coroutines that await each other, as one thing that runs, waits and is cancelled. Its
/// loop owns it until it ends. Control passes between the coroutines through a trampoline, so no
/// length of a chain or of a loop of awaits grows the stack.
class TaskContext : public RingLink {
 public:
  TaskContext(EventLoop& loop, std::shared_ptr<Scheduler> scheduler) noexcept
      : loop_(&loop), scheduler_(std::move(scheduler)) {}

  /// The loop that runs it; it is there as long as any coroutine of the task runs.
  [[nodiscard]] EventLoop& loop() const noexcept { return *loop_; }
  [[nodiscard]] const std::shared_ptr<Scheduler>& scheduler() const noexcept { return scheduler_; }

  /// Makes the innermost suspension throw CancelledError. False when the task has ended. asyncio:
  /// Task.cancel.
  bool cancel();
  /// How many calls of cancel() were not taken back. asyncio: Task.cancelling.
  [[nodiscard]] int cancelling() const noexcept { return cancels_; }
  /// Takes one back; what has not been thrown yet is not thrown any more when it was the last.
  /// Returns how many are left. asyncio: Task.uncancel.
  int uncancel() noexcept;

  // For the coroutines.
  /// `next` goes on when the one that runs has been suspended.
  void transfer(std::coroutine_handle<> next);
  /// A coroutine has come to its end; `continuation` goes on, if there is one.
  void leave(std::coroutine_handle<> continuation);

  // For suspensions.
  void suspend_at(std::coroutine_handle<> coroutine, Waiter& waiter);
  void wake();
  void wake_at_once();
  [[nodiscard]] bool take_cancel_request() noexcept {
    return std::exchange(request_, CancelRequest::none) == CancelRequest::pending;
  }

  // For the loop.
  /// Owned by itself from now on, until it ends; goes to the loop.
  void launch();
  void start();
  /// It goes on if it is suspended.
  void resume();
  /// The loop closes: its coroutines are destroyed where they stand, innermost locals first.
  void drop() noexcept;
  [[nodiscard]] virtual std::shared_ptr<TaskContext> share() = 0;

 protected:
  ~TaskContext() = default;
  /// The outermost coroutine, not started yet, which is told that it is part of this task.
  [[nodiscard]] virtual std::coroutine_handle<> enter() noexcept = 0;
  /// Destroys the coroutines, after which nothing of the task is left but its outcome.
  virtual void destroy_frame() noexcept = 0;
  /// Destroys the outermost coroutine and passes its outcome on. With `cancelled` it either was not
  /// started or was cancelled after its last suspension.
  virtual void conclude(bool cancelled) = 0;

 private:
  enum class Progress : std::uint8_t {
    unstarted,  ///< Nothing has run; the start is scheduled.
    running,    ///< One of its coroutines is on the stack.
    suspended,  ///< All wait.
    ended,      ///< The outermost has ended, or everything was dropped.
  };
  enum class CancelRequest : std::uint8_t {
    none,     ///< Nobody asked, or it has been thrown.
    pending,  ///< The next suspension to end throws.
  };

  void drive(std::coroutine_handle<> first);
  void end();
  void cancel_here();

  EventLoop* loop_;
  std::shared_ptr<Scheduler> scheduler_;
  std::shared_ptr<TaskContext> self_;  // from launch() to the end
  std::coroutine_handle<> next_;
  std::coroutine_handle<> suspended_at_;
  Waiter* waiter_ = nullptr;
  int cancels_ = 0;
  Progress progress_ = Progress::unstarted;
  CancelRequest request_ = CancelRequest::none;
};

}  // namespace sluice::detail
