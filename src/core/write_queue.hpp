#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/segment_pool.hpp"
#include "sluice/buffer.hpp"
#include "sluice/bytes.hpp"

namespace sluice::core {

/// Bytes on their way out, in order. Small pieces are copied into slabs, large owned ones are
/// linked; bytes never move again. Three counters run ahead of each other:
///
///     acknowledged <= submitted <= queued
///
/// queued: given to us; submitted: a sink works on them; acknowledged: gone. An empty queue holds
/// no memory.
class WriteQueue {
 public:
  /// An owned Buffer of at most this many bytes is cheaper to copy than to link.
  static constexpr std::size_t copy_limit = 512;

  /// The pool must outlive every byte in the queue.
  explicit WriteQueue(SegmentPool& pool) noexcept : pool_(&pool) {}
  WriteQueue(const WriteQueue&) = delete;
  WriteQueue& operator=(const WriteQueue&) = delete;
  ~WriteQueue() { clear(); }

  /// Appends a copy. Throws std::bad_alloc and is unchanged then.
  void append_copy(Bytes bytes);
  /// Appends by reference when large, by copy when small. Throws std::bad_alloc and is unchanged
  /// then.
  void append(Buffer buffer);

  /// Fills `pieces` with the front of the queue; returns how many were filled. Nothing may be
  /// submitted.
  [[nodiscard]] std::size_t gather(std::span<Bytes> pieces) const noexcept;

  /// A sink works on the first `count` bytes: they stay where they are until acknowledged.
  void submit(std::size_t count) noexcept;
  /// The first `count` bytes are gone, submitted or not; what else was submitted is ours again.
  /// O(segments touched).
  void acknowledge(std::size_t count) noexcept;
  /// Forgets every byte; none may be submitted. Returns how many there were.
  std::size_t clear() noexcept;

  /// Bytes not yet acknowledged. O(1).
  [[nodiscard]] std::size_t size() const noexcept {
    return static_cast<std::size_t>(queued_ - acknowledged_);
  }
  [[nodiscard]] bool empty() const noexcept { return queued_ == acknowledged_; }
  [[nodiscard]] bool in_flight() const noexcept { return submitted_ != acknowledged_; }
  /// How many pieces gather() would need for everything.
  [[nodiscard]] std::size_t segment_count() const noexcept { return segment_count_; }

  /// Ends the process when the structure is damaged; O(segments), for debug builds and tests.
  void check_invariants() const noexcept;

 private:
  void push(Segment* segment) noexcept;
  // Whether the open slab's free space directly follows the last queued byte.
  [[nodiscard]] bool tail_is_open() const noexcept;
  void copy_into_open_slab(Bytes bytes);
  void open_fresh_slab();
  void push_into_open_slab(Segment* segment) noexcept;
  void close_open_slab() noexcept;

  SegmentPool* pool_;
  Segment* head_ = nullptr;
  Segment* tail_ = nullptr;
  Slab* open_slab_ = nullptr;  // where the next small write goes; shared by segments before it
  std::size_t segment_count_ = 0;
  std::uint64_t queued_ = 0;
  std::uint64_t submitted_ = 0;
  std::uint64_t acknowledged_ = 0;
};

}  // namespace sluice::core
