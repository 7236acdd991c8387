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
    if (set.running_.exchange(true)) {
      throw std::logic_error("This loop group is already running");
    }
    ++set.runs_;
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() { set_->running_ = false; }

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
    threads.reserve(size() - 1);
    for (std::size_t i = 1; i < size(); ++i) {
      threads.emplace_back([this, i, &failures] { run_other(i, failures[i]); });
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

// A loop that has stopped serves nobody, and the kernel would go on giving it connections: the
// others stop as well.
void LoopSet::run_other(std::size_t index, std::exception_ptr& failure) noexcept {
  sys::SignalRelay::block_in_this_thread();
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
  post(index, [this, index, run = runs_] {
    if (running_ && run == runs_) {
      loops_[index]->stop();
    }
  });
}

void LoopSet::close() {
  if (running_) {
    throw std::logic_error("Cannot close a running loop group");
  }
  for (const auto& loop : loops_) {
    loop->close();
  }
}

}  // namespace sluice::transports
