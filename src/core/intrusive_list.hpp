#pragma once

#include <utility>

namespace sluice::core {

/// A member of at most one IntrusiveList; leaves it when destroyed. Derive once per list, told
/// apart by Tag.
template <class Tag>
class ListHook {
 public:
  ListHook() noexcept = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { unlink(); }

  [[nodiscard]] bool linked() const noexcept { return next_ != nullptr; }
  void unlink() noexcept {
    if (linked()) {
      previous_->next_ = next_;
      next_->previous_ = previous_;
      next_ = previous_ = nullptr;
    }
  }

 private:
  template <class, class>
  friend class IntrusiveList;
  ListHook* next_ = nullptr;
  ListHook* previous_ = nullptr;
};

/// A list of T, each of which derives from ListHook<Tag>. Owns nothing, allocates nothing.
template <class T, class Tag>
class IntrusiveList {
 public:
  using Hook = ListHook<Tag>;

  IntrusiveList() noexcept { head_.next_ = head_.previous_ = &head_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  ~IntrusiveList() {
    while (!empty()) {
      head_.next_->unlink();
    }
    head_.next_ = nullptr;
  }

  [[nodiscard]] bool empty() const noexcept { return head_.next_ == &head_; }
  /// There must be one.
  [[nodiscard]] T& front() const noexcept { return static_cast<T&>(*head_.next_); }
  void push_back(T& item) noexcept {
    Hook& hook = item;
    hook.previous_ = head_.previous_;
    hook.next_ = &head_;
    head_.previous_->next_ = &hook;
    head_.previous_ = &hook;
  }
  /// Takes the first member out; there must be one.
  T& pop_front() noexcept {
    Hook* first = head_.next_;
    first->unlink();
    return static_cast<T&>(*first);
  }
  /// Takes all members of `other`, so that a loop over them ends even if they return meanwhile.
  /// Looks at the first and the last of them alone: members may be many, and far from the cache.
  void steal(IntrusiveList& other) noexcept {
    if (other.empty()) {
      return;
    }
    Hook* const first = other.head_.next_;
    Hook* const last = other.head_.previous_;
    other.head_.next_ = other.head_.previous_ = &other.head_;
    first->previous_ = head_.previous_;
    head_.previous_->next_ = first;
    last->next_ = &head_;
    head_.previous_ = last;
  }

 private:
  Hook head_;
};

}  // namespace sluice::core
