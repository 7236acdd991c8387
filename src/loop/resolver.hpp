#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "sluice/detail/unique_function.hpp"
#include "sys/system_calls.hpp"

namespace sluice::loop {

/// Name resolution off the loop's thread. Threads start when they are needed, at most
/// `max_threads`, and wait for more work. getaddrinfo(3) cannot be interrupted: a thread that is
/// inside one when the resolver is destroyed finishes alone and its answer is thrown away. What the
/// answers are for never leaves the loop's thread.
class Resolver {
 public:
  static constexpr std::size_t max_threads = 4;

  struct Query {
    std::string host;
    std::uint16_t port = 0;
    AddressFamily family = AddressFamily::unspecified;
    bool passive = false;  ///< for listening
  };
  using Done = detail::UniqueFunction<void(const sys::Resolved&)>;
  /// Runs a callback on the loop's thread; called on a resolver's thread.
  using Post = std::function<void(detail::Callback)>;

  Resolver(std::shared_ptr<sys::SystemCalls> sys, Post post);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver();

  /// Resolves and calls `done` on the loop's thread; for want of memory, with EAI_MEMORY. Throws
  /// std::system_error when no thread can start.
  void resolve(Query query, Done done);

 private:
  struct Job {
    std::uint64_t id;
    Query query;
  };
  struct Worker {
    std::thread thread;
    bool busy = false;
  };
  /// What the threads share; they may outlive the resolver.
  struct Shared {
    std::mutex mutex;
    std::condition_variable work;
    std::deque<Job> jobs;
    std::size_t busy = 0;
    bool closed = false;
    std::function<void(std::uint64_t, sys::Resolved)> answer;
    std::shared_ptr<sys::SystemCalls> sys;
  };

  static void run(const std::shared_ptr<Shared>& shared, const std::shared_ptr<Worker>& worker);
  static void answer(Shared& shared, std::unique_lock<std::mutex>& lock, std::uint64_t id,
                     sys::Resolved resolved);
  void start_worker();

  std::shared_ptr<Shared> shared_;
  std::list<std::shared_ptr<Worker>> workers_;
  std::map<std::uint64_t, Done> waiting_;
  std::uint64_t next_id_ = 0;
};

}  // namespace sluice::loop
