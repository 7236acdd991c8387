#include "loop/callback_node.hpp"

namespace sluice::loop {

NodePool::~NodePool() {
  while (free_ != nullptr) {
    delete std::exchange(free_, free_->next_free);
  }
}

CallbackNode* NodePool::make() {
  auto* const node = new CallbackNode;
  node->pool = this;
  return node;
}

void NodePool::free_one_too_many(CallbackNode* node) noexcept {
  delete node;
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
