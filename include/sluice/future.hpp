#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include "sluice/detail/ring.hpp"
#include "sluice/detail/scheduler.hpp"
#include "sluice/detail/task_context.hpp"
#include "sluice/error.hpp"

namespace sluice {

template <class T>
class Future;

namespace detail {

class FutureStateBase;

/// Somebody who is told of the outcome of a Future. Not told any more once it is destroyed.
class FutureObserver : public RingLink {
 public:
  /// There is an outcome. Must not call the user's code: it may only schedule.
  virtual void outcome_known(FutureStateBase& state) = 0;
  /// The Future is gone, without an outcome.
  virtual void abandoned() noexcept {}

 protected:
  ~FutureObserver() = default;
};

/// The part of a Future that does not depend on its type.
class FutureStateBase : public std::enable_shared_from_this<FutureStateBase> {
 public:
  explicit FutureStateBase(std::shared_ptr<Scheduler> scheduler) noexcept
      : scheduler_(std::move(scheduler)) {}
  FutureStateBase(const FutureStateBase&) = delete;
  FutureStateBase& operator=(const FutureStateBase&) = delete;
  ~FutureStateBase() {
    if (exception_ && !retrieved_) {
      scheduler_->report_never_retrieved(exception_);
    }
    while (FutureObserver* const observer = observers_.pop_front()) {
      observer->abandoned();
    }
  }

  [[nodiscard]] bool done() const noexcept { return stage_ != Stage::pending; }
  [[nodiscard]] bool cancelled() const noexcept { return stage_ == Stage::cancelled; }
  [[nodiscard]] bool failed() const noexcept { return stage_ == Stage::failed; }
  /// The task whose outcome this is, until there is one; null for any other future.
  [[nodiscard]] TaskContext* task() const noexcept { return task_; }

  /// `observer` is told once, in the order of these calls. There must be no outcome yet.
  void add_observer(FutureObserver& observer) noexcept { observers_.push_back(observer); }
  void add_callback(Callback callback) {
    if (done()) {
      schedule(std::move(callback));
    } else {
      observers_.push_back(*new CallbackObserver(std::move(callback)));
    }
  }

  void fail(std::exception_ptr exception) {
    require_settable();
    exception_ = std::move(exception);
    complete(Stage::failed);
  }

  bool cancel() {
    if (done()) {
      return false;
    }
    if (task_ != nullptr) {
      return task_->cancel();
    }
    // The hook runs after the state has flipped: it may look at the future or finish others.
    Callback hook = std::move(on_cancel_);
    complete(Stage::cancelled);
    if (hook) {
      hook();
    }
    return true;
  }

  void set_on_cancel(Callback hook) {
    if (!done()) {
      on_cancel_ = std::move(hook);
    }
  }

  [[nodiscard]] std::exception_ptr exception() {
    require_done();
    retrieved_ = true;
    return exception_;
  }
  /// An exception need not be looked at by anybody.
  void ignore_failure() noexcept { retrieved_ = true; }

 protected:
  enum class Stage : unsigned char {
    pending,    ///< No result yet; callbacks are collected.
    succeeded,  ///< The value is there; callbacks have been scheduled.
    failed,     ///< The exception is there; callbacks have been scheduled.
    cancelled,  ///< cancel() came first; callbacks have been scheduled.
  };

  void require_settable() const {
    if (task_ != nullptr) {
      throw std::logic_error("Future: the result of a task is set by the task");
    }
    if (done()) {
      throw std::logic_error("Future: the result is already set");
    }
  }
  void require_done() const {
    if (!done()) {
      throw std::logic_error("Future: the result is not set yet");
    }
    if (cancelled()) {
      throw CancelledError();
    }
  }
  void rethrow_if_failed() {
    require_done();
    if (exception_) {
      retrieved_ = true;
      std::rethrow_exception(exception_);
    }
  }
  void complete(Stage stage) {
    stage_ = stage;
    on_cancel_.reset();
    Ring<FutureObserver> observers;
    observers.steal(observers_);
    while (FutureObserver* const observer = observers.pop_front()) {
      observer->outcome_known(*this);
    }
  }
  void set_task(TaskContext* task) noexcept { task_ = task; }

 private:
  /// One callback; owns itself until it is told one way or the other.
  class CallbackObserver final : public FutureObserver {
   public:
    explicit CallbackObserver(Callback callback) noexcept : callback_(std::move(callback)) {}
    void outcome_known(FutureStateBase& state) override {
      state.scheduler_->schedule([self = std::unique_ptr<CallbackObserver>(this),
                                  alive = state.shared_from_this()] { self->callback_(); });
    }
    void abandoned() noexcept override { delete this; }

   private:
    Callback callback_;
  };

  // A waiting callback must not own the state that stores it; a scheduled one must.
  void schedule(Callback callback) {
    scheduler_->schedule(
        [self = shared_from_this(), callback = std::move(callback)]() mutable { callback(); });
  }

  std::shared_ptr<Scheduler> scheduler_;
  Ring<FutureObserver> observers_;
  Callback on_cancel_;
  std::exception_ptr exception_;
  TaskContext* task_ = nullptr;
  Stage stage_ = Stage::pending;
  bool retrieved_ = false;
};

template <class T>
class FutureState : public FutureStateBase {
 public:
  using FutureStateBase::FutureStateBase;
  using Value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  template <class... U>
  void succeed(U&&... value) {
    require_settable();
    value_.emplace(std::forward<U>(value)...);
    complete(Stage::succeeded);
  }

  [[nodiscard]] Value& value() {
    rethrow_if_failed();
    return *value_;
  }

 private:
  std::optional<Value> value_;
};

/// A value that others may still want is copied if it can be.
template <class T>
T share_value(FutureState<T>& state) {
  if constexpr (std::is_void_v<T>) {
    static_cast<void>(state.value());
  } else if constexpr (std::is_copy_constructible_v<T>) {
    return state.value();
  } else {
    return std::move(state.value());
  }
}

/// Waits for the outcome of a future. What a cancellation of the waiting task does to the future is
/// for the deriving class to say.
template <class T>
class FutureWaiter : public Waiter, private FutureObserver {
 public:
  explicit FutureWaiter(std::shared_ptr<FutureState<T>> state) noexcept
      : state_(std::move(state)) {}

  [[nodiscard]] bool await_ready() const noexcept { return state_->done(); }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> waiting) {
    if constexpr (TaskPromiseType<Promise>) {
      state_->add_observer(*this);
      suspend(waiting);
    } else {
      state_->add_callback([waiting] { waiting.resume(); });
    }
  }
  T await_resume() {
    throw_if_cancelled();
    return share_value(*state_);
  }

 protected:
  ~FutureWaiter() = default;
  [[nodiscard]] FutureState<T>& state() const noexcept { return *state_; }
  void stop_observing() noexcept { FutureObserver::unlink(); }

 private:
  void outcome_known(FutureStateBase& /*state*/) override { wake(); }

  std::shared_ptr<FutureState<T>> state_;
};

/// `co_await future`: a cancellation cancels the future.
template <class T>
class FutureAwaiter final : public FutureWaiter<T> {
 public:
  using FutureWaiter<T>::FutureWaiter;
  [[nodiscard]] TaskContext* awaited_task() const noexcept override { return this->state().task(); }

 private:
  [[nodiscard]] bool give_up() override { return this->state().cancel(); }
};

/// `co_await shield(future)`: a cancellation leaves the future alone.
template <class T>
class ShieldAwaiter final : public FutureWaiter<T> {
 public:
  using FutureWaiter<T>::FutureWaiter;

 private:
  [[nodiscard]] bool give_up() override {
    this->stop_observing();
    this->wake_cancelled();
    return true;
  }
};

}  // namespace detail

/// A result that comes later. Copies refer to the same result. It has exactly one outcome: a value,
/// an exception, or cancellation. Loop thread only; may outlive the loop. asyncio: Future.
template <class T>
class Future {
 public:
  using State = detail::FutureState<T>;

  /// For the loop; programs use EventLoop::create_future.
  explicit Future(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}

  /// Whether there is an outcome.
  [[nodiscard]] bool done() const noexcept { return state_->done(); }
  /// Whether the outcome is cancellation.
  [[nodiscard]] bool cancelled() const noexcept { return state_->cancelled(); }

  /// The value; valid as long as any copy of this Future. Throws what failed; std::system_error
  /// with Errc::cancelled when cancelled; std::logic_error when there is no outcome yet. asyncio:
  /// result().
  decltype(auto) get() const {
    if constexpr (std::is_void_v<T>) {
      static_cast<void>(state_->value());
    } else {
      return static_cast<T&>(state_->value());
    }
  }

  /// The exception, or null after success. Throws as get() when cancelled or not done.
  [[nodiscard]] std::exception_ptr exception() const { return state_->exception(); }

  /// Runs `callback` with this Future, in a later step of the loop, once there is an outcome; also
  /// when there is one already. Callbacks run in the order they were added. A loop that is closed
  /// first destroys them unrun. Returns nothing.
  template <class F>
  void add_done_callback(F&& callback) const {
    state_->add_callback([state = state_.get(), callback = std::forward<F>(callback)]() mutable {
      callback(Future(std::static_pointer_cast<State>(state->shared_from_this())));
    });
  }

  /// The outcome is `value` from now on. Throws std::logic_error when there is one already, and for
  /// the future of a task.
  template <class... U>
  void set_result(U&&... value) const {
    state_->succeed(std::forward<U>(value)...);
  }
  /// The outcome is `exception` from now on. Throws std::logic_error when there is one already.
  void set_exception(std::exception_ptr exception) const { state_->fail(std::move(exception)); }

  /// Gives the operation up: a connection attempt is ended and its sockets are closed (W-87). The
  /// future of a task is not done at once: what the task waits for is cancelled in turn, the task
  /// is thrown CancelledError there and ends as it likes; docs/coroutines.md has the rules. Returns
  /// false, and does nothing, when there is an outcome already.
  bool cancel() const { return state_->cancel(); }

  /// For makers of futures: what cancel() is to do besides. The hook must not own this future, nor
  /// one that waits for it.
  void set_on_cancel(detail::Callback hook) const { state_->set_on_cancel(std::move(hook)); }
  /// For makers of futures that pass their outcome on: what is behind this one, without owning it.
  [[nodiscard]] std::weak_ptr<State> state() const noexcept { return state_; }
  /// For those who wait for several futures.
  [[nodiscard]] const std::shared_ptr<State>& shared_state() const noexcept { return state_; }

  /// `co_await future`: the value (moved only if it cannot be copied), or the exception, or
  /// CancelledError. Does not suspend when done. A task that is cancelled here cancels this future;
  /// shield() prevents that.
  [[nodiscard]] auto operator co_await() const noexcept { return detail::FutureAwaiter<T>(state_); }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace sluice
