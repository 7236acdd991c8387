#include "loop/resolver.hpp"

#include <chrono>
#include <new>
#include <system_error>
#include <utility>

#include "sys/constants.hpp"
#include "sys/signal_relay.hpp"

namespace sluice::loop {
namespace {

constexpr std::chrono::milliseconds retry_delay{10};

}  // namespace

Resolver::Resolver(std::shared_ptr<sys::SystemCalls> sys, Post post)
    : shared_(std::make_shared<Shared>()) {
  shared_->sys = std::move(sys);
  shared_->answer = [this, post = std::move(post)](std::uint64_t id, sys::Resolved resolved) {
    post([this, id, resolved = std::move(resolved)] {
      if (auto node = waiting_.extract(id)) {
        node.mapped()(resolved);
      }
    });
  };
}

Resolver::~Resolver() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->closed = true;
    shared_->jobs.clear();
    for (const auto& worker : workers_) {
      if (worker->busy) {
        worker->thread.detach();
      }
    }
  }
  shared_->work.notify_all();
  for (const auto& worker : workers_) {
    if (worker->thread.joinable()) {
      worker->thread.join();
    }
  }
}

void Resolver::resolve(Query query, Done done) {
  const std::uint64_t id = next_id_++;
  waiting_.emplace(id, std::move(done));
  bool all_busy = false;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->jobs.push_back({id, std::move(query)});
    all_busy = shared_->busy + shared_->jobs.size() > workers_.size();
  }
  if (all_busy && workers_.size() < max_threads) {
    try {
      start_worker();
    } catch (const std::system_error&) {
      // Those that run will come to it; without any, nobody would.
      if (workers_.empty()) {
        const std::lock_guard lock(shared_->mutex);
        shared_->jobs.clear();
        waiting_.erase(id);
        throw;
      }
    }
  }
  shared_->work.notify_one();
}

void Resolver::start_worker() {
  auto worker = std::make_shared<Worker>();
  // The new thread looks at the worker only under the lock, so it sees the thread stored.
  const std::lock_guard lock(shared_->mutex);
  worker->thread = std::thread([shared = shared_, worker] { run(shared, worker); });
  workers_.push_back(std::move(worker));
}

void Resolver::run(const std::shared_ptr<Shared>& shared, const std::shared_ptr<Worker>& worker) {
  sys::SignalRelay::block_in_this_thread();
  std::unique_lock lock(shared->mutex);
  while (true) {
    shared->work.wait(lock, [&] { return shared->closed || !shared->jobs.empty(); });
    if (shared->closed) {
      return;
    }
    const Job job = std::move(shared->jobs.front());
    shared->jobs.pop_front();
    worker->busy = true;
    ++shared->busy;
    lock.unlock();
    sys::Resolved resolved =
        shared->sys->resolve(job.query.host, job.query.port, job.query.family, job.query.passive);
    lock.lock();
    --shared->busy;
    worker->busy = false;
    // Under the lock, so that the resolver cannot go away in between.
    answer(*shared, lock, job.id, std::move(resolved));
  }
}

// An answer that is too large for what memory is left becomes one that says so; when even that does
// not fit, it waits for memory, since whoever asked would wait for ever.
void Resolver::answer(Shared& shared, std::unique_lock<std::mutex>& lock, std::uint64_t id,
                      sys::Resolved resolved) {
  // Under the lock, so that the resolver cannot go away in between.
  while (!shared.closed) {
    try {
      shared.answer(id, std::move(resolved));
      return;
    } catch (const std::bad_alloc&) {
      resolved = {.addresses = {}, .error = sys::no_memory_to_resolve};
    }
    shared.work.wait_for(lock, retry_delay);
  }
}

}  // namespace sluice::loop
