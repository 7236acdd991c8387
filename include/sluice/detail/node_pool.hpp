#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

#include "sluice/detail/callback_node.hpp"
#include "sluice/handle.hpp"

namespace sluice::core {
template <class Timer>
class TimerQueue;
}

namespace sluice::detail {

/// Recycles the nodes of one loop, whose timers it knows for those that are cancelled. Outlives the
/// loop as long as Handles refer to its nodes.
class NodePool {
 public:
  static constexpr std::size_t reserve = 1024;

  explicit NodePool(core::TimerQueue<CallbackNode>& timers) noexcept : timers_(&timers) {}
  NodePool(const NodePool&) = delete;
  NodePool& operator=(const NodePool&) = delete;

  /// A waiting node without a callback, with one reference. Throws std::bad_alloc.
  [[nodiscard]] CallbackNode* take();
  /// The loop is gone: the pool deletes itself with its last node.
  void abandon() noexcept;
  /// For the loop's pointer to it.
  struct Abandon {
    void operator()(NodePool* pool) const noexcept { pool->abandon(); }
  };

 private:
  friend class NodeRef;
  friend void detail::give_back(CallbackNode*) noexcept;
  friend void detail::cancel(CallbackNode*) noexcept;
  ~NodePool() = default;
  [[nodiscard]] CallbackNode* make();
  void give_back(CallbackNode* node) noexcept;
  void free_one_too_many(CallbackNode* node) noexcept;

  core::TimerQueue<CallbackNode>* timers_;
  CallbackNode* free_ = nullptr;
  std::size_t free_count_ = 0;
  std::size_t most_free_ = reserve;  // none once abandoned
  std::size_t count_ = 0;            // of all nodes, free or in use
};

/// The loop's own reference to a node.
class NodeRef {
 public:
  /// Takes one reference over.
  explicit NodeRef(CallbackNode* node) noexcept : node_(node) {}
  NodeRef(NodeRef&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
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
    retain(node_);
    return node_;
  }
  /// The reference, for who takes it over.
  [[nodiscard]] CallbackNode* pass_on() noexcept { return std::exchange(node_, nullptr); }

 private:
  void let_go() noexcept;

  CallbackNode* node_;
};

/// Nodes in the order they came, with the loop's references. Queueing one needs no memory.
class NodeQueue {
 public:
  NodeQueue() noexcept = default;
  NodeQueue(NodeQueue&& other) noexcept
      : first_(std::exchange(other.first_, nullptr)), last_(std::exchange(other.last_, nullptr)) {}
  NodeQueue(const NodeQueue&) = delete;
  NodeQueue& operator=(const NodeQueue&) = delete;
  ~NodeQueue() { clear(); }

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  void push_back(NodeRef reference) noexcept {
    CallbackNode* const node = reference.pass_on();
    node->next = nullptr;
    (first_ == nullptr ? first_ : last_->next) = node;
    last_ = node;
  }
  /// There must be one.
  [[nodiscard]] NodeRef pop_front() noexcept {
    return NodeRef(std::exchange(first_, first_->next));
  }
  /// Lets go of all.
  void clear() noexcept {
    while (!empty()) {
      static_cast<void>(pop_front());
    }
  }

 private:
  CallbackNode* first_ = nullptr;
  CallbackNode* last_ = nullptr;  // meaningless while empty
};

/// The short way of call_soon, for the compiler to see: what it needs of a loop as long as nothing
/// out of the ordinary is to be looked after.
struct SoonPath {
  NodePool* pool = nullptr;
  NodeQueue ready;
  const std::atomic<bool>* posted = nullptr;  // by other threads; comes first
  bool open = false;

  [[nodiscard]] bool usable() const noexcept {
    return open && !posted->load(std::memory_order_acquire);
  }
};

// Each callback passes through these: they are for the compiler to see.

inline CallbackNode* NodePool::take() {
  CallbackNode* node = free_;
  if (node != nullptr) {
    free_ = node->next;
    --free_count_;
  } else {
    node = make();
  }
  node->references = 1;
  node->state = CallbackNode::State::waiting;
  node->kind = CallbackNode::Kind::ready;
  return node;
}

inline void NodePool::give_back(CallbackNode* node) noexcept {
  if (free_count_ >= most_free_) {
    free_one_too_many(node);
    return;
  }
  node->next = std::exchange(free_, node);
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

}  // namespace sluice::detail
