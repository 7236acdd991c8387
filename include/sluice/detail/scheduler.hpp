#pragma once

#include <coroutine>
#include <exception>

#include "sluice/detail/unique_function.hpp"

namespace sluice::detail {

/// The outermost coroutine of a task, as its loop knows it: a loop that closes destroys those that
/// are not finished, and with each the chain of coroutines that it awaits. Leaves the list when it
/// is destroyed.
struct TaskRoot {
  TaskRoot() noexcept = default;
  TaskRoot(const TaskRoot&) = delete;
  TaskRoot& operator=(const TaskRoot&) = delete;
  ~TaskRoot() { unlink(); }

  void link_before(TaskRoot& other) noexcept {
    previous = other.previous;
    next = &other;
    previous->next = this;
    other.previous = this;
  }
  void unlink() noexcept {
    previous->next = next;
    next->previous = previous;
    previous = next = this;
  }

  std::coroutine_handle<> handle;
  TaskRoot* next = this;
  TaskRoot* previous = this;
};

/// What a Future needs of its loop. Outlives the loop: once the loop is closed, schedule() destroys
/// the callback unrun.
class Scheduler {
 public:
  Scheduler() = default;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  virtual ~Scheduler() = default;

  /// As call_soon; loop thread only.
  virtual void schedule(Callback callback) = 0;
  /// Starts the coroutine in the next turn and destroys it if the loop closes before it ends. A
  /// closed loop destroys it at once.
  virtual void start(TaskRoot& root) = 0;
  /// An exception was stored in a Future, and nobody ever looked.
  virtual void report_never_retrieved(std::exception_ptr exception) noexcept = 0;
};

}  // namespace sluice::detail
