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
#include <vector>

#include "sluice/detail/scheduler.hpp"
#include "sluice/error.hpp"

namespace sluice {

template <class T>
class Future;

namespace detail {

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
  }

  [[nodiscard]] bool done() const noexcept { return stage_ != Stage::pending; }
  [[nodiscard]] bool cancelled() const noexcept { return stage_ == Stage::cancelled; }

  void add_callback(Callback callback) {
    if (done()) {
      schedule(std::move(callback));
    } else {
      callbacks_.push_back(std::move(callback));
    }
  }

  void fail(std::exception_ptr exception) {
    require_pending();
    exception_ = std::move(exception);
    complete(Stage::failed);
  }

  bool cancel() {
    if (done()) {
      return false;
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

 protected:
  enum class Stage : unsigned char {
    pending,    ///< No result yet; callbacks are collected.
    succeeded,  ///< The value is there; callbacks have been scheduled.
    failed,     ///< The exception is there; callbacks have been scheduled.
    cancelled,  ///< cancel() came first; callbacks have been scheduled.
  };

  void require_pending() const {
    if (done()) {
      throw std::logic_error("Future: the result is already set");
    }
  }
  void require_done() const {
    if (!done()) {
      throw std::logic_error("Future: the result is not set yet");
    }
    if (cancelled()) {
      throw std::system_error(Errc::cancelled);
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
    for (Callback& callback : std::exchange(callbacks_, {})) {
      schedule(std::move(callback));
    }
  }

 private:
  // A waiting callback must not own the state that stores it; a scheduled one must.
  void schedule(Callback callback) {
    scheduler_->schedule(
        [self = shared_from_this(), callback = std::move(callback)]() mutable { callback(); });
  }

  std::shared_ptr<Scheduler> scheduler_;
  std::vector<Callback> callbacks_;
  Callback on_cancel_;
  std::exception_ptr exception_;
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
    require_pending();
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

template <class T>
struct FutureAwaiter {
  std::shared_ptr<FutureState<T>> state;

  [[nodiscard]] bool await_ready() const noexcept { return state->done(); }
  void await_suspend(std::coroutine_handle<> waiting) {
    state->add_callback([waiting] { waiting.resume(); });
  }
  T await_resume() {
    if constexpr (std::is_void_v<T>) {
      static_cast<void>(state->value());
    } else {
      return state->value();
    }
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

  /// The outcome is `value` from now on. Throws std::logic_error when there is one already.
  template <class... U>
  void set_result(U&&... value) const {
    state_->succeed(std::forward<U>(value)...);
  }
  /// The outcome is `exception` from now on. Throws std::logic_error when there is one already.
  void set_exception(std::exception_ptr exception) const { state_->fail(std::move(exception)); }

  /// Gives the operation up: a connection attempt is ended and its sockets are closed (W-87).
  /// Returns false, and does nothing, when there is an outcome already.
  bool cancel() const { return state_->cancel(); }

  /// For makers of futures: what cancel() is to do besides. The hook must not own this future, nor
  /// one that waits for it.
  void set_on_cancel(detail::Callback hook) const { state_->set_on_cancel(std::move(hook)); }
  /// For makers of futures that pass their outcome on: what is behind this one, without owning it.
  [[nodiscard]] std::weak_ptr<State> state() const noexcept { return state_; }

  /// `co_await future`: the value, or the exception, or Errc::cancelled. Does not suspend when
  /// done.
  [[nodiscard]] auto operator co_await() const noexcept { return detail::FutureAwaiter<T>{state_}; }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace sluice
