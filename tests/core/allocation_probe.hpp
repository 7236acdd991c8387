#pragma once

#include <cstddef>

namespace sluice::testing {

/// What operator new was asked for in this thread since it began.
struct Allocations {
  std::size_t calls = 0;
  std::size_t bytes = 0;

  friend Allocations operator-(Allocations left, Allocations right) noexcept {
    return {left.calls - right.calls, left.bytes - right.bytes};
  }
};

[[nodiscard]] Allocations allocations() noexcept;

/// As long as this lives, the `nth` allocation (from 1) of this thread of at least `size` bytes
/// throws std::bad_alloc, the others succeed.
class FailingAllocation {
 public:
  explicit FailingAllocation(std::size_t nth, std::size_t size = 0) noexcept;
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;
  ~FailingAllocation();
  /// Whether it has come to that.
  [[nodiscard]] bool failed() const noexcept;
};

/// As long as this lives, allocations of 256 MiB and more are mapped so that they cost no more than
/// a few MiB of memory: all but their first pages are the same pages over and over. They can be
/// written, and remember nothing.
class HollowAllocations {
 public:
  HollowAllocations() noexcept;
  HollowAllocations(const HollowAllocations&) = delete;
  HollowAllocations& operator=(const HollowAllocations&) = delete;
  ~HollowAllocations();
};

}  // namespace sluice::testing
