#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "sluice/detail/task_context.hpp"
#include "sluice/event_loop.hpp"
#include "sluice/future.hpp"
#include "sluice/handle.hpp"
#include "sluice/task.hpp"

namespace sluice {

namespace detail {

/// `co_await` of it gives something of the running task and does not suspend.
template <class Get>
class ContextAwaiter {
 public:
  explicit ContextAwaiter(Get get) noexcept : get_(get) {}
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  template <TaskPromiseType Promise>
  bool await_suspend(std::coroutine_handle<Promise> coroutine) noexcept {
    context_ = coroutine.promise().context;
    return false;
  }
  [[nodiscard]] decltype(auto) await_resume() const noexcept { return get_(*context_); }

 private:
  Get get_;
  TaskContext* context_ = nullptr;
};

/// `co_await running_task()`: the TaskContext&.
[[nodiscard]] inline auto running_task() noexcept {
  return ContextAwaiter([](TaskContext& context) noexcept -> TaskContext& { return context; });
}

/// What sleep() makes.
class [[nodiscard]] SleepAwaiter final : public Waiter {
 public:
  explicit SleepAwaiter(std::chrono::nanoseconds delay) noexcept : delay_(delay) {}
  ~SleepAwaiter() { timer_.cancel(); }

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  template <TaskPromiseType Promise>
  void await_suspend(std::coroutine_handle<Promise> coroutine) {
    suspend(coroutine);
    begin();
  }
  void await_resume() { throw_if_cancelled(); }

 private:
  void begin();
  [[nodiscard]] bool give_up() override;

  std::chrono::nanoseconds delay_;
  TimerHandle timer_;
};

/// Waits for several futures. A cancellation cancels all of them and waits for their ends.
class [[nodiscard]] GatherAwaiter final : public Waiter {
 public:
  enum class Until : std::uint8_t {
    all_done,       ///< Whatever the outcomes are.
    first_failure,  ///< Or one has failed or was cancelled.
  };
  GatherAwaiter(std::vector<std::shared_ptr<FutureStateBase>> children, Until until);
  ~GatherAwaiter();

  [[nodiscard]] bool await_ready() const noexcept;
  template <TaskPromiseType Promise>
  void await_suspend(std::coroutine_handle<Promise> coroutine) {
    suspend(coroutine);
  }
  /// Throws CancelledError when this wait was cancelled, otherwise nothing.
  void await_resume();
  /// The one that failed first; null if none did, or if failures do not count.
  [[nodiscard]] FutureStateBase* failure() const noexcept { return failure_; }

 private:
  enum class Progress : std::uint8_t {
    gathering,   ///< Children are awaited.
    cancelling,  ///< They were cancelled; their ends are awaited.
  };
  struct Child final : FutureObserver {
    GatherAwaiter* owner = nullptr;
    void outcome_known(FutureStateBase& state) override { owner->child_done(state); }
  };
  void child_done(FutureStateBase& state);
  void note_done(FutureStateBase& state) noexcept;
  [[nodiscard]] bool give_up() override;

  std::vector<std::shared_ptr<FutureStateBase>> children_;
  std::unique_ptr<Child[]> observers_;
  FutureStateBase* failure_ = nullptr;
  std::size_t pending_ = 0;
  Until until_;
  Progress progress_ = Progress::gathering;
};

/// Cancels its task when the time is over. Lives in a coroutine of the task.
class Deadline {
 public:
  /// Not for a `watched` future that is done by then: its outcome is taken instead.
  Deadline(TaskContext& task, std::optional<std::chrono::nanoseconds> timeout,
           std::shared_ptr<FutureStateBase> watched = nullptr);
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  ~Deadline() { static_cast<void>(finish()); }
  /// Ends it. True if it has cancelled the task, and nobody else has.
  [[nodiscard]] bool finish() noexcept;

 private:
  enum class State : std::uint8_t {
    armed,    ///< The time is running, or there is none.
    expired,  ///< The task was cancelled.
    over,     ///< Nothing happens any more.
  };
  void expire();

  TaskContext* task_;
  std::shared_ptr<FutureStateBase> watched_;
  TimerHandle timer_;
  int cancels_before_;
  State state_ = State::armed;
};

/// What wait_for throws.
[[nodiscard]] std::system_error timeout_error();
/// Throws timeout_error() for a cancellation that `deadline` has caused, and `exception` otherwise.
[[noreturn]] void rethrow_or_time_out(Deadline& deadline, const std::exception_ptr& exception);

/// A member of a gathering; what was made of a Task belongs to nobody else.
template <class T>
struct Gathered {
  using Value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
  Future<T> future;
  bool owned;

  Value take() const {
    if constexpr (std::is_void_v<T>) {
      future.get();
      return {};
    } else if constexpr (std::is_copy_constructible_v<T>) {
      return owned ? Value(std::move(future.get())) : Value(future.get());
    } else {
      return std::move(future.get());
    }
  }
};

template <class T>
Gathered<T> gathered(EventLoop& loop, Task<T> task) {
  return {loop.create_task(std::move(task)), true};
}
template <class T>
Gathered<T> gathered(EventLoop& /*loop*/, Future<T> future) {
  return {std::move(future), false};
}

template <class Awaitable>
struct ResultOf;
template <class T>
struct ResultOf<Task<T>> {
  using Type = T;
};
template <class T>
struct ResultOf<Future<T>> {
  using Type = T;
};
template <class Awaitable>
using GatheredOf = Gathered<typename ResultOf<Awaitable>::Type>;

}  // namespace detail

/// A Task<T> or a Future<T>.
template <class A>
concept TaskOrFuture = requires {
  typename detail::ResultOf<A>::Type;
};

/// `co_await get_running_loop()`: the EventLoop& that runs this Task. Does not suspend. asyncio:
/// get_running_loop.
[[nodiscard]] inline auto get_running_loop() noexcept {
  return detail::ContextAwaiter(
      [](detail::TaskContext& context) noexcept -> EventLoop& { return context.loop(); });
}

/// `co_await sleep(delay)`: goes on once `delay` has passed, by the loop's clock; with 0 or less,
/// in the next turn. Allocates nothing in the steady state. asyncio: sleep.
[[nodiscard]] inline detail::SleepAwaiter sleep(std::chrono::nanoseconds delay) noexcept {
  return detail::SleepAwaiter(delay);
}

/// `co_await shield(future)`: as `co_await future`, but a task that is cancelled here leaves the
/// future alone. asyncio: shield.
template <class T>
[[nodiscard]] detail::ShieldAwaiter<T> shield(const Future<T>& future) {
  return detail::ShieldAwaiter<T>(future.shared_state());
}
/// The same for a Task, which goes on as a task of its own. What it refers to must outlive it.
template <class T>
Task<T> shield(Task<T> task) {
  EventLoop& loop = co_await get_running_loop();
  const Future<T> future = loop.create_task(std::move(task));
  co_return co_await shield(future);
}

/// Runs `task`; once `timeout` has passed, cancels it, waits for its end, and throws
/// std::system_error with std::errc::timed_out. What it returns after all is returned, and what it
/// throws of its own is thrown. A cancellation from elsewhere is passed through. Without a timeout
/// it is `co_await task`; with 0 or less `task` is not started. The task is a part of this one, so
/// a wait inside it is cancelled without losing what it waited for. asyncio: wait_for, of 3.12.
template <class T>
Task<T> wait_for(Task<T> task, std::optional<std::chrono::nanoseconds> timeout) {
  if (timeout && *timeout <= std::chrono::nanoseconds::zero()) {
    throw detail::timeout_error();
  }
  detail::TaskContext& context = co_await detail::running_task();
  detail::Deadline deadline(context, timeout);
  std::exception_ptr thrown;
  try {
    co_return co_await std::move(task);
  } catch (...) {
    thrown = std::current_exception();
  }
  detail::rethrow_or_time_out(deadline, thrown);
}
/// The same for a Future, which is cancelled when the time is over; one that is done at that moment
/// wins, so that its value is not lost.
template <class T>
Task<T> wait_for(Future<T> future, std::optional<std::chrono::nanoseconds> timeout) {
  detail::TaskContext& context = co_await detail::running_task();
  detail::Deadline deadline(context, timeout, future.shared_state());
  std::exception_ptr thrown;
  try {
    co_return co_await future;
  } catch (...) {
    thrown = std::current_exception();
  }
  detail::rethrow_or_time_out(deadline, thrown);
}

/// Runs Tasks, each as a task of its own, and waits for them and for Futures: a tuple of their
/// values, std::monostate for void. The first failure is thrown at once; the others go on, their
/// failures are forgotten, and what they refer to must outlive them. A cancellation cancels them
/// all and waits until they have ended. Nothing starts before it is awaited. asyncio: gather.
template <TaskOrFuture... A>
Task<std::tuple<typename detail::GatheredOf<A>::Value...>> gather(A... awaitables) {
  EventLoop& loop = co_await get_running_loop();
  std::tuple<detail::GatheredOf<A>...> children{detail::gathered(loop, std::move(awaitables))...};
  std::vector<std::shared_ptr<detail::FutureStateBase>> states;
  std::apply([&](auto&... each) { (states.push_back(each.future.shared_state()), ...); }, children);
  detail::GatherAwaiter wait(std::move(states), detail::GatherAwaiter::Until::first_failure);
  co_await wait;
  if (wait.failure() != nullptr) {
    std::rethrow_exception(wait.failure()->exception());
  }
  co_return std::apply(
      [](auto&... each) {
        return std::tuple<typename detail::GatheredOf<A>::Value...>(each.take()...);
      },
      children);
}

/// The same for any number of one kind: a vector of their values in order, nothing for void.
template <TaskOrFuture A>
Task<std::conditional_t<std::is_void_v<typename detail::ResultOf<A>::Type>, void,
                        std::vector<typename detail::GatheredOf<A>::Value>>>
gather(std::vector<A> awaitables) {
  EventLoop& loop = co_await get_running_loop();
  std::vector<detail::GatheredOf<A>> children;
  std::vector<std::shared_ptr<detail::FutureStateBase>> states;
  for (A& each : awaitables) {
    children.push_back(detail::gathered(loop, std::move(each)));
    states.push_back(children.back().future.shared_state());
  }
  detail::GatherAwaiter wait(std::move(states), detail::GatherAwaiter::Until::first_failure);
  co_await wait;
  if (wait.failure() != nullptr) {
    std::rethrow_exception(wait.failure()->exception());
  }
  if constexpr (!std::is_void_v<typename detail::ResultOf<A>::Type>) {
    std::vector<typename detail::GatheredOf<A>::Value> values;
    values.reserve(children.size());
    for (const auto& child : children) {
      values.push_back(child.take());
    }
    co_return values;
  }
}

/// Chooses the gather that waits for all, whatever their outcomes are.
struct ReturnExceptions {};
inline constexpr ReturnExceptions return_exceptions{};

/// As gather, but waits for all, and gives their Futures, each with its outcome: get() of it gives
/// the value or throws. asyncio: gather(return_exceptions=True).
template <TaskOrFuture... A>
Task<std::tuple<Future<typename detail::ResultOf<A>::Type>...>> gather(ReturnExceptions /*tag*/,
                                                                       A... awaitables) {
  EventLoop& loop = co_await get_running_loop();
  std::tuple<Future<typename detail::ResultOf<A>::Type>...> futures{
      detail::gathered(loop, std::move(awaitables)).future...};
  std::vector<std::shared_ptr<detail::FutureStateBase>> states;
  std::apply([&](auto&... each) { (states.push_back(each.shared_state()), ...); }, futures);
  detail::GatherAwaiter wait(std::move(states), detail::GatherAwaiter::Until::all_done);
  co_await wait;
  co_return futures;
}
template <TaskOrFuture A>
Task<std::vector<Future<typename detail::ResultOf<A>::Type>>> gather(ReturnExceptions /*tag*/,
                                                                     std::vector<A> awaitables) {
  EventLoop& loop = co_await get_running_loop();
  std::vector<Future<typename detail::ResultOf<A>::Type>> futures;
  std::vector<std::shared_ptr<detail::FutureStateBase>> states;
  for (A& each : awaitables) {
    futures.push_back(detail::gathered(loop, std::move(each)).future);
    states.push_back(futures.back().shared_state());
  }
  detail::GatherAwaiter wait(std::move(states), detail::GatherAwaiter::Until::all_done);
  co_await wait;
  co_return futures;
}

}  // namespace sluice
