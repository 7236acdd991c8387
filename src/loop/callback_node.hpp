#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "sluice/detail/unique_function.hpp"
#include "sluice/handle.hpp"

namespace sluice::loop {
class NodePool;
class LoopCore;
}  // namespace sluice::loop

namespace sluice::detail {

/// One scheduled callback, shared by the loop's queue and the Handles of the user.
struct CallbackNode {
  enum class State : std::uint8_t {
    waiting,    ///< In the ready queue or the timer queue.
    cancelled,  ///< Will not run; its callback is destroyed.
    done,       ///< Has run, runs now, or was dropped with its loop.
  };
  enum class Kind : std::uint8_t { ready, timer };

  Callback callback;
  TimePoint due{};
  loop::NodePool* pool = nullptr;
  CallbackNode* next_free = nullptr;
  std::uint32_t references = 0;
  State state = State::waiting;
  Kind kind = Kind::ready;
};

}  // namespace sluice::detail

namespace sluice::loop {

using detail::CallbackNode;

/// Recycles the nodes of one loop. Outlives the loop as long as Handles refer to its nodes.
class NodePool {
 public:
  static constexpr std::size_t reserve = 1024;

  NodePool() noexcept = default;
  NodePool(const NodePool&) = delete;
  NodePool& operator=(const NodePool&) = delete;

  /// A waiting node with one reference. Throws std::bad_alloc; `callback` stays where it is then.
  [[nodiscard]] CallbackNode* take(detail::Callback&& callback, CallbackNode::Kind kind);
  /// The loop is gone: the pool deletes itself with its last node.
  void abandon() noexcept;
  /// For the loop's pointer to it.
  struct Abandon {
    void operator()(NodePool* pool) const noexcept { pool->abandon(); }
  };

  /// For the timer queue, which sweeps when many are cancelled.
  [[nodiscard]] std::size_t take_cancelled_timers() noexcept {
    return std::exchange(cancelled_timers_, 0);
  }

 private:
  friend class NodeRef;
  friend void detail::release(CallbackNode*) noexcept;
  friend void detail::cancel(CallbackNode*) noexcept;
  ~NodePool();
  [[nodiscard]] CallbackNode* make();
  void give_back(CallbackNode* node) noexcept;
  void free_one_too_many(CallbackNode* node) noexcept;

  CallbackNode* free_ = nullptr;
  std::size_t free_count_ = 0;
  std::size_t in_use_ = 0;
  std::size_t cancelled_timers_ = 0;
  bool abandoned_ = false;
};

/// The loop's own reference to a node.
class NodeRef {
 public:
  /// Takes one reference over.
  explicit NodeRef(CallbackNode* node) noexcept : node_(node) {}
  NodeRef(NodeRef&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  NodeRef& operator=(NodeRef&& other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  NodeRef(const NodeRef&) = delete;
  NodeRef& operator=(const NodeRef&) = delete;
  ~NodeRef() {
    if (node_ != nullptr) {
      let_go();
    }
  }

  [[nodiscard]] bool cancelled() const noexcept {
    return node_->state == CallbackNode::State::cancelled;
  }
  [[nodiscard]] CallbackNode* operator->() const noexcept { return node_; }
  [[nodiscard]] CallbackNode& operator*() const noexcept { return *node_; }
  /// One more reference, for a Handle.
  [[nodiscard]] CallbackNode* share() const noexcept {
    ++node_->references;
    return node_;
  }

 private:
  void let_go() noexcept;

  CallbackNode* node_;
};

// Each callback passes through these: they are for the compiler to see.

inline CallbackNode* NodePool::take(detail::Callback&& callback, CallbackNode::Kind kind) {
  CallbackNode* node = free_;
  if (node != nullptr) {
    free_ = node->next_free;
    --free_count_;
  } else {
    node = make();
  }
  ++in_use_;
  node->callback = std::move(callback);
  node->references = 1;
  node->state = CallbackNode::State::waiting;
  node->kind = kind;
  return node;
}

inline void NodePool::give_back(CallbackNode* node) noexcept {
  --in_use_;
  if (abandoned_ || free_count_ >= reserve) {
    free_one_too_many(node);
    return;
  }
  node->next_free = std::exchange(free_, node);
  ++free_count_;
}

inline void NodeRef::let_go() noexcept {
  // Still waiting means that the loop drops it; nobody may cancel it or run it any more.
  if (node_->state == CallbackNode::State::waiting) {
    node_->state = CallbackNode::State::done;
  }
  node_->callback.reset();
  if (--node_->references == 0) {
    node_->pool->give_back(node_);
  }
}

}  // namespace sluice::loop
