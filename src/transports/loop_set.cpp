#include "transports/loop_set.hpp"

#include <algorithm>

#include "sys/signal_relay.hpp"

namespace sluice::transports {

class LoopSet::Running {
 public:
  explicit Running(LoopSet& set) : set_(&set) {
    if (set.first().is_closed()) {
      throw std::logic_error("Loop group is closed");
    }
    std::uint64_t idle = set.phase_;
    if (idle % 2 == 1 || !set.phase_.compare_exchange_strong(idle, idle + 1)) {
      throw std::logic_error("This loop group is already running");
    }
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() { ++set_->phase_; }

 private:
  LoopSet* set_;
};

LoopSet::LoopSet(std::size_t count, const LoopOptions& options) {
  for (std::size_t i = 0; i < count; ++i) {
    loops_.push_back(std::make_unique<EventLoop>(options));
  }
}

void LoopSet::run(detail::UniqueFunction<void()> run_first) {
  const Running running(*this);
  std::vector<std::exception_ptr> failures(size());
  std::vector<std::thread> threads;
  try {
    start_others(threads, failures);
    // Where stop() was called before the run, its callback may be gone: the first loop has run by
    // itself since.
    if (run_to_stop_ == phase_) {
      ask_to_stop(0);
    }
    run_first();
  } catch (...) {
    failures.front() = std::current_exception();
  }
  for (std::size_t i = 1; i <= threads.size(); ++i) {
    ask_to_stop(i);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  const auto failed =
      std::ranges::find_if(failures, [](const auto& each) { return each != nullptr; });
  if (failed != failures.end()) {
    std::rethrow_exception(*failed);
  }
}

void LoopSet::start_others(std::vector<std::thread>& threads,
                           std::vector<std::exception_ptr>& failures) {
  threads.reserve(size() - 1);
  // No signal may find a thread that has not blocked it yet.
  const sys::SignalsBlocked blocked;
  for (std::size_t i = 1; i < size(); ++i) {
    threads.emplace_back([this, i, &failures] { run_other(i, failures[i]); });
  }
}

// A loop that has stopped serves nobody, and the kernel would go on giving it connections: the
// others stop as well.
void LoopSet::run_other(std::size_t index, std::exception_ptr& failure) noexcept {
  try {
    loops_[index]->run_forever();
  } catch (...) {
    failure = std::current_exception();
  }
  ask_to_stop(0);
}

// What finds its loop stopped already waits there, and must stop neither a later run nor the loop
// when it runs by itself.
void LoopSet::ask_to_stop(std::size_t index) noexcept {
  post(index, [this, index, run = phase_.load()] { stop_if_in(run, index); });
}

void LoopSet::stop_if_in(std::uint64_t run, std::size_t index) const {
  if (phase_ == run) {
    loops_[index]->stop();
  }
}

void LoopSet::stop() {
  const std::uint64_t phase = phase_;
  const std::uint64_t run = phase % 2 == 1 ? phase : phase + 1;
  // Before the callback is queued: a run that begins after that one ran must know.
  std::uint64_t earlier = run_to_stop_;
  while (earlier < run && !run_to_stop_.compare_exchange_weak(earlier, run)) {
  }
  first().call_soon_threadsafe([this, run] { stop_if_in(run, 0); });
}

void LoopSet::close() {
  if (is_running()) {
    throw std::logic_error("Cannot close a running loop group");
  }
  for (const auto& loop : loops_) {
    loop->close();
  }
}

}  // namespace sluice::transports
