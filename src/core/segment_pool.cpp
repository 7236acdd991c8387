#include "core/segment_pool.hpp"

#include <functional>
#include <utility>

namespace sluice::core {

SegmentPool::~SegmentPool() {
  release_owners();
  check(slabs_alive_ == free_slab_count_, "every slab has come back to its pool");
  check(segments_alive_ == free_segment_count_, "every segment has come back to its pool");
  while (free_slabs_ != nullptr) {
    delete std::exchange(free_slabs_, free_slabs_->next_free);
  }
  while (free_segments_ != nullptr) {
    delete std::exchange(free_segments_, free_segments_->next);
  }
}

// An owner may write what is sent and spent at once, and whose owner does the same: neither is the
// stack to grow by that, nor are others to wait for it.
void SegmentPool::release_waiting_owners() noexcept {
  if (owner_release_ == OwnerRelease::under_way) {
    return;
  }
  owner_release_ = OwnerRelease::under_way;
  Segment* now = std::exchange(spent_segments_, nullptr);
  spent_end_ = &spent_segments_;
  while (now != nullptr) {
    recycle(std::exchange(now, now->next));
  }
  owner_release_ = OwnerRelease::idle;
}

// Rare, and the list is short. Without this a slab that was in passing use while a deep queue grew
// would hold all of the heap below it.
Slab* SegmentPool::exchange_for_highest(Slab* slab) noexcept {
  Slab** highest = &free_slabs_;
  for (Slab** link = &free_slabs_; *link != nullptr; link = &(*link)->next_free) {
    if (std::less<>()(*highest, *link)) {
      highest = link;
    }
  }
  if (std::less<>()(*highest, slab)) {
    return slab;
  }
  slab->next_free = (*highest)->next_free;
  return std::exchange(*highest, slab);
}

}  // namespace sluice::core
