#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace sluice::core {

using TimePoint = std::chrono::steady_clock::time_point;

/// Timers by due time; equal times keep the order they were added in. Knows no clock: it is told
/// what time it is. `Item` is a small handle that can say `cancelled()`.
template <class Item>
class TimerQueue {
 public:
  /// Cancelled timers are swept out when there are more than this many timers and over half of them
  /// are cancelled (W-172).
  static constexpr std::size_t sweep_above = 100;

  /// Throws std::bad_alloc and is unchanged then.
  void add(TimePoint due, Item item) {
    entries_.push_back({due, next_order_++, std::move(item)});
    std::push_heap(entries_.begin(), entries_.end(), later);
  }

  /// When the first timer that is not cancelled is due; none without timers.
  [[nodiscard]] std::optional<TimePoint> next_due() {
    sweep();
    while (!entries_.empty() && entries_.front().item.cancelled()) {
      drop_cancelled_front();
    }
    return entries_.empty() ? std::nullopt : std::optional(entries_.front().due);
  }

  /// Hands every timer due at `now` to `take`, in order, cancelled ones left out.
  template <class Take>
  void pop_due(TimePoint now, Take take) {
    for (std::optional<TimePoint> due = next_due(); due && *due <= now; due = next_due()) {
      take(pop_front());
    }
  }

  /// Tells that one of the items was cancelled.
  void note_cancelled() noexcept { ++cancelled_; }

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  /// Forgets all.
  void clear() noexcept {
    entries_.clear();
    cancelled_ = 0;
  }

 private:
  struct Entry {
    TimePoint due;
    std::uint64_t order;
    Item item;
  };
  static bool later(const Entry& left, const Entry& right) noexcept {
    return left.due != right.due ? left.due > right.due : left.order > right.order;
  }
  Item pop_front() {
    std::pop_heap(entries_.begin(), entries_.end(), later);
    Item item = std::move(entries_.back().item);
    entries_.pop_back();
    return item;
  }
  void drop_cancelled_front() {
    static_cast<void>(pop_front());
    cancelled_ -= cancelled_ > 0 ? 1 : 0;
  }
  void sweep() {
    if (entries_.size() <= sweep_above || cancelled_ * 2 <= entries_.size()) {
      return;
    }
    std::erase_if(entries_, [](const Entry& entry) { return entry.item.cancelled(); });
    std::make_heap(entries_.begin(), entries_.end(), later);
    cancelled_ = 0;
  }

  std::vector<Entry> entries_;
  std::uint64_t next_order_ = 0;
  std::size_t cancelled_ = 0;
};

}  // namespace sluice::core
