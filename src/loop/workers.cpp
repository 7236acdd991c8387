#include "loop/workers.hpp"

#include <chrono>
#include <new>
#include <utility>

#include "sys/signal_relay.hpp"

namespace sluice::loop {
namespace {

constexpr std::chrono::milliseconds retry_delay{10};

}  // namespace

void Workers::Queue::push_back(std::shared_ptr<Job> job) noexcept {
  Job* const last = job.get();
  (back_ == nullptr ? front_ : back_->next_) = std::move(job);
  back_ = last;
  ++size_;
}

std::shared_ptr<Workers::Job> Workers::Queue::pop_front() noexcept {
  std::shared_ptr<Job> job = std::move(front_);
  if (job != nullptr) {
    front_ = std::move(job->next_);
    if (front_ == nullptr) {
      back_ = nullptr;
    }
    --size_;
  }
  return job;
}

Workers::Workers(AtClose at_close, Post post) : shared_(std::make_shared<Shared>()) {
  shared_->at_close = at_close;
  // One callback for each job: what one done() throws is no business of the next one.
  shared_->announce = [this, post = std::move(post)] { post([this] { deliver(); }); };
}

void Workers::close() noexcept {
  {
    const std::lock_guard lock(shared_->mutex);
    if (std::exchange(shared_->closed, true)) {
      return;
    }
    for (const auto& worker : workers_) {
      if (worker->busy && shared_->at_close == AtClose::abandon) {
        worker->thread.detach();
      }
    }
  }
  shared_->work.notify_all();
  shared_->ended.notify_all();
  // Once closed, no thread looks at those that wait; when all have ended, at nothing.
  drop_all(shared_->waiting);
  for (const auto& worker : workers_) {
    if (worker->thread.joinable()) {
      worker->thread.join();
    }
  }
  drop_all(shared_->finished);
}

void Workers::drop_all(Queue& left) noexcept {
  while (const std::shared_ptr<Job> job = left.pop_front()) {
    job->dropped();
  }
}

void Workers::submit(std::shared_ptr<Job> job) {
  bool all_busy = false;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->waiting.push_back(std::move(job));
    all_busy = shared_->busy + shared_->waiting.size() > workers_.size();
  }
  if (all_busy && workers_.size() < max_threads) {
    try {
      start_worker();
    } catch (...) {
      // Those that run will come to it; without any, nobody would.
      if (workers_.empty()) {
        static_cast<void>(shared_->waiting.pop_front());
        throw;
      }
    }
  }
  shared_->work.notify_one();
}

void Workers::start_worker() {
  auto worker = std::make_shared<Worker>();
  workers_.push_back(worker);
  try {
    // The new thread looks at the worker only under the lock, so it sees the thread stored.
    const std::lock_guard lock(shared_->mutex);
    worker->thread = std::thread([shared = shared_, worker] { run(shared, worker); });
  } catch (...) {
    workers_.pop_back();
    throw;
  }
}

void Workers::run(const std::shared_ptr<Shared>& shared, const std::shared_ptr<Worker>& worker) {
  // Signals are the loop's; and a file that grows too large is to be an error, not a SIGXFSZ.
  sys::SignalRelay::block_in_this_thread();
  std::unique_lock lock(shared->mutex);
  while (true) {
    shared->work.wait(lock, [&] { return shared->closed || !shared->waiting.empty(); });
    if (shared->closed) {
      return;
    }
    std::shared_ptr<Job> job = shared->waiting.pop_front();
    worker->busy = true;
    ++shared->busy;
    lock.unlock();
    job->run();
    lock.lock();
    --shared->busy;
    worker->busy = false;
    if (shared->closed && shared->at_close == AtClose::abandon) {
      return;
    }
    announce(*shared, lock, *job);
    shared->finished.push_back(std::move(job));
  }
}

// All of it under the lock: neither can the workers go away in between, nor does the loop look for
// the job before it is in `finished`.
void Workers::announce(Shared& shared, std::unique_lock<std::mutex>& lock, Job& job) noexcept {
  while (!shared.closed) {
    try {
      shared.announce();
      return;
    } catch (const std::bad_alloc&) {
      // Whoever gave the job would wait for ever.
      job.out_of_memory();
    }
    shared.ended.wait_for(lock, retry_delay);
  }
}

void Workers::deliver() {
  std::shared_ptr<Job> job;
  {
    const std::lock_guard lock(shared_->mutex);
    job = shared_->finished.pop_front();
  }
  job->done();
}

}  // namespace sluice::loop
