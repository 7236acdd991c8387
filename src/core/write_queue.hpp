#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "core/copy_message.hpp"
#include "core/external.hpp"
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
/// no memory. Between the bytes there may be external ranges, which are no bytes of the queue.
class WriteQueue {
 public:
  /// An owned Buffer of at most this many bytes is cheaper to copy than to link.
  static constexpr std::size_t copy_limit = 512;
  /// At most so much of an external range is read at a time.
  static constexpr std::size_t fetch_bytes = 16 * 1024;

  /// The pool must outlive every byte in the queue.
  explicit WriteQueue(SegmentPool& pool) noexcept : pool_(&pool) {}
  WriteQueue(const WriteQueue&) = delete;
  WriteQueue& operator=(const WriteQueue&) = delete;
  ~WriteQueue();

  /// Appends a copy, all of it in one piece of gather(). Throws std::bad_alloc and is unchanged
  /// then.
  void append_copy(Bytes bytes);
  /// Appends by reference when large, by copy when small; in one piece too. Throws std::bad_alloc
  /// and is unchanged then.
  void append(Buffer buffer);

  /// Opens the lane: the room behind the last byte, but no more than `most` of it. Bytes appended
  /// in it cost a comparison and the copying. Whatever else changes the queue closes it.
  void open_lane(std::size_t most) noexcept;
  /// append_copy() of bytes that the lane has room for; false, with nothing changed, for others and
  /// for none.
  [[nodiscard]] bool append_in_lane(Bytes bytes) noexcept {
    // None wraps around to more than there is room for.
    if (bytes.size() - 1 >= lane_room()) {
      return false;
    }
    copy_message(lane_, bytes);
    lane_ += bytes.size();
    return true;
  }
  [[nodiscard]] std::size_t lane_room() const noexcept {
    return static_cast<std::size_t>(lane_end_ - lane_);
  }
  void close_lane() noexcept {
    if (lane_ != nullptr) {
      account_for_lane();
    }
  }

  /// Fills `pieces` with the front of the queue, up to the first external range; returns how many
  /// were filled. Nothing may be submitted. Closes the lane.
  [[nodiscard]] std::size_t gather(std::span<Bytes> pieces) noexcept;

  /// A sink works on the first `count` bytes: they stay where they are until acknowledged.
  void submit(std::size_t count) noexcept;
  /// The first `count` bytes are gone, submitted or not; what else was submitted is ours again.
  /// O(segments touched).
  void acknowledge(std::size_t count) noexcept;
  /// Forgets every byte; none may be submitted, no external range be there. Returns how many there
  /// were.
  std::size_t clear() noexcept;

  /// Puts `range` behind everything.
  void append_external(std::shared_ptr<External> range) noexcept;
  [[nodiscard]] bool has_external() const noexcept { return first_external_ != nullptr; }
  /// The range at the very front; null when bytes come first, or nothing.
  [[nodiscard]] External* next_external() const noexcept {
    return first_external_ != nullptr && front_size() == 0 ? first_external_.get() : nullptr;
  }
  /// Takes `range` out, wherever it stands; null if it is not there.
  std::shared_ptr<External> remove_external(const External& range) noexcept;
  /// Takes all ranges out, in order; each holds the next one.
  std::shared_ptr<External> take_externals() noexcept;
  /// Separates the first of such ranges from the rest, which becomes `chain`.
  static std::shared_ptr<External> pop(std::shared_ptr<External>& chain) noexcept;
  /// Reads at most fetch_bytes of the range at the front to the place before it. Throws
  /// std::bad_alloc and has changed nothing then.
  ExternalResult fetch_external();

  /// Bytes not yet acknowledged, without those of external ranges. O(1).
  [[nodiscard]] std::size_t size() const noexcept {
    return static_cast<std::size_t>(queued_ - acknowledged_) + lane_size();
  }
  /// Neither bytes nor external ranges.
  [[nodiscard]] bool empty() const noexcept {
    return queued_ == acknowledged_ && first_external_ == nullptr;
  }
  /// The bytes up to the first external range.
  [[nodiscard]] std::size_t front_size() const noexcept {
    return first_external_ == nullptr
               ? size()
               : static_cast<std::size_t>(first_external_->position_ + inserted_ - acknowledged_);
  }
  [[nodiscard]] bool in_flight() const noexcept { return submitted_ != acknowledged_; }
  /// Bytes that a sink works on.
  [[nodiscard]] std::size_t in_flight_size() const noexcept {
    return static_cast<std::size_t>(submitted_ - acknowledged_);
  }
  /// How many pieces gather() would need for everything.
  [[nodiscard]] std::size_t segment_count() const noexcept { return segment_count_; }

  /// Ends the process when the structure is damaged; O(segments), for debug builds and tests.
  void check_invariants() const noexcept;

 private:
  void push(Segment* segment) noexcept;
  // Whether the open slab's free space directly follows the last queued byte.
  [[nodiscard]] bool tail_is_open() const noexcept;
  void account_for_lane() noexcept;
  void extend_tail(Bytes bytes) noexcept;
  void open_fresh_slab();
  void push_into_open_slab(Segment* segment) noexcept;
  void close_open_slab() noexcept;
  // Bytes in the lane, which neither the counters nor the tail know of before it is closed.
  [[nodiscard]] std::size_t lane_size() const noexcept {
    return static_cast<std::size_t>(lane_ - lane_begin_);
  }
  void check_externals() const noexcept;

  SegmentPool* pool_;
  Segment* head_ = nullptr;
  Segment* tail_ = nullptr;
  Slab* open_slab_ = nullptr;  // where the next small write goes; shared by segments before it
  std::byte* lane_begin_ = nullptr;  // all three null while the lane is closed
  std::byte* lane_ = nullptr;
  std::byte* lane_end_ = nullptr;
  std::size_t segment_count_ = 0;
  std::uint64_t queued_ = 0;
  std::uint64_t submitted_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::shared_ptr<External> first_external_;
  External* last_external_ = nullptr;
  // Bytes that ever came in at the front. A range stands where queued_ was when it came, and
  // further back by what has come in at the front since: at position_ + inserted_.
  std::uint64_t inserted_ = 0;
};

}  // namespace sluice::core
