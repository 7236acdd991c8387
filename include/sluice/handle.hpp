#pragma once

#include <chrono>
#include <utility>

#include "sluice/detail/callback_node.hpp"

namespace sluice {

/// The loop's clock: monotonic, the same for all timers of a process.
using TimePoint = std::chrono::steady_clock::time_point;

class EventLoop;

namespace detail {
/// Nobody holds the node any more.
void give_back(CallbackNode* node) noexcept;
void cancel(CallbackNode* node) noexcept;

/// One more holder of the node.
inline void retain(CallbackNode* node) noexcept {
  ++node->references;
}
/// One holder less; the last one gives the node back.
inline void release(CallbackNode* node) noexcept {
  if (--node->references == 0) {
    give_back(node);
  }
}
}  // namespace detail

/// A scheduled callback that can be cancelled. Dropping the Handle does not cancel. Copies refer to
/// the same callback. Loop thread only; may outlive the loop. asyncio: Handle.
class Handle {
 public:
  /// Refers to nothing; cancel() does nothing.
  Handle() noexcept = default;
  /// For the loop: takes one reference over.
  explicit Handle(detail::CallbackNode* node) noexcept : node_(node) {}
  Handle(const Handle& other) noexcept : node_(other.node_) {
    if (node_ != nullptr) {
      detail::retain(node_);
    }
  }
  Handle(Handle&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  Handle& operator=(Handle other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~Handle() {
    if (node_ != nullptr) {
      detail::release(node_);
    }
  }

  /// The callback will not run, and what it captured is destroyed. Does nothing once it has run
  /// (W-164).
  void cancel() noexcept {
    if (node_ != nullptr) {
      detail::cancel(node_);
    }
  }
  /// Whether cancel() was called before the callback ran.
  [[nodiscard]] bool cancelled() const noexcept {
    return node_ != nullptr && node_->state == detail::CallbackNode::State::cancelled;
  }

 protected:
  [[nodiscard]] const detail::CallbackNode* node() const noexcept { return node_; }

 private:
  friend class EventLoop;

  detail::CallbackNode* node_ = nullptr;
};

/// The Handle of call_later and call_at. asyncio: TimerHandle.
class TimerHandle : public Handle {
 public:
  using Handle::Handle;
  /// When the callback is due, by the loop's clock.
  [[nodiscard]] TimePoint when() const noexcept {
    return node() == nullptr ? TimePoint{} : node()->due;
  }
};

}  // namespace sluice
