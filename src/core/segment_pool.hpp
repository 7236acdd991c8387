#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sluice/buffer.hpp"

namespace sluice::core {

/// Memory for small writes, shared by the neighbouring segments that were copied into it.
struct Slab {
  static constexpr std::size_t capacity = 16 * 1024 - 32;

  Slab* next_free = nullptr;
  std::uint32_t references =
      0;  ///< segments that point into it, plus one while it is a queue's open slab
  std::uint32_t used = 0;  ///< bytes handed out, from the front
  std::array<std::byte, capacity> storage;
};

/// A run of queued bytes: of a slab, or of a linked Buffer.
struct Segment {
  Segment* next = nullptr;
  Bytes bytes;
  Slab* slab = nullptr;  ///< null for a linked Buffer
  Buffer owner;
};

/// Recycles slabs and segments for all queues of one loop, so that the steady state allocates
/// nothing. After a burst, what is free beyond a small reserve goes back to the system.
class SegmentPool {
 public:
  /// How many free slabs (1 MiB) and segments are kept.
  static constexpr std::size_t slab_reserve = 64;
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
  /// Releases what the segment refers to and recycles it.
  void release(Segment* segment) noexcept;

  /// How many are out there or kept, for tests and for those who watch memory.
  [[nodiscard]] std::size_t slabs_alive() const noexcept { return slabs_alive_; }
  [[nodiscard]] std::size_t segments_alive() const noexcept { return segments_alive_; }

 private:
  Slab* free_slabs_ = nullptr;
  Segment* free_segments_ = nullptr;
  std::size_t free_slab_count_ = 0;
  std::size_t free_segment_count_ = 0;
  std::size_t slabs_alive_ = 0;
  std::size_t segments_alive_ = 0;
};

}  // namespace sluice::core
