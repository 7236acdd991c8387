#include "loop/loop_core.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/check.hpp"
#include "sluice/detail/task_context.hpp"
#include "sluice/transport.hpp"

namespace sluice::loop {
namespace {

// Which loop runs in this thread: the rule that there is one belongs to the thread, not to a loop
// (W-170).
thread_local const LoopCore* running_in_this_thread = nullptr;

}  // namespace

// Futures outlive the loop; this is all they keep of it.
class LoopCore::SchedulerOfLoop final : public detail::Scheduler {
 public:
  explicit SchedulerOfLoop(LoopCore& loop) noexcept : loop_(&loop) {}

  void schedule(detail::Callback callback) override {
    if (loop_ != nullptr) {
      loop_->soon(std::move(callback));
    }
  }
  bool resume_at_once(detail::TaskContext& task) noexcept override {
    return loop_ != nullptr && loop_->resume_at_once(task);
  }
  void report_never_retrieved(std::exception_ptr exception) noexcept override {
    if (loop_ != nullptr) {
      loop_->call_exception_handler({"Future exception was never retrieved", std::move(exception)});
    }
  }
  void start(detail::TaskContext& task) override {
    if (loop_ == nullptr) {
      task.drop();
      return;
    }
    tasks_.push_back(task);
    loop_->soon([task = task.share()] { task->start(); });
  }
  void warn(std::string_view message) noexcept override {
    if (loop_ != nullptr) {
      loop_->log()->write(LogLevel::warning, message);
    }
  }
  // Unfinished tasks end where they stand: their locals are destroyed, innermost first.
  void detach() noexcept {
    loop_ = nullptr;
    while (detail::TaskContext* const task = tasks_.pop_front()) {
      task->drop();
    }
  }

 private:
  LoopCore* loop_;
  detail::Ring<detail::TaskContext> tasks_;
};

// What holds while run_forever is on the stack.
class LoopCore::RunScope {
 public:
  explicit RunScope(LoopCore& loop) noexcept : loop_(loop) {
    loop_.state_ = State::running;
    loop_.thread_ = std::this_thread::get_id();
    running_in_this_thread = &loop;
  }
  RunScope(const RunScope&) = delete;
  RunScope& operator=(const RunScope&) = delete;
  ~RunScope() {
    loop_.state_ = State::idle;
    loop_.thread_ = std::thread::id();
    loop_.stop_requested_ = false;
    loop_.inbox_.tell_what_is_posted();
    running_in_this_thread = nullptr;
  }

 private:
  LoopCore& loop_;
};

LoopCore::LoopCore(LoopOptions options)
    : options_(std::move(options)),
      sys_(options_.system_calls ? options_.system_calls : sys::linux_system_calls()),
      log_(std::make_shared<Log>(options_.log, options_.debug)),
      nodes_(new NodePool(timers_)),
      reactor_(*sys_),
      inbox_(*sys_, reactor_),
      signals_(*this),
      shared_descriptions_(*sys_),
      scheduler_(std::make_shared<SchedulerOfLoop>(*this)) {
  soon_path_.pool = nodes_.get();
  soon_path_.posted = &inbox_.posted();
  soon_path_.open = soon_needs_no_look();
  graveyard_.reserve(kept_graves);
  spare_graveyard_.reserve(kept_graves);
}

LoopCore::~LoopCore() {
  close();
}

void LoopCore::close() {
  if (state_ == State::closed) {
    return;
  }
  if (state_ == State::running) {
    throw std::logic_error("Cannot close a running event loop");
  }
  state_ = State::closed;
  soon_path_.open = false;
  inbox_.close();
  signals_.close();
  resolver_.reset();
  residents_.steal(departing_);
  while (!residents_.empty()) {
    residents_.pop_front().drop();
  }
  // After the residents: what comes back from a file finds its transport dead, and calls nobody.
  if (file_workers_) {
    file_workers_->close();
  }
  // What the callbacks captured may, when destroyed, still look at the loop; it is closed, nothing
  // is queued.
  soon_path_.ready.clear();
  posted_.clear();
  arrived_.clear();
  next_arrived_ = 0;
  while (CallbackNode* const timer = timers_.pop_any()) {
    static_cast<void>(NodeRef(timer));
  }
  segment_pool_.release_owners();
  empty_graveyard();
  static_cast<SchedulerOfLoop&>(*scheduler_).detach();
  exception_handler_.reset();
  reactor_.close();
}

void LoopCore::throw_closed() {
  throw std::logic_error("Event loop is closed");
}

void LoopCore::require_thread() const {
  const std::thread::id running_in = thread_.load(std::memory_order_relaxed);
  if (running_in != std::thread::id() && running_in != std::this_thread::get_id()) {
    throw std::logic_error(
        "Non-thread-safe operation invoked on an event loop other than the current one");
  }
}

CallbackNode* LoopCore::unqueued_node() {
  check_usable();
  return nodes_->take();
}

CallbackNode* LoopCore::node_of(detail::Callback&& callback) {
  CallbackNode* const node = nodes_->take();
  node->callback.fill(std::move(callback));
  return node;
}

void LoopCore::soon(CallbackNode& node) noexcept {
  detail::retain(&node);
  enqueue(NodeRef(&node));
}

void LoopCore::enqueue(NodeRef node) noexcept {
  if (has_posted()) {
    collect_posted();
  }
  soon_path_.ready.push_back(std::move(node));
}

void LoopCore::later(std::chrono::nanoseconds delay, CallbackNode& node) {
  look_at_clock();
  // The largest delays mean never; added up they would not fit.
  at(last_seen_ +
         std::clamp(delay, std::chrono::nanoseconds::zero(), TimePoint::max() - last_seen_),
     node);
}

void LoopCore::at(TimePoint when, CallbackNode& node) {
  timers_.add(when, node);
  detail::retain(&node);
  node.kind = CallbackNode::Kind::timer;
  node.due = when;
}

Handle LoopCore::call_soon(detail::Callback&& callback) {
  check_usable();
  CallbackNode* const node = node_of(std::move(callback));
  Handle handle(node);
  soon(*node);
  return handle;
}

TimerHandle LoopCore::call_at(TimePoint when, detail::Callback&& callback) {
  check_usable();
  CallbackNode* const node = node_of(std::move(callback));
  TimerHandle handle(node);
  at(when, *node);
  return handle;
}

void LoopCore::call_soon_threadsafe(detail::Callback&& callback) {
  if (!inbox_.post(callback)) {
    throw_closed();
  }
}

void LoopCore::soon(detail::Callback&& callback) {
  if (state_ != State::closed) {
    enqueue(NodeRef(node_of(std::move(callback))));
  }
}

void LoopCore::depart_soon(Resident& resident, std::shared_ptr<void> self) noexcept {
  try {
    soon([&resident, kept = std::move(self)] { resident.depart(); });
  } catch (const std::bad_alloc&) {
    resident.unlink();
    departing_.push_back(resident);
  }
}

// What there is no memory for waits, in its order, for the next turn.
void LoopCore::collect_posted() noexcept {
  if (next_arrived_ == arrived_.size()) {
    arrived_.clear();
    next_arrived_ = 0;
    give_back_after_burst(arrived_);
    arrived_ = inbox_.take(std::move(arrived_));
  }
  try {
    while (next_arrived_ < arrived_.size()) {
      soon_path_.ready.push_back(NodeRef(node_of(std::move(arrived_[next_arrived_]))));
      ++next_arrived_;
    }
  } catch (const std::bad_alloc&) {
    // The rest is looked after by has_posted().
  }
  soon_path_.open = soon_needs_no_look();
}

TimerHandle LoopCore::later(std::chrono::nanoseconds delay, detail::Callback&& callback) {
  if (state_ == State::closed) {
    return {};
  }
  CallbackNode* const node = node_of(std::move(callback));
  TimerHandle handle(node);
  later(delay, *node);
  return handle;
}

void LoopCore::run_forever() {
  check_usable();
  if (state_ == State::running) {
    throw std::logic_error("This event loop is already running");
  }
  if (running_in_this_thread != nullptr) {
    throw std::logic_error("Cannot run the event loop while another loop is running");
  }
  const RunScope scope(*this);
  do {
    run_turn();
  } while (!stop_requested_);
  // What a resume_writing wrote during the last flush must not wait for the next run.
  flush_dirty();
  empty_graveyard();
}

// One turn of the loop; its steps are numbered in docs/loop-turn.md.
void LoopCore::run_turn() {
  // 1, 2
  reactor_.poll(poll_timeout());
  inbox_.forgo_wake_up();
  ++ground_.polls;
  // 3
  if (options_.write_policy == WritePolicy::coalesce) {
    ground_.timing = core::WriteTiming::end_of_turn;
  }
  if (has_posted()) {
    take_posted();
  }
  // Taken before anything runs: what is queued meanwhile waits for the next turn (W-162).
  NodeQueue batch = std::move(soon_path_.ready);
  core::IntrusiveList<Resident, ResidentTag> departing;
  departing.steal(departing_);
  core::IntrusiveList<Watcher, ServiceTag> owed;
  owed.steal(owed_);
  NodeQueue due = take_due();
  run_batch(batch);
  if (!posted_.empty()) {
    run_posted();
  }
  while (!departing.empty()) {
    Resident& resident = departing.pop_front();
    timed([&] { guarded("Exception in callback", nullptr, nullptr, [&] { resident.depart(); }); });
  }
  while (const std::optional<Reactor::Ready> ready = reactor_.next()) {
    // What is owed and what has happened now is one service, not two (W-154).
    ready->watcher->unlink();
    serve(*ready->watcher, ready->events);
  }
  while (!owed.empty()) {
    serve(owed.pop_front(), {});
  }
  run_batch(due);
  // 4
  flush_dirty();
  segment_pool_.release_owners();
  ground_.timing = core::WriteTiming::at_once;
  empty_graveyard();
}

// What is to run behind the queue. As a rule nobody has asked for its place in there, and it runs
// from where it was posted to.
void LoopCore::take_posted() noexcept {
  if (next_arrived_ < arrived_.size()) {
    collect_posted();
  } else if (posted_.empty()) {
    posted_ = inbox_.take(std::move(posted_));
  }
}

// Its memory serves the next posts; that of many would never be given back.
void LoopCore::give_back_after_burst(std::vector<detail::Callback>& empty) noexcept {
  if (empty.capacity() > kept_posts) {
    std::vector<detail::Callback>().swap(empty);
  }
}

void LoopCore::run_posted() {
  for (detail::Callback& callback : posted_) {
    run(callback);
  }
  posted_.clear();
  give_back_after_burst(posted_);
}

NodeQueue LoopCore::take_due() {
  NodeQueue due;
  if (timers_.size() > 0) {
    look_at_clock();
    while (CallbackNode* const node = timers_.pop_due(last_seen_)) {
      // No longer a timer in the queue, for who cancels it.
      node->kind = CallbackNode::Kind::ready;
      due.push_back(NodeRef(node));
    }
  }
  return due;
}

std::optional<std::chrono::nanoseconds> LoopCore::poll_timeout() {
  if (!soon_path_.ready.empty() || has_posted() || !departing_.empty() || stop_requested_ ||
      !owed_.empty() || !dirty_.empty() || !graveyard_.empty() || segment_pool_.owners_wait()) {
    return std::chrono::nanoseconds::zero();
  }
  const std::optional<TimePoint> due = timers_.next_due();
  // What was due when the clock was last looked at is due now.
  if (due && *due <= last_seen_) {
    return std::chrono::nanoseconds::zero();
  }
  // From here on a post wakes the poll; what was posted before is seen here.
  if (!inbox_.expect_wake_up()) {
    return std::chrono::nanoseconds::zero();
  }
  if (!due) {
    return std::nullopt;
  }
  // The difference of a time in the far past would not fit.
  const TimePoint now = time();
  return *due > now ? *due - now : std::chrono::nanoseconds::zero();
}

void LoopCore::run_batch(NodeQueue& batch) {
  while (!batch.empty()) {
    const NodeRef node = batch.pop_front();
    if (!node.cancelled()) {
      run_node(*node);
    }
  }
}

void LoopCore::run_node(CallbackNode& node) {
  node.state = CallbackNode::State::done;
  run(node.callback);
}

void LoopCore::run(detail::Callback& callback) {
  timed([&] {
    guarded("Exception in callback", nullptr, nullptr, [&] { callback(); });
    // Destroyed here, not with the batch: what it captured should not outlive its run.
    callback.reset();
  });
}

void LoopCore::serve(Watcher& watcher, IoEvents events) {
  events.add(std::exchange(watcher.owed, {}));
  timed([&] {
    serving_ = true;
    guarded("Exception while serving a descriptor", nullptr, nullptr,
            [&] { watcher.on_io(events); });
    serving_ = false;
  });
}

// In debug mode, tells which callbacks hold up the loop (W-175).
template <class Run>
void LoopCore::timed(Run run) {
  if (!options_.debug) {
    run();
    return;
  }
  const TimePoint start = time();
  run();
  warn_if_slow(time() - start);
}

void LoopCore::warn_if_slow(std::chrono::nanoseconds took) {
  if (took >= options_.slow_callback_duration) {
    const double in_seconds = std::chrono::duration<double>(took).count();
    log_->write(LogLevel::warning,
                "Executing a callback took " + std::to_string(in_seconds) + " seconds");
  }
}

void LoopCore::flush_dirty() {
  core::IntrusiveList<Flushable, FlushTag> now;
  now.steal(dirty_);
  dirty_.steal(dirty_next_turn_);
  while (!now.empty()) {
    Flushable& dirty = now.pop_front();
    if (!now.empty()) {
      fetch_ahead(now.front());
    }
    guarded("Exception while flushing", nullptr, nullptr, [&] { dirty.on_end_of_turn(); });
  }
}

void LoopCore::empty_graveyard() {
  if (graveyard_.empty()) {
    return;
  }
  // What dies may bury others.
  std::vector<std::shared_ptr<void>> dead =
      std::exchange(graveyard_, std::exchange(spare_graveyard_, {}));
  dead.clear();
  // After a great dying the memory is given back.
  if (dead.capacity() <= 16 * kept_graves) {
    spare_graveyard_ = std::move(dead);
  }
}

void LoopCore::request_flush(Flushable& flushable) noexcept {
  if (!flushable.linked() && state_ != State::closed) {
    dirty_.push_back(flushable);
  }
}

void LoopCore::flush_early(Flushable& flushable) {
  if (ground_.timing == core::WriteTiming::end_of_turn && flushable.linked()) {
    flushable.unlink();
    flushable.on_end_of_turn();
    // One burst for each turn: what is left waits as if the turn's end had left it.
    if (flushable.linked()) {
      flushable.unlink();
      dirty_next_turn_.push_back(flushable);
    }
  }
}

bool LoopCore::resume_at_once(detail::TaskContext& task) noexcept {
  if (!serving_ || !soon_path_.ready.empty() || has_posted() || !departing_.empty()) {
    return false;
  }
  serving_ = false;
  guarded("Exception in callback", nullptr, nullptr, [&] { task.resume(); });
  serving_ = true;
  return true;
}

void LoopCore::request_service(Watcher& watcher, const IoEvents& events) noexcept {
  watcher.owed.add(events);
  if (!watcher.linked() && state_ != State::closed) {
    owed_.push_back(watcher);
  }
}

void LoopCore::bury(std::shared_ptr<void> object) noexcept {
  try {
    graveyard_.push_back(std::move(object));
  } catch (const std::bad_alloc&) {
    // Rather never freed than freed under whoever uses it.
    alignas(std::shared_ptr<void>) std::array<std::byte, sizeof(object)> grave;
    new (grave.data()) std::shared_ptr<void>(std::move(object));
  }
}

Workers::Post LoopCore::post_to_inbox() {
  return [this](detail::Callback callback) { static_cast<void>(inbox_.post(callback)); };
}

Resolver& LoopCore::resolver() {
  if (!resolver_) {
    resolver_ = std::make_unique<Resolver>(sys_, post_to_inbox());
  }
  return *resolver_;
}

Workers& LoopCore::file_workers() {
  if (!file_workers_) {
    file_workers_ = std::make_unique<Workers>(Workers::AtClose::wait, post_to_inbox());
  }
  return *file_workers_;
}

std::span<std::byte> LoopCore::read_memory() {
  if (!read_memory_) {
    read_memory_ = core::make_fast_copy_memory(max_read_bytes);
  }
  return {read_memory_.get(), max_read_bytes};
}

std::span<std::byte> LoopCore::datagram_memory() {
  if (!datagram_memory_) {
    datagram_memory_ = core::make_fast_copy_memory(datagram_bytes);
  }
  return {datagram_memory_.get(), datagram_bytes};
}

void LoopCore::set_exception_handler(
    detail::UniqueFunction<void(const ExceptionContext&)> handler) {
  // Shared: a handler may replace itself while it runs.
  exception_handler_ =
      handler ? std::make_shared<detail::UniqueFunction<void(const ExceptionContext&)>>(
                    std::move(handler))
              : nullptr;
}

void LoopCore::call_exception_handler(const ExceptionContext& context) noexcept {
  const auto handler = exception_handler_;
  if (!handler) {
    default_exception_handler(context);
    return;
  }
  try {
    (*handler)(context);
  } catch (...) {
    default_exception_handler({"Unhandled error in exception handler", std::current_exception()});
    default_exception_handler(context);
  }
}

void LoopCore::default_exception_handler(const ExceptionContext& context) noexcept {
  try {
    std::ostringstream text;
    text << context.message;
    if (context.exception) {
      text << "\nexception: " << context.what();
    }
    if (context.protocol != nullptr) {
      text << "\nprotocol: " << static_cast<const void*>(context.protocol);
    }
    if (context.transport != nullptr) {
      text << "\ntransport: " << static_cast<const void*>(context.transport)
           << " of file descriptor " << context.transport->fileno();
    }
    log_->write(LogLevel::error, text.str());
  } catch (...) {
    log_->write(LogLevel::error, "an exception could not be reported for want of memory");
  }
}

}  // namespace sluice::loop
