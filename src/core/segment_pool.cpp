#include "core/segment_pool.hpp"

#include <functional>
#include <utility>

namespace sluice::core {

SegmentPool::~SegmentPool() {
  check(slabs_alive_ == free_slab_count_, "every slab has come back to its pool");
  release_owners();
  check(segments_alive_ == free_segment_count_, "every segment has come back to its pool");
  while (free_slabs_ != nullptr) {
    delete std::exchange(free_slabs_, free_slabs_->next_free);
  }
  while (free_segments_ != nullptr) {
    delete std::exchange(free_segments_, free_segments_->next);
  }
}

// Each is out of the list before its owner goes, who may come by here again.
void SegmentPool::release_spent_segments() noexcept {
  while (spent_segments_ != nullptr) {
    recycle(std::exchange(spent_segments_, spent_segments_->next));
  }
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
