#pragma once

#include <utility>

namespace sluice::detail {

/// A place in a Ring, to derive from. Leaves its ring when it is destroyed.
class RingLink {
 public:
  RingLink() noexcept = default;
  RingLink(const RingLink&) = delete;
  RingLink& operator=(const RingLink&) = delete;

  [[nodiscard]] bool linked() const noexcept { return next_ != this; }
  void unlink() noexcept {
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = this;
  }

 protected:
  ~RingLink() { unlink(); }

 private:
  template <class T>
  friend class Ring;

  RingLink* next_ = this;
  RingLink* previous_ = this;
};

/// Objects in the order they came, none of which it owns; T derives from RingLink. A ring that is
/// destroyed lets go of them.
template <class T>
class Ring {
 public:
  Ring() noexcept = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() {
    while (pop_front() != nullptr) {
    }
  }

  [[nodiscard]] bool empty() const noexcept { return !head_.linked(); }
  /// `item` must be in no ring.
  void push_back(T& item) noexcept {
    RingLink& link = item;
    link.previous_ = head_.previous_;
    link.next_ = &head_;
    link.previous_->next_ = &link;
    head_.previous_ = &link;
  }
  /// The oldest, which is in no ring then; null if there is none.
  T* pop_front() noexcept {
    if (empty()) {
      return nullptr;
    }
    RingLink* const first = head_.next_;
    first->unlink();
    return static_cast<T*>(first);
  }
  /// Everything that `other` has; this one must be empty.
  void steal(Ring& other) noexcept {
    if (!other.empty()) {
      // Take the other's head's place.
      head_.next_ = other.head_.next_;
      head_.previous_ = other.head_.previous_;
      head_.next_->previous_ = &head_;
      head_.previous_->next_ = &head_;
      other.head_.next_ = other.head_.previous_ = &other.head_;
    }
  }

 private:
  struct Head : RingLink {};
  Head head_;
};

}  // namespace sluice::detail
