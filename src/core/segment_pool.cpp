#include "core/segment_pool.hpp"

#include <utility>

#include "core/check.hpp"

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

Slab* SegmentPool::new_slab() {
  Slab* slab = free_slabs_;
  if (slab != nullptr) {
    free_slabs_ = slab->next_free;
    --free_slab_count_;
  } else {
    slab = new Slab;
    ++slabs_alive_;
  }
  slab->references = 1;
  slab->used = 0;
  return slab;
}

void SegmentPool::release(Slab* slab) noexcept {
  check(slab->references > 0, "a slab is released once per reference");
  if (--slab->references > 0) {
    return;
  }
  if (free_slab_count_ >= slab_reserve) {
    --slabs_alive_;
    delete slab;
    return;
  }
  slab->next_free = std::exchange(free_slabs_, slab);
  ++free_slab_count_;
}

Segment* SegmentPool::new_segment() {
  Segment* segment = free_segments_;
  if (segment != nullptr) {
    free_segments_ = segment->next;
    --free_segment_count_;
  } else {
    segment = new Segment;
    ++segments_alive_;
  }
  segment->next = nullptr;
  return segment;
}

void SegmentPool::release(Segment* segment) noexcept {
  if (segment->slab != nullptr) {
    release(std::exchange(segment->slab, nullptr));
  } else {
    segment->owner = Buffer();
  }
  if (free_segment_count_ >= segment_reserve) {
    --segments_alive_;
    delete segment;
    return;
  }
  segment->next = std::exchange(free_segments_, segment);
  ++free_segment_count_;
}

}  // namespace sluice::core
