#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "core/check.hpp"
#include "core/common_ground.hpp"
#include "core/fast_copy.hpp"
#include "core/intrusive_list.hpp"
#include "core/segment_pool.hpp"
#include "core/write_side.hpp"
#include "loop/callback_node.hpp"
#include "loop/inbox.hpp"
#include "loop/log.hpp"
#include "loop/reactor.hpp"
#include "loop/resolver.hpp"
#include "loop/shared_descriptions.hpp"
#include "loop/signals.hpp"
#include "loop/watcher.hpp"
#include "loop/workers.hpp"
#include "sluice/detail/scheduler.hpp"
#include "sluice/exception_context.hpp"
#include "sluice/handle.hpp"
#include "sluice/options.hpp"
#include "sys/system_calls.hpp"

namespace sluice::loop {

struct ResidentTag;

/// What the loop keeps alive until it ends by itself or the loop is closed: transports, servers,
/// attempts to connect.
class Resident : public core::ListHook<ResidentTag> {
 public:
  /// The loop is closing: let go of everything, tell nobody.
  virtual void drop() noexcept = 0;
  /// What LoopCore::depart_soon() was asked for.
  virtual void depart() {}

 protected:
  ~Resident() = default;
};

/// The event loop without its facade: one turn, and what transports need of a loop.
class LoopCore {
 public:
  /// The most that one read takes (asyncio: max_size).
  static constexpr std::size_t max_read_bytes = 256 * 1024;

  /// The memory for one batch of datagrams: 16 of the longest that IP has.
  static constexpr std::size_t datagram_bytes = 16UL * 64 * 1024;

  /// So many objects can be buried in one turn, and twice as many in two, without memory.
  static constexpr std::size_t kept_graves = 64;
  /// How many callbacks of other threads the memory is kept for.
  static constexpr std::size_t kept_posts = 4096;

  explicit LoopCore(LoopOptions options);
  LoopCore(const LoopCore&) = delete;
  LoopCore& operator=(const LoopCore&) = delete;
  ~LoopCore();

  // For the facade; see sluice/event_loop.hpp.
  void run_forever();
  void stop() noexcept { stop_requested_ = true; }
  void close();
  [[nodiscard]] bool is_running() const noexcept { return state_ == State::running; }
  [[nodiscard]] bool is_closed() const noexcept { return state_ == State::closed; }
  [[nodiscard]] TimePoint time() const { return sys_->now(); }
  /// The same, remembered: a timer that is due by then needs no other look.
  TimePoint look_at_clock() { return last_seen_ = time(); }
  /// For a callback that is then given to one of the following; it has one reference.
  [[nodiscard]] CallbackNode* unqueued_node();
  [[nodiscard]] detail::SoonPath& soon_path() noexcept { return soon_path_; }
  /// These take a reference of their own.
  void soon(CallbackNode& node) noexcept;
  void later(std::chrono::nanoseconds delay, CallbackNode& node);
  void at(TimePoint when, CallbackNode& node);
  Handle call_soon(detail::Callback&& callback);
  TimerHandle call_at(TimePoint when, detail::Callback&& callback);
  void call_soon_threadsafe(detail::Callback&& callback);
  void set_exception_handler(detail::UniqueFunction<void(const ExceptionContext&)> handler);
  void call_exception_handler(const ExceptionContext& context) noexcept;
  [[nodiscard]] const std::shared_ptr<detail::Scheduler>& scheduler() const noexcept {
    return scheduler_;
  }
  [[nodiscard]] Signals& signals() noexcept { return signals_; }
  /// Throws std::logic_error when closed, or as check_thread().
  void check_usable() const {
    if (state_ == State::closed) {
      throw_closed();
    }
    check_thread();
  }
  /// Throws std::logic_error when another thread runs the loop; only in debug mode and debug builds
  /// (W-171).
  void check_thread() const {
    if (options_.debug || core::debug_checks) {
      require_thread();
    }
  }

  // For transports.
  /// call_soon for our own use: once the loop is closed, the callback is destroyed unrun.
  void soon(detail::Callback&& callback);
  /// The same with a time.
  [[nodiscard]] TimerHandle later(std::chrono::nanoseconds delay, detail::Callback&& callback);
  /// on_end_of_turn() once at the end of this turn, or of the next one when no turn is running.
  void request_flush(Flushable& flushable) noexcept;
  /// If that was asked for under coalesce, does it now: for those whose own event this is, since
  /// what answers it need not wait for what others have to do.
  void flush_early(Flushable& flushable);
  /// For a task that the event of a descriptor has woken: resumes it now, if it is that event's
  /// turn and nothing is queued that would have run before. Returns whether it did.
  [[nodiscard]] bool resume_at_once(detail::TaskContext& task) noexcept;
  /// on_io(events) among the events of the next turn.
  void request_service(Watcher& watcher, const IoEvents& events) noexcept;
  /// Calls depart() in the next turn, as soon() would. `self` keeps the resident alive until then;
  /// without memory for that it is up to the resident.
  void depart_soon(Resident& resident, std::shared_ptr<void> self) noexcept;
  void add_resident(Resident& resident) noexcept { residents_.push_back(resident); }
  /// Keeps `object` alive until the turn has ended, so that nothing dies under a function on the
  /// stack; for ever when there is no memory to note it.
  void bury(std::shared_ptr<void> object) noexcept;
  /// Runs `callout` into the user's code; what it throws goes to the exception handler, with
  /// `message`. Returns the exception, or null.
  template <class Callout>
  std::exception_ptr guarded(const char* message, BaseTransport* transport, BaseProtocol* protocol,
                             Callout callout) noexcept {
    try {
      callout();
      return nullptr;
    } catch (...) {
      call_exception_handler({message, std::current_exception(), transport, protocol});
      return std::current_exception();
    }
  }
  /// Outlives the loop.
  [[nodiscard]] const std::shared_ptr<Log>& log() const noexcept { return log_; }
  [[nodiscard]] sys::SystemCalls& sys() noexcept { return *sys_; }
  /// For what may outlive the loop.
  [[nodiscard]] const std::shared_ptr<sys::SystemCalls>& shared_sys() const noexcept {
    return sys_;
  }
  [[nodiscard]] Reactor& reactor() noexcept { return reactor_; }
  [[nodiscard]] Resolver& resolver();
  /// The threads that wait for files.
  [[nodiscard]] Workers& file_workers();
  [[nodiscard]] SharedDescriptions& shared_descriptions() noexcept { return shared_descriptions_; }
  [[nodiscard]] core::SegmentPool& segment_pool() noexcept { return segment_pool_; }
  [[nodiscard]] const core::CommonGround& ground() const noexcept { return ground_; }
  /// The memory that all transports read into, one after the other.
  [[nodiscard]] std::span<std::byte> read_memory();
  /// The same for datagrams; a page of it that no datagram reaches is never touched.
  [[nodiscard]] std::span<std::byte> datagram_memory();

 private:
  enum class State : std::uint8_t {
    idle,     ///< Between runs; callbacks wait.
    running,  ///< Inside run_forever.
    closed,   ///< Everything is freed; only destruction is left.
  };
  class SchedulerOfLoop;
  class RunScope;

  [[noreturn]] static void throw_closed();
  void require_thread() const;
  [[nodiscard]] Workers::Post post_to_inbox();
  void run_turn();
  // Appends to the queue what call_soon_threadsafe has been given: it was there first (W-166).
  void collect_posted() noexcept;
  [[nodiscard]] bool has_posted() const noexcept {
    return next_arrived_ < arrived_.size() || inbox_.has_posted();
  }
  // With one reference. Without memory the callback stays with the caller.
  [[nodiscard]] CallbackNode* node_of(detail::Callback&& callback);
  void enqueue(NodeRef node) noexcept;
  [[nodiscard]] NodeQueue take_due();
  [[nodiscard]] bool soon_needs_no_look() const noexcept {
    return state_ != State::closed && !options_.debug && !core::debug_checks &&
           next_arrived_ == arrived_.size();
  }
  [[nodiscard]] std::optional<std::chrono::nanoseconds> poll_timeout();
  void run_batch(NodeQueue& batch);
  void run_node(CallbackNode& node);
  void take_posted() noexcept;
  void run_posted();
  void run(detail::Callback& callback);
  void serve(Watcher& watcher, IoEvents events);
  template <class Run>
  void timed(Run run);
  void warn_if_slow(std::chrono::nanoseconds took);
  void flush_dirty();
  void empty_graveyard();
  static void give_back_after_burst(std::vector<detail::Callback>& empty) noexcept;
  void default_exception_handler(const ExceptionContext& context) noexcept;

  LoopOptions options_;
  std::shared_ptr<sys::SystemCalls> sys_;
  std::shared_ptr<Log> log_;
  core::SegmentPool segment_pool_;
  core::CommonGround ground_{segment_pool_};
  NodeTimers timers_;
  std::unique_ptr<NodePool, NodePool::Abandon> nodes_;
  Reactor reactor_;
  Inbox inbox_;
  Signals signals_;
  SharedDescriptions shared_descriptions_;
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<Workers> file_workers_;
  std::shared_ptr<detail::Scheduler> scheduler_;
  std::shared_ptr<detail::UniqueFunction<void(const ExceptionContext&)>> exception_handler_;

  detail::SoonPath soon_path_;
  // What other threads posted: what runs in this turn, and what has been asked for its place among
  // the ready, with the first that is not there yet.
  std::vector<detail::Callback> posted_;
  std::vector<detail::Callback> arrived_;
  std::size_t next_arrived_ = 0;
  core::IntrusiveList<Watcher, ServiceTag> owed_;
  core::IntrusiveList<Flushable, FlushTag> dirty_;
  core::IntrusiveList<Flushable, FlushTag> dirty_next_turn_;  // left over by an early flush
  core::IntrusiveList<Resident, ResidentTag> residents_;
  core::IntrusiveList<Resident, ResidentTag> departing_;  // for want of memory not in `ready_`
  std::vector<std::shared_ptr<void>> graveyard_;
  std::vector<std::shared_ptr<void>> spare_graveyard_;  // likewise kept for the next turn
  core::FastCopyMemory read_memory_;
  core::FastCopyMemory datagram_memory_;

  std::atomic<std::thread::id>
      thread_{};  // looked at by other threads to find out that they are wrong
  TimePoint last_seen_ = TimePoint::min();  // what the clock said when it was last looked at
  State state_ = State::idle;
  bool stop_requested_ = false;
  bool serving_ = false;  // on_io() of a watcher is on the stack, and no task that it has woken
};

}  // namespace sluice::loop
