#include "sluice/event_loop.hpp"

#include <system_error>
#include <utility>

#include "loop/loop_core.hpp"

namespace sluice {

EventLoop::EventLoop(LoopOptions options)
    : core_(std::make_unique<loop::LoopCore>(std::move(options))),
      soon_path_(&core_->soon_path()) {}

EventLoop::~EventLoop() = default;

void EventLoop::run_forever() {
  core_->run_forever();
}

void EventLoop::stop() {
  core_->check_thread();
  core_->stop();
}

void EventLoop::close() {
  core_->close();
}

bool EventLoop::is_running() const noexcept {
  return core_->is_running();
}

bool EventLoop::is_closed() const noexcept {
  return core_->is_closed();
}

TimePoint EventLoop::time() const {
  return core_->look_at_clock();
}

void EventLoop::run_until_done(detail::UniqueFunction<bool()> done,
                               detail::UniqueFunction<void(detail::Callback)> when_done) {
  core_->check_usable();
  // The callback may run after this function has given up on the future.
  const auto waiting = std::make_shared<bool>(true);
  when_done([this, waiting] {
    if (*waiting) {
      stop();
    }
  });
  try {
    run_forever();
  } catch (...) {
    *waiting = false;
    throw;
  }
  *waiting = false;
  if (!done()) {
    throw std::system_error(Errc::loop_stopped, "Event loop stopped before Future completed.");
  }
}

detail::CallbackNode* EventLoop::unqueued_node() {
  return core_->unqueued_node();
}

void EventLoop::schedule_soon(detail::CallbackNode* node) noexcept {
  core_->soon(*node);
}

void EventLoop::schedule_later(std::chrono::nanoseconds delay, detail::CallbackNode* node) {
  core_->later(delay, *node);
}

void EventLoop::schedule_at(TimePoint when, detail::CallbackNode* node) {
  core_->at(when, *node);
}

void EventLoop::schedule_threadsafe(detail::Callback&& callback) {
  core_->call_soon_threadsafe(std::move(callback));
}

void EventLoop::install_exception_handler(Handler handler) {
  core_->check_thread();
  core_->set_exception_handler(std::move(handler));
}

void EventLoop::call_exception_handler(const ExceptionContext& context) noexcept {
  core_->call_exception_handler(context);
}

void EventLoop::install_signal_handler(int number, detail::Callback callback) {
  core_->check_usable();
  core_->signals().add(number, std::move(callback));
}

bool EventLoop::remove_signal_handler(int number) {
  core_->check_thread();
  return core_->signals().remove(number);
}

const std::shared_ptr<detail::Scheduler>& EventLoop::scheduler() const {
  return core_->scheduler();
}

}  // namespace sluice
