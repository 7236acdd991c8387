#include "core/segment_pool.hpp"

#include <utility>

namespace sluice::core {

SegmentPool::~SegmentPool() {
  check(slabs_alive_ == free_slab_count_, "every slab has come back to its pool");
  check(segments_alive_ == free_segment_count_, "every segment has come back to its pool");
  while (free_slabs_ != nullptr) {
    delete std::exchange(free_slabs_, free_slabs_->next_free);
  }
  while (free_segments_ != nullptr) {
    delete std::exchange(free_segments_, free_segments_->next);
  }
}

}  // namespace sluice::core
