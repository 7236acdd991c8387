#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include "sluice/detail/unique_function.hpp"

namespace sluice::loop {

/// Threads for calls of the system that block. They start when they are needed, at most
/// `max_threads`, take work in the order it was given, and wait for more. What a piece of work is
/// for is heard of, and ends, on the loop's thread only.
class Workers {
 public:
  static constexpr std::size_t max_threads = 4;

  /// A piece of work. May be given again once done() was called.
  class Job {
   public:
    Job() = default;
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    virtual ~Job() = default;

    /// On a thread of the workers.
    virtual void run() noexcept = 0;
    /// On the same thread, after run(): there is no memory to tell the loop that it has ended,
    /// which is tried again and again. What can be done without may be given back.
    virtual void out_of_memory() noexcept {}
    /// On the loop's thread, after run().
    virtual void done() = 0;
    /// On the loop's thread, instead of done(): the workers were closed, and run() has returned or
    /// will never be called.
    virtual void dropped() noexcept = 0;

   private:
    friend class Workers;
    std::shared_ptr<Job> next_;
  };

  /// What close() does about work that a thread is at.
  enum class AtClose : std::uint8_t {
    wait,     ///< It waits for its end.
    abandon,  ///< It leaves it alone: neither done() nor dropped() is called. Such a job may use
              ///< only what it owns, and dies on the other thread.
  };
  /// Runs a callback on the loop's thread; called on any thread.
  using Post = std::function<void(detail::Callback)>;

  Workers(AtClose at_close, Post post);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() { close(); }

  /// Keeps `job` until done() or dropped() has returned. Allocates nothing unless a thread has to
  /// be started; throws std::system_error when none runs and none can be, the job is let go then.
  /// Not to be called once closed.
  void submit(std::shared_ptr<Job> job);
  /// Drops the jobs that no thread has begun, ends the threads, and drops what they have done
  /// since. The second call does nothing.
  void close() noexcept;

 private:
  /// First in, first out; linked through the jobs.
  class Queue {
   public:
    [[nodiscard]] bool empty() const noexcept { return front_ == nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    void push_back(std::shared_ptr<Job> job) noexcept;
    [[nodiscard]] std::shared_ptr<Job> pop_front() noexcept;

   private:
    std::shared_ptr<Job> front_;
    Job* back_ = nullptr;
    std::size_t size_ = 0;
  };
  struct Worker {
    std::thread thread;
    bool busy = false;
  };
  /// What the threads share; abandoned ones outlive the workers.
  struct Shared {
    std::mutex mutex;
    std::condition_variable work;
    std::condition_variable ended;  // `closed` has become true
    Queue waiting;
    Queue finished;
    std::size_t busy = 0;
    bool closed = false;
    AtClose at_close = AtClose::wait;
    std::function<void()> announce;  // that there is one more in `finished`
  };

  static void run(const std::shared_ptr<Shared>& shared, const std::shared_ptr<Worker>& worker);
  static void announce(Shared& shared, std::unique_lock<std::mutex>& lock, Job& job) noexcept;
  static void drop_all(Queue& left) noexcept;
  void start_worker();
  void deliver();

  std::shared_ptr<Shared> shared_;
  std::list<std::shared_ptr<Worker>> workers_;
};

}  // namespace sluice::loop
