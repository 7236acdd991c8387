#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "sluice/detail/scheduler.hpp"
#include "sluice/detail/task_context.hpp"
#include "sluice/future.hpp"

namespace sluice {

template <class T>
class Task;

namespace detail {

template <class T>
struct TaskAwaiter;

/// Hands control to whoever awaits the finished Task.
struct FinalAwaiter {
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> finished) const noexcept {
    PromiseBase& promise = finished.promise();
    promise.context->leave(promise.continuation);
  }
  void await_resume() const noexcept {}
};

struct TaskPromiseBase : PromiseBase {
  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { exception = std::current_exception(); }
};

template <class T>
struct TaskPromise : TaskPromiseBase {
  std::optional<T> value;

  Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() {
    if (exception) {
      std::rethrow_exception(exception);
    }
    return std::move(*value);
  }
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
  inline Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const {
    if (exception) {
      std::rethrow_exception(exception);
    }
  }
};

}  // namespace detail

/// A lazy coroutine: nothing runs until it is awaited or given to EventLoop::create_task. Owns its
/// frame, which is one allocation; a Task that is dropped destroys it. Loop thread only. asyncio: a
/// coroutine object.
template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;

  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() {
    if (handle_) {
      handle_.destroy();
    }
  }

  /// `co_await task`, inside another Task: runs it to its end; its value, or what it threw. A Task
  /// is awaited once; the second time throws std::logic_error.
  [[nodiscard]] auto operator co_await() && noexcept { return detail::TaskAwaiter<T>{handle_}; }
  /// For the loop: null when moved from.
  [[nodiscard]] std::coroutine_handle<promise_type> handle() const noexcept { return handle_; }

 private:
  std::coroutine_handle<promise_type> handle_;
};

namespace detail {

template <class T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise<void>>::from_promise(*this));
}

template <class T>
struct TaskAwaiter {
  std::coroutine_handle<TaskPromise<T>> child;

  [[nodiscard]] bool await_ready() const {
    if (!child || child.done()) {
      throw std::logic_error("a Task is awaited once");
    }
    return false;
  }
  template <TaskPromiseType Promise>
  void await_suspend(std::coroutine_handle<Promise> parent) noexcept {
    TaskContext* const context = parent.promise().context;
    child.promise().context = context;
    child.promise().continuation = parent;
    context->transfer(child);
  }
  T await_resume() { return child.promise().take(); }
};

/// What create_task makes of a Task: its future, and its life.
template <class T>
class TaskState final : public FutureState<T>, public TaskContext {
 public:
  TaskState(EventLoop& loop, const std::shared_ptr<Scheduler>& scheduler, Task<T> task)
      : FutureState<T>(scheduler), TaskContext(loop, scheduler), coroutine_(std::move(task)) {
    if (!coroutine_->handle() || coroutine_->handle().done()) {
      throw std::logic_error("a Task is awaited once");
    }
    this->set_task(this);
  }

  [[nodiscard]] std::shared_ptr<TaskContext> share() override {
    return {this->shared_from_this(), this};
  }

 private:
  [[nodiscard]] std::coroutine_handle<> enter() noexcept override {
    coroutine_->handle().promise().context = this;
    return coroutine_->handle();
  }
  void destroy_frame() noexcept override {
    this->set_task(nullptr);
    coroutine_.reset();
  }
  void conclude(bool cancelled) override {
    TaskPromise<T>& promise = coroutine_->handle().promise();
    const std::exception_ptr exception = std::move(promise.exception);
    if constexpr (std::is_void_v<T>) {
      destroy_frame();
      settle(exception, cancelled, [this] { this->succeed(); });
    } else {
      if (!promise.value) {
        destroy_frame();
        settle(exception, cancelled, [] {});
        return;
      }
      T value = std::move(*promise.value);
      destroy_frame();
      settle(exception, cancelled, [&] { this->succeed(std::move(value)); });
    }
  }
  template <class Succeed>
  void settle(const std::exception_ptr& exception, bool cancelled, Succeed succeed) {
    if (exception && !is_cancellation(exception)) {
      this->fail(exception);
    } else if (exception || cancelled) {
      this->complete(FutureStateBase::Stage::cancelled);
    } else {
      succeed();
    }
  }

  std::optional<Task<T>> coroutine_;  // until its end
};

}  // namespace detail

}  // namespace sluice
