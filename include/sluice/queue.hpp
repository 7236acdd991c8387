#pragma once

#include <coroutine>
#include <cstddef>
#include <deque>
#include <limits>
#include <stdexcept>
#include <utility>

#include "sluice/detail/task_context.hpp"
#include "sluice/sync.hpp"

namespace sluice {

/// get_nowait() of an empty queue. asyncio: QueueEmpty.
class QueueEmpty : public std::runtime_error {
 public:
  QueueEmpty() : std::runtime_error("the queue is empty") {}
};
/// put_nowait() to a full queue. asyncio: QueueFull.
class QueueFull : public std::runtime_error {
 public:
  QueueFull() : std::runtime_error("the queue is full") {}
};
/// put() to a queue that was shut down, or get() from one that is empty besides. asyncio:
/// QueueShutDown, since 3.13.
class QueueShutDown : public std::runtime_error {
 public:
  QueueShutDown() : std::runtime_error("the queue was shut down") {}
};

/// Items from tasks to tasks, first in, first out, with a bound that makes producers wait. A task
/// that is cancelled while it waits neither loses an item nor leaves one behind. Must outlive those
/// who wait. Loop thread only. asyncio: Queue.
template <class T>
class Queue {
 public:
  class [[nodiscard]] Get final : public detail::Permits::Acquire {
   public:
    explicit Get(Queue& queue) noexcept
        : detail::Permits::Acquire(queue.available_), queue_(&queue) {}
    T await_resume() {
      if (!detail::Permits::Acquire::await_resume()) {
        throw QueueShutDown();
      }
      return queue_->take();
    }

   private:
    Queue* queue_;
  };
  class [[nodiscard]] Put final : public detail::Permits::Acquire {
   public:
    Put(Queue& queue, T item)
        : detail::Permits::Acquire(queue.room_), queue_(&queue), item_(std::move(item)) {}
    [[nodiscard]] bool await_ready() {
      queue_->require_open();
      return detail::Permits::Acquire::await_ready();
    }
    void await_resume() {
      if (!detail::Permits::Acquire::await_resume()) {
        throw QueueShutDown();
      }
      queue_->add(std::move(item_));
    }

   private:
    Queue* queue_;
    T item_;
  };

  /// Holds up to `maxsize` items; 0 is without bound.
  explicit Queue(std::size_t maxsize = 0)
      : maxsize_(maxsize), room_(maxsize == 0 ? std::numeric_limits<std::size_t>::max() : maxsize) {
    finished_.set();
  }

  /// `co_await queue.put(item)`: adds it once there is room. Throws QueueShutDown after shutdown().
  Put put(T item) { return Put(*this, std::move(item)); }
  /// `co_await queue.get()`: the oldest item, once there is one. Throws QueueShutDown when none
  /// will come any more.
  Get get() noexcept { return Get(*this); }
  /// Without waiting; throws QueueFull instead, or QueueShutDown.
  void put_nowait(T item) {
    require_open();
    if (!room_.try_acquire()) {
      throw QueueFull();
    }
    add(std::move(item));
  }
  /// Without waiting; throws QueueEmpty instead, or QueueShutDown.
  T get_nowait() {
    if (!available_.try_acquire()) {
      if (available_.refusing()) {
        throw QueueShutDown();
      }
      throw QueueEmpty();
    }
    return take();
  }

  /// One item that was taken has been dealt with. Throws std::logic_error when called more often
  /// than items were put.
  void task_done() {
    if (unfinished_ == 0) {
      throw std::logic_error("task_done() called too many times");
    }
    if (--unfinished_ == 0) {
      finished_.set();
    }
  }
  /// `co_await queue.join()`: goes on once task_done() was called for every item.
  Event::Wait join() noexcept { return finished_.wait(); }
  /// No more items: put() throws, get() throws once the queue is empty, and those who wait hear of
  /// it. The second call does nothing.
  void shutdown() {
    room_.refuse_all();
    available_.refuse_all();
  }

  /// Items in the queue.
  [[nodiscard]] std::size_t qsize() const noexcept { return items_.size(); }
  [[nodiscard]] std::size_t maxsize() const noexcept { return maxsize_; }
  [[nodiscard]] bool empty() const noexcept { return items_.empty(); }
  [[nodiscard]] bool full() const noexcept { return maxsize_ > 0 && items_.size() >= maxsize_; }

 private:
  void require_open() const {
    if (room_.refusing()) {
      throw QueueShutDown();
    }
  }
  void add(T item) {
    items_.push_back(std::move(item));
    ++unfinished_;
    finished_.clear();
    available_.release();
  }
  T take() {
    T item = std::move(items_.front());
    items_.pop_front();
    room_.release();
    return item;
  }

  std::deque<T> items_;
  std::size_t maxsize_;
  std::size_t unfinished_ = 0;
  detail::Permits room_;
  detail::Permits available_{0};
  Event finished_;
};

}  // namespace sluice
