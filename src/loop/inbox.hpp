#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <vector>

#include "loop/reactor.hpp"
#include "loop/watcher.hpp"
#include "sluice/detail/unique_function.hpp"
#include "sys/system_calls.hpp"

namespace sluice::loop {

/// Callbacks from other threads, and the eventfd that wakes the loop for them. post() is the only
/// function of the loop that may be called from any thread.
class Inbox final : public Watcher {
 public:
  /// Throws std::system_error when the system has no descriptors left.
  Inbox(sys::SystemCalls& sys, Reactor& reactor);
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;
  ~Inbox() { close(); }

  /// Any thread. Queues `callback` and wakes the loop if it expects that. Returns false, with
  /// nothing done, once closed.
  [[nodiscard]] bool post(detail::Callback& callback);
  /// Loop thread: whether take() would give anything that was posted before this call.
  [[nodiscard]] bool has_posted() const noexcept {
    return has_posted_.load(std::memory_order_acquire);
  }
  /// The same, for who asks often.
  [[nodiscard]] const std::atomic<bool>& posted() const noexcept { return has_posted_; }
  /// Loop thread, before it may sleep: the next post wakes it. False if one has come already, which
  /// may not.
  [[nodiscard]] bool expect_wake_up() noexcept;
  /// Loop thread, awake: it looks at what is posted before it sleeps, and nobody needs to wake it.
  void forgo_wake_up() noexcept { wake_up_expected_.store(false, std::memory_order_relaxed); }
  /// Loop thread, between two runs: expects a wake-up, and if a post came while none was expected
  /// does it itself. So the descriptor tells of every post that the last turn has not taken.
  void tell_what_is_posted() noexcept;
  /// Loop thread: exchanges what has been posted since the last call, in order, for `empty`, whose
  /// memory serves the next posts.
  [[nodiscard]] std::vector<detail::Callback> take(std::vector<detail::Callback> empty = {});
  /// Loop thread: refuses everything from now on, destroys what is queued, closes the eventfd.
  void close();

  void on_io(IoEvents events) override;

 private:
  void wake() noexcept;

  sys::SystemCalls* sys_;
  Reactor* reactor_;
  int event_fd_ = -1;
  std::mutex mutex_;
  std::vector<detail::Callback> posted_;  // guarded by mutex_
  bool closed_ = false;                   // guarded by mutex_
  // The loop looks at these in every turn, so they are not where each post writes.
  alignas(cache_line_bytes) std::atomic<bool> has_posted_ = false;  // written under mutex_
  std::atomic<bool> wake_up_expected_ = true;
};

}  // namespace sluice::loop
