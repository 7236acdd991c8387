#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/check.hpp"
#include "core/fast_copy.hpp"
#include "sluice/bytes.hpp"

namespace sluice::core {

class Slab;

/// A run of queued bytes: of a slab, or of a linked Buffer.
class Segment {
 public:
  Segment* next = nullptr;
  Bytes bytes;

  /// The slab that the bytes are in; null for those of a linked Buffer.
  [[nodiscard]] Slab* slab() const noexcept { return keeper_.get(); }
  /// Empty until it keeps something.
  void keep(Slab* slab) noexcept { keeper_ = {std::shared_ptr<void>(), slab}; }
  void keep(std::shared_ptr<const void> owner) noexcept { keeper_ = {std::move(owner), nullptr}; }
  void let_go() noexcept { keeper_.reset(); }

 private:
  // Points to a slab that it does not own, or owns what a Buffer shares and points to nothing: a
  // fan-out has a segment for each connection, and two members would make it a third larger.
  std::shared_ptr<Slab> keeper_;
};

/// Memory for small writes, shared by the neighbouring segments that were copied into it. It brings
/// the first of them along: as a rule there is no other.
class Slab {
 public:
  /// With the allocator's own words, which makes it eight pages.
  static constexpr std::size_t allocated_bytes = 32 * 1024;
  /// Wherever the allocator has placed it.
  static constexpr std::size_t capacity = allocated_bytes - 144;

  Slab() noexcept : storage(fast_copy_begin(memory_)) {}
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  Slab* next_free = nullptr;
  std::uint32_t references =
      0;  ///< segments that point into it, plus one while it is a queue's open slab
  std::uint32_t used = 0;  ///< bytes handed out, from the front
  Segment first;
  std::byte* const storage;

 private:
  std::byte memory_[capacity + fast_copy_slack];
};
static_assert(sizeof(Slab) + 16 <= Slab::allocated_bytes);

/// Recycles slabs and segments for all queues of one loop, so that the steady state allocates
/// nothing. After a burst, what is free beyond a small reserve goes back to the system: the slabs
/// at the highest addresses, for a heap shrinks from its end.
class SegmentPool {
 public:
  /// How many free slabs (1 MiB) and segments are kept.
  static constexpr std::size_t slab_reserve = 32;
  static constexpr std::size_t segment_reserve = 4096;

  SegmentPool() noexcept = default;
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;
  ~SegmentPool();

  /// An empty slab with one reference. Throws std::bad_alloc.
  [[nodiscard]] Slab* new_slab();
  /// One reference less; the last one recycles the slab.
  void release(Slab* slab) noexcept;
  /// An empty segment. Throws std::bad_alloc.
  [[nodiscard]] Segment* new_segment();
  /// Releases the slab that the segment refers to and recycles it. That of a linked Buffer keeps
  /// its owner until release_owners(): what an owner does in its last moment is the user's code,
  /// which may write to the queue that has just held it.
  void release(Segment* segment) noexcept;
  /// Lets go of the owners of linked Buffers whose segments have been released, in that order. May
  /// call anything; what these do does not end further owners, who wait for the next call.
  void release_owners() noexcept {
    if (owners_wait()) {
      release_waiting_owners();
    }
  }
  [[nodiscard]] bool owners_wait() const noexcept { return spent_segments_ != nullptr; }

  /// How many are out there or kept, for tests and for those who watch memory.
  [[nodiscard]] std::size_t slabs_alive() const noexcept { return slabs_alive_; }
  [[nodiscard]] std::size_t segments_alive() const noexcept { return segments_alive_; }

 private:
  Slab* exchange_for_highest(Slab* slab) noexcept;
  void recycle(Segment* segment) noexcept;
  void release_waiting_owners() noexcept;

  enum class OwnerRelease : std::uint8_t {
    idle,       ///< Owners may be let go.
    under_way,  ///< One of them is on the stack.
  };

  Slab* free_slabs_ = nullptr;
  Segment* free_segments_ = nullptr;
  Segment* spent_segments_ = nullptr;  // which keep their owners still
  Segment** spent_end_ = &spent_segments_;
  std::size_t free_slab_count_ = 0;
  std::size_t free_segment_count_ = 0;
  std::size_t slabs_alive_ = 0;
  std::size_t segments_alive_ = 0;
  OwnerRelease owner_release_ = OwnerRelease::idle;
};

// Every message on its way comes by here.
inline Slab* SegmentPool::new_slab() {
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
  slab->first.next = nullptr;
  return slab;
}

inline void SegmentPool::release(Slab* slab) noexcept {
  check(slab->references > 0, "a slab is released once per reference");
  if (--slab->references > 0) {
    return;
  }
  if (free_slab_count_ >= slab_reserve) {
    --slabs_alive_;
    delete exchange_for_highest(slab);
    return;
  }
  slab->next_free = std::exchange(free_slabs_, slab);
  ++free_slab_count_;
}

inline Segment* SegmentPool::new_segment() {
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

inline void SegmentPool::release(Segment* segment) noexcept {
  Slab* const slab = segment->slab();
  if (slab == nullptr) {
    segment->next = nullptr;
    *spent_end_ = segment;
    spent_end_ = &segment->next;
    return;
  }
  const bool brought_along = segment == &slab->first;
  release(slab);
  if (!brought_along) {
    recycle(segment);
  }
}

inline void SegmentPool::recycle(Segment* segment) noexcept {
  segment->let_go();
  if (free_segment_count_ >= segment_reserve) {
    --segments_alive_;
    delete segment;
    return;
  }
  segment->next = std::exchange(free_segments_, segment);
  ++free_segment_count_;
}

}  // namespace sluice::core
