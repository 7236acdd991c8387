#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace sluice::core {

using TimePoint = std::chrono::steady_clock::time_point;

/// Timers by due time; equal times keep the order they were added in. Knows no clock: it is told
/// what time it is. Owns no Timer, but while one is in the queue its `place` belongs to the queue.
template <class Timer>
class TimerQueue {
 public:
  /// Throws std::bad_alloc and is unchanged then.
  void add(TimePoint due, Timer& timer) {
    entries_.push_back({due, next_order_, &timer});
    ++next_order_;
    rise(entries_.size() - 1, entries_.back());
  }

  /// Takes out a timer that is in the queue.
  void remove(Timer& timer) noexcept {
    const std::size_t place = timer.place;
    const Entry last = entries_.back();
    entries_.pop_back();
    if (place == entries_.size()) {
      return;
    }
    if (place > 0 && last.before(entries_[above(place)])) {
      rise(place, last);
    } else {
      sink(place, last);
    }
  }

  /// When the first timer is due; none without timers.
  [[nodiscard]] std::optional<TimePoint> next_due() const noexcept {
    return entries_.empty() ? std::nullopt : std::optional(entries_.front().due);
  }

  /// Takes out the first timer if it is due at `now`; null if none is.
  [[nodiscard]] Timer* pop_due(TimePoint now) noexcept {
    if (entries_.empty() || entries_.front().due > now) {
      return nullptr;
    }
    Timer* const first = entries_.front().timer;
    remove(*first);
    return first;
  }

  /// Takes out any one; null if there is none.
  [[nodiscard]] Timer* pop_any() noexcept {
    if (entries_.empty()) {
      return nullptr;
    }
    Timer* const last = entries_.back().timer;
    entries_.pop_back();
    return last;
  }

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  // A heap of four is half as high as one of two, and the four below a place lie together.
  static constexpr std::size_t width = 4;

  struct Entry {
    TimePoint due;
    std::uint64_t order;
    Timer* timer;

    [[nodiscard]] bool before(const Entry& other) const noexcept {
      return due != other.due ? due < other.due : order < other.order;
    }
  };

  static std::size_t above(std::size_t place) noexcept { return (place - 1) / width; }

  void put(std::size_t place, const Entry& entry) noexcept {
    entries_[place] = entry;
    entry.timer->place = place;
  }

  // `entry` goes to `place`, which is free, or above it.
  void rise(std::size_t place, const Entry entry) noexcept {
    while (place > 0 && entry.before(entries_[above(place)])) {
      put(place, entries_[above(place)]);
      place = above(place);
    }
    put(place, entry);
  }

  // `entry` goes to `place`, which is free, or below it.
  void sink(std::size_t place, const Entry entry) noexcept {
    for (std::size_t below = place * width + 1; below < entries_.size();
         below = place * width + 1) {
      const std::size_t past_last = std::min(below + width, entries_.size());
      std::size_t first = below;
      for (std::size_t other = below + 1; other < past_last; ++other) {
        first = entries_[other].before(entries_[first]) ? other : first;
      }
      if (!entries_[first].before(entry)) {
        break;
      }
      put(place, entries_[first]);
      place = first;
    }
    put(place, entry);
  }

  std::vector<Entry> entries_;
  std::uint64_t next_order_ = 0;
};

}  // namespace sluice::core
