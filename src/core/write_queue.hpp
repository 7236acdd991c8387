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
/// linked; bytes never move again. At the front there may be submitted bytes, which a sink works
/// on. An empty queue holds no bytes' memory. Between the bytes there may be external ranges, which
/// are no bytes of the queue.
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
  /// Appends by reference when large, by copy when small, which leaves `buffer` as it is; in one
  /// piece too. Throws std::bad_alloc and has changed nothing then.
  void append(Buffer&& buffer);

  /// append_copy() to an empty queue and open_lane() behind it in one, for bytes that fit into a
  /// slab: most messages are the first of their turn. Throws std::bad_alloc and is unchanged then.
  void begin(Bytes bytes, std::size_t most);
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
    std::memcpy(lane_, bytes.data(), bytes.size());
    lane_ += bytes.size();
    return true;
  }
  /// The same for short messages alone, in place and without a call.
  [[nodiscard]] bool append_short_in_lane(Bytes bytes) noexcept {
    if (!ShortMessage::is(bytes.size()) || bytes.size() > lane_room()) {
      return false;
    }
    copy_short_message(lane_, bytes);
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

  /// All of the queue, which is one segment and no external range. Closes the lane.
  [[nodiscard]] Bytes only_piece() noexcept {
    check(segment_count_ == 1 && !in_flight() && !has_external(), "the queue is one piece");
    close_lane();
    return head_->bytes;
  }

  /// A sink works on the first `count` bytes: they stay where they are until acknowledged.
  void submit(std::size_t count) noexcept;
  /// The first `count` bytes are gone, submitted or not; what else was submitted is ours again.
  /// O(segments touched). The owners of linked Buffers stay until release_owners(), for these may
  /// write to this very queue when they go.
  void acknowledge(std::size_t count) noexcept;
  /// Forgets every byte; none may be submitted, no external range be there. Returns how many there
  /// were.
  std::size_t clear() noexcept;
  /// Lets go of the owners whose bytes are no longer queued. May call anything.
  void release_owners() noexcept { pool_->release_owners(); }

  /// Puts `range` behind everything. Throws std::bad_alloc and is unchanged then.
  void append_external(std::shared_ptr<External> range);
  [[nodiscard]] bool has_external() const noexcept {
    return externals_ != nullptr && externals_->first != nullptr;
  }
  /// The range at the very front; null when bytes come first, or nothing.
  [[nodiscard]] External* next_external() const noexcept {
    return has_external() && front_size() == 0 ? externals_->first.get() : nullptr;
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
    return settled_ + reinterpret_cast<std::uintptr_t>(lane_);
  }
  /// Neither bytes nor external ranges.
  [[nodiscard]] bool empty() const noexcept { return size() == 0 && !has_external(); }
  /// The bytes up to the first external range.
  [[nodiscard]] std::size_t front_size() const noexcept {
    return has_external() ? static_cast<std::size_t>(externals_->place_of(*externals_->first))
                          : size();
  }
  [[nodiscard]] bool in_flight() const noexcept { return submitted_ != 0; }
  /// Bytes that a sink works on.
  [[nodiscard]] std::size_t in_flight_size() const noexcept { return submitted_; }
  /// How many pieces gather() would need for everything.
  [[nodiscard]] std::size_t segment_count() const noexcept { return segment_count_; }

  /// Ends the process when the structure is damaged; O(segments), for debug builds and tests.
  void check_invariants() const noexcept;

 private:
  struct Externals {
    std::shared_ptr<External> first;
    External* last = nullptr;
    // How far the front has moved since, towards the end by what is gone and back by what has come
    // in there. It wraps around, as do the places that are counted from it.
    std::uint64_t front = 0;

    /// The bytes before `range`.
    [[nodiscard]] std::uint64_t place_of(const External& range) const noexcept {
      return range.position_ - front;
    }
  };

  void push(Segment* segment) noexcept;
  // Whether the open slab's free space directly follows the last queued byte.
  [[nodiscard]] bool tail_is_open() const noexcept;
  void account_for_lane() noexcept;
  void extend_tail(Bytes bytes) noexcept;
  void open_fresh_slab();
  void push_into_open_slab(Segment* segment) noexcept;
  void close_open_slab() noexcept;
  // Where the lane began: bytes behind it are unknown to the slab and the tail until it is closed.
  [[nodiscard]] std::byte* lane_begin() const noexcept {
    return open_slab_->storage + open_slab_->used;
  }
  [[nodiscard]] std::size_t lane_size() const noexcept {
    return lane_ == nullptr ? 0 : static_cast<std::size_t>(lane_ - lane_begin());
  }
  void check_externals() const noexcept;

  SegmentPool* pool_;
  Segment* head_ = nullptr;
  Segment* tail_ = nullptr;
  Slab* open_slab_ = nullptr;  // where the next small write goes; shared by segments before it
  std::byte* lane_ = nullptr;  // both null while the lane is closed
  std::byte* lane_end_ = nullptr;
  // The size, less the address that the lane has reached: so a write in the lane need not count.
  std::size_t settled_ = 0;
  std::size_t submitted_ = 0;
  std::unique_ptr<Externals> externals_;  // null as long as there was none: few queues have any
  std::uint32_t segment_count_ = 0;       // last: what follows in a WriteSide fits behind it
};

}  // namespace sluice::core
