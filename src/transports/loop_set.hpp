#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "sluice/detail/unique_function.hpp"
#include "sluice/event_loop.hpp"

namespace sluice::transports {

/// The loops of a group and how they run together. Outlives its group, closed, as long as a server
/// of the group is held.
class LoopSet {
 public:
  /// Throws std::system_error; std::invalid_argument for no loop.
  LoopSet(std::size_t count, const LoopOptions& options);

  [[nodiscard]] std::size_t size() const noexcept { return loops_.size(); }
  [[nodiscard]] EventLoop& at(std::size_t index) const { return *loops_.at(index); }
  [[nodiscard]] EventLoop& first() const noexcept { return *loops_.front(); }

  /// `run_first` runs the first loop, while each other loop runs on a thread; returns when all have
  /// stopped. See LoopGroup::run_forever.
  void run(detail::UniqueFunction<void()> run_first);
  [[nodiscard]] bool is_running() const noexcept { return phase_ % 2 == 1; }
  /// Ends the run that the set is in, or else the next one after a turn; never another. Any thread.
  /// Throws std::logic_error when closed.
  void stop();
  void close();

  /// Runs `callback` on the thread of a loop, from any thread. When the loop is closed, it is
  /// destroyed unrun; without memory, waits for some.
  template <class F>
  void post(std::size_t index, const F& callback) const noexcept {
    while (!try_to_post(index, callback)) {
      // Another thread may give some back.
      std::this_thread::yield();
    }
  }

 private:
  class Running;

  template <class F>
  [[nodiscard]] bool try_to_post(std::size_t index, const F& callback) const noexcept {
    try {
      loops_[index]->call_soon_threadsafe(callback);
    } catch (const std::bad_alloc&) {
      return false;
    } catch (const std::logic_error&) {
      return true;
    }
    return true;
  }
  void run_other(std::size_t index, std::exception_ptr& failure) noexcept;
  void start_others(std::vector<std::thread>& threads, std::vector<std::exception_ptr>& failures);
  void ask_to_stop(std::size_t index) noexcept;
  void stop_if_in(std::uint64_t run, std::size_t index) const;

  std::vector<std::unique_ptr<EventLoop>> loops_;
  // One more with each start and each end of a run: odd while running, and then the run's name.
  std::atomic<std::uint64_t> phase_ = 0;
  std::atomic<std::uint64_t> run_to_stop_ = 0;  // the latest that stop() meant
};

}  // namespace sluice::transports
