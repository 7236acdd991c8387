#include "loop/callback_node.hpp"

namespace sluice::loop {

NodePool::~NodePool() {
  while (free_ != nullptr) {
    delete std::exchange(free_, free_->next_free);
  }
}

CallbackNode* NodePool::take(detail::Callback callback, CallbackNode::Kind kind) {
  CallbackNode* node = free_;
  if (node != nullptr) {
    free_ = node->next_free;
    --free_count_;
  } else {
    node = new CallbackNode;
    node->pool = this;
  }
  ++in_use_;
  node->callback = std::move(callback);
  node->references = 1;
  node->state = CallbackNode::State::waiting;
  node->kind = kind;
  return node;
}

void NodePool::give_back(CallbackNode* node) noexcept {
  --in_use_;
  if (abandoned_ || free_count_ >= reserve) {
    delete node;
  } else {
    node->next_free = std::exchange(free_, node);
    ++free_count_;
  }
  if (abandoned_ && in_use_ == 0) {
    delete this;
  }
}

void NodePool::abandon() noexcept {
  abandoned_ = true;
  if (in_use_ == 0) {
    delete this;
  }
}

NodeRef::~NodeRef() {
  if (node_ == nullptr) {
    return;
  }
  // Still waiting means that the loop drops it; nobody may cancel it or run it any more.
  if (node_->state == CallbackNode::State::waiting) {
    node_->state = CallbackNode::State::done;
  }
  node_->callback.reset();
  detail::release(node_);
}

}  // namespace sluice::loop

namespace sluice::detail {

void retain(CallbackNode* node) noexcept {
  ++node->references;
}

void release(CallbackNode* node) noexcept {
  if (--node->references == 0) {
    node->pool->give_back(node);
  }
}

void cancel(CallbackNode* node) noexcept {
  if (node->state != CallbackNode::State::waiting) {
    return;
  }
  node->state = CallbackNode::State::cancelled;
  if (node->kind == CallbackNode::Kind::timer) {
    ++node->pool->cancelled_timers_;
  }
  // The callback may own the last Handle to this very node.
  retain(node);
  node->callback.reset();
  release(node);
}

bool is_cancelled(const CallbackNode* node) noexcept {
  return node->state == CallbackNode::State::cancelled;
}

TimePoint due_time(const CallbackNode* node) noexcept {
  return node->due;
}

}  // namespace sluice::detail
