#include "loop/callback_node.hpp"

namespace sluice::detail {

static_assert(sizeof(CallbackNode) <= 96, "a node is a line and a half of the cache");

CallbackNode* NodePool::make() {
  auto* const node = new CallbackNode;
  node->pool = this;
  ++count_;
  return node;
}

void NodePool::free_one_too_many(CallbackNode* node) noexcept {
  delete node;
  if (--count_ == 0 && most_free_ == 0) {
    delete this;
  }
}

void NodePool::abandon() noexcept {
  most_free_ = 0;
  while (free_count_ > 0) {
    delete std::exchange(free_, free_->next);
    --free_count_;
    --count_;
  }
  if (count_ == 0) {
    delete this;
  }
}

void give_back(CallbackNode* node) noexcept {
  // There is one still if it could not be scheduled.
  node->callback.reset();
  node->pool->give_back(node);
}

void cancel(CallbackNode* node) noexcept {
  if (node->state != CallbackNode::State::waiting) {
    return;
  }
  node->state = CallbackNode::State::cancelled;
  // Held meanwhile, by the queue's reference or one more: the callback may own the last Handle to
  // this very node.
  if (node->kind == CallbackNode::Kind::timer) {
    node->pool->timers_->remove(*node);
  } else {
    retain(node);
  }
  node->callback.reset();
  release(node);
}

}  // namespace sluice::detail
