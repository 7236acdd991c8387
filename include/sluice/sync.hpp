#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>

#include "sluice/detail/task_context.hpp"
#include "sluice/error.hpp"

namespace sluice {

namespace detail {

/// A number of permits, and those who wait for one, first come, first served. A permit that is
/// given back goes to the first who waits, and passes on if that one was cancelled meanwhile.
class Permits {
 public:
  explicit Permits(std::size_t count) noexcept : free_(count) {}

  enum class Grant : std::uint8_t { pending, granted, refused };
  class Acquire;

  [[nodiscard]] std::size_t free() const noexcept { return free_; }
  /// One permit if there is one: nobody waits then.
  [[nodiscard]] bool try_acquire() noexcept;
  void release();
  /// Those who wait are refused, and all who come later.
  void refuse_all();
  [[nodiscard]] bool refusing() const noexcept { return refusing_; }
  void add(Acquire& waiter) noexcept;

 private:
  Ring<Acquire> waiting_;
  std::size_t free_;
  bool refusing_ = false;
};

/// The wait for one permit; to derive from.
class Permits::Acquire : public RingWaiter {
 public:
  explicit Acquire(Permits& permits) noexcept : permits_(&permits) {}

  [[nodiscard]] bool await_ready() noexcept;
  template <TaskPromiseType Promise>
  void await_suspend(std::coroutine_handle<Promise> coroutine) {
    permits_->add(*this);
    suspend(coroutine);
  }
  /// False when refused. Throws CancelledError, with the permit passed on.
  [[nodiscard]] bool await_resume();
  /// For Permits.
  void answer(Grant grant);

 protected:
  ~Acquire() = default;

 private:
  Permits* permits_;
  Grant grant_ = Grant::pending;
};

}  // namespace detail

/// A flag that tasks wait for. Must outlive those who wait. Loop thread only. asyncio: Event.
class Event {
 public:
  class [[nodiscard]] Wait final : public detail::RingWaiter {
   public:
    explicit Wait(Event& event) noexcept : event_(&event) {}
    [[nodiscard]] bool await_ready() const noexcept { return event_->is_set(); }
    template <detail::TaskPromiseType Promise>
    void await_suspend(std::coroutine_handle<Promise> coroutine) {
      event_->waiting_.push_back(*this);
      suspend(coroutine);
    }
    void await_resume() { throw_if_cancelled(); }

   private:
    Event* event_;
  };

  [[nodiscard]] bool is_set() const noexcept { return set_; }
  /// Wakes all who wait; who comes later does not wait.
  void set();
  void clear() noexcept { set_ = false; }
  /// `co_await event.wait()`: goes on once it is set, also if it is cleared again before that.
  Wait wait() noexcept { return Wait(*this); }

 private:
  detail::Ring<Wait> waiting_;
  bool set_ = false;
};

/// Lets a number of tasks in at a time, in the order they came. Must outlive those who wait. Loop
/// thread only. asyncio: Semaphore.
class Semaphore {
 public:
  class [[nodiscard]] Acquire final : public detail::Permits::Acquire {
   public:
    using detail::Permits::Acquire::Acquire;
    void await_resume() { static_cast<void>(detail::Permits::Acquire::await_resume()); }
  };

  /// With `value` free places.
  explicit Semaphore(std::size_t value = 1) noexcept : permits_(value) {}

  /// `co_await semaphore.acquire()`: takes a place once there is one. A task that is cancelled
  /// while it waits takes none; a place it was just given goes to the next. No allocation.
  Acquire acquire() noexcept { return Acquire(permits_); }
  /// Gives a place back, or one more; to the first who waits.
  void release() { permits_.release(); }
  /// Whether acquire() would wait.
  [[nodiscard]] bool locked() const noexcept { return permits_.free() == 0; }

 private:
  detail::Permits permits_;
};

/// One task at a time, in the order they came. Must outlive those who wait. Loop thread only.
/// asyncio: Lock.
class Lock {
 public:
  /// Holds the lock until it is destroyed. asyncio: the body of `async with lock`.
  class [[nodiscard]] Guard {
   public:
    explicit Guard(Lock& lock) noexcept : lock_(&lock) {}
    Guard(Guard&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)) {}
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (lock_ != nullptr) {
        lock_->permits_.release();
      }
    }

   private:
    Lock* lock_;
  };
  class [[nodiscard]] Hold final : public detail::Permits::Acquire {
   public:
    explicit Hold(Lock& lock) noexcept : detail::Permits::Acquire(lock.permits_), lock_(&lock) {}
    Guard await_resume() {
      static_cast<void>(detail::Permits::Acquire::await_resume());
      return Guard(*lock_);
    }

   private:
    Lock* lock_;
  };

  /// `co_await lock.acquire()`: as Semaphore::acquire.
  Semaphore::Acquire acquire() noexcept { return Semaphore::Acquire(permits_); }
  /// `const auto guard = co_await lock.hold()`: acquires, and releases at the end of the scope.
  Hold hold() noexcept { return Hold(*this); }
  /// Throws std::logic_error when it is not held.
  void release();
  [[nodiscard]] bool locked() const noexcept { return permits_.free() == 0; }

 private:
  detail::Permits permits_{1};
};

}  // namespace sluice
