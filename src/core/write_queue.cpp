#include "core/write_queue.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/check.hpp"

namespace sluice::core {

// One by one: a range holds the next, and a long chain would be destroyed recursively.
WriteQueue::~WriteQueue() {
  for (std::shared_ptr<External> chain = take_externals(); chain != nullptr;) {
    pop(chain);
  }
  // The pool may be gone before a queue that is empty.
  if (size() > 0) {
    clear();
    release_owners();
  }
}

void WriteQueue::append_copy(Bytes bytes) {
  if (bytes.empty()) {
    return;
  }
  close_lane();
  const std::size_t room = open_slab_ == nullptr ? 0 : Slab::capacity - open_slab_->used;
  if (bytes.size() <= room) {
    if (!tail_is_open()) {
      push_into_open_slab(pool_->new_segment());
    }
    extend_tail(bytes);
  } else if (bytes.size() < Slab::capacity) {
    open_fresh_slab();
    extend_tail(bytes);
  } else {
    append(Buffer::copy_of(bytes));
  }
}

void WriteQueue::begin(Bytes bytes, std::size_t most) {
  check(empty() && bytes.size() < Slab::capacity, "a queue begins with what one slab holds");
  Slab* const slab = pool_->new_slab();
  std::memcpy(slab->storage, bytes.data(), bytes.size());
  slab->used = static_cast<std::uint32_t>(bytes.size());
  ++slab->references;
  slab->first.keep(slab);
  slab->first.bytes = Bytes(slab->storage, bytes.size());
  open_slab_ = slab;
  head_ = tail_ = &slab->first;
  segment_count_ = 1;
  lane_ = slab->storage + bytes.size();
  lane_end_ = lane_ + std::min(most, Slab::capacity - bytes.size());
  settled_ = bytes.size() - reinterpret_cast<std::uintptr_t>(lane_);
}

void WriteQueue::append(Buffer&& buffer) {
  if (buffer.size() <= copy_limit) {
    append_copy(buffer.bytes());
    return;
  }
  close_lane();
  Segment* segment = pool_->new_segment();
  segment->bytes = buffer.bytes();
  segment->keep(std::move(buffer).owner());
  push(segment);
  settled_ += segment->bytes.size();
}

bool WriteQueue::tail_is_open() const noexcept {
  return open_slab_ != nullptr && tail_ != nullptr && tail_->slab() == open_slab_ &&
         tail_->bytes.data() + tail_->bytes.size() == open_slab_->storage + open_slab_->used;
}

void WriteQueue::open_fresh_slab() {
  Slab* const fresh = pool_->new_slab();
  close_open_slab();
  open_slab_ = fresh;
  push_into_open_slab(&fresh->first);
}

void WriteQueue::push_into_open_slab(Segment* segment) noexcept {
  segment->keep(open_slab_);
  segment->bytes = Bytes(open_slab_->storage + open_slab_->used, 0);
  ++open_slab_->references;
  push(segment);
}

void WriteQueue::extend_tail(Bytes bytes) noexcept {
  std::memcpy(open_slab_->storage + open_slab_->used, bytes.data(), bytes.size());
  open_slab_->used += static_cast<std::uint32_t>(bytes.size());
  tail_->bytes = Bytes(tail_->bytes.data(), tail_->bytes.size() + bytes.size());
  settled_ += bytes.size();
}

void WriteQueue::open_lane(std::size_t most) noexcept {
  close_lane();
  if (tail_is_open()) {
    lane_ = lane_begin();
    settled_ -= reinterpret_cast<std::uintptr_t>(lane_);
    lane_end_ = lane_ + std::min(most, Slab::capacity - open_slab_->used);
  }
}

void WriteQueue::account_for_lane() noexcept {
  const std::size_t count = lane_size();
  settled_ += reinterpret_cast<std::uintptr_t>(lane_);
  lane_ = lane_end_ = nullptr;
  open_slab_->used += static_cast<std::uint32_t>(count);
  tail_->bytes = Bytes(tail_->bytes.data(), tail_->bytes.size() + count);
}

void WriteQueue::push(Segment* segment) noexcept {
  if (tail_ == nullptr) {
    head_ = segment;
  } else {
    tail_->next = segment;
  }
  tail_ = segment;
  ++segment_count_;
}

void WriteQueue::close_open_slab() noexcept {
  if (open_slab_ != nullptr) {
    pool_->release(std::exchange(open_slab_, nullptr));
  }
}

std::size_t WriteQueue::gather(std::span<Bytes> pieces) noexcept {
  check(!in_flight(), "nothing is gathered while bytes are in flight");
  close_lane();
  std::size_t count = 0;
  std::size_t left = front_size();
  for (const Segment* segment = head_; left > 0 && count < pieces.size(); segment = segment->next) {
    // Bytes on both sides of a range may share a segment.
    const Bytes piece = segment->bytes.first(std::min(left, segment->bytes.size()));
    left -= piece.size();
    pieces[count++] = piece;
  }
  return count;
}

void WriteQueue::submit(std::size_t count) noexcept {
  check(!in_flight(), "one submission at a time");
  close_lane();
  check(count <= front_size(), "only queued bytes before a range are submitted");
  submitted_ = count;
}

void WriteQueue::acknowledge(std::size_t count) noexcept {
  close_lane();
  check(count <= front_size(), "only queued bytes before a range are acknowledged");
  settled_ -= count;
  submitted_ = 0;
  if (externals_ != nullptr) {
    externals_->front += count;
  }
  while (count > 0) {
    Segment* segment = head_;
    if (count < segment->bytes.size()) {
      segment->bytes = segment->bytes.subspan(count);
      break;
    }
    count -= segment->bytes.size();
    head_ = segment->next;
    --segment_count_;
    pool_->release(segment);
  }
  if (head_ == nullptr) {
    tail_ = nullptr;
    close_open_slab();
  }
}

std::size_t WriteQueue::clear() noexcept {
  check(!in_flight(), "bytes in flight belong to the sink");
  const std::size_t discarded = size();
  acknowledge(discarded);
  return discarded;
}

void WriteQueue::append_external(std::shared_ptr<External> range) {
  if (externals_ == nullptr) {
    externals_ = std::make_unique<Externals>();
  }
  Externals& all = *externals_;
  check(range->next_ == nullptr && range.get() != all.last, "a range is in one queue at most");
  close_lane();
  range->position_ = all.front + size();
  External* const last = range.get();
  (all.last == nullptr ? all.first : all.last->next_) = std::move(range);
  all.last = last;
}

std::shared_ptr<External> WriteQueue::remove_external(const External& range) noexcept {
  if (!has_external()) {
    return nullptr;
  }
  External* previous = nullptr;
  std::shared_ptr<External>* link = &externals_->first;
  while (*link != nullptr && link->get() != &range) {
    previous = link->get();
    link = &previous->next_;
  }
  if (*link == nullptr) {
    return nullptr;
  }
  std::shared_ptr<External> removed = std::move(*link);
  *link = std::move(removed->next_);
  if (externals_->last == &range) {
    externals_->last = previous;
  }
  return removed;
}

std::shared_ptr<External> WriteQueue::take_externals() noexcept {
  if (!has_external()) {
    return nullptr;
  }
  externals_->last = nullptr;
  return std::exchange(externals_->first, nullptr);
}

std::shared_ptr<External> WriteQueue::pop(std::shared_ptr<External>& chain) noexcept {
  std::shared_ptr<External> first = std::move(chain);
  chain = std::move(first->next_);
  return first;
}

ExternalResult WriteQueue::fetch_external() {
  check(next_external() != nullptr && !in_flight(), "only a range at the front is fetched");
  close_lane();
  Slab* const slab = pool_->new_slab();
  Segment* const segment = &slab->first;
  External& range = *externals_->first;
  static_assert(fetch_bytes <= Slab::capacity);
  const auto most =
      static_cast<std::size_t>(std::min<std::uint64_t>(range.remaining(), fetch_bytes));
  const ExternalResult result = range.read(std::span(slab->storage, most));
  segment->keep(slab);
  if (result.kind != ExternalResult::Kind::moved) {
    pool_->release(segment);
    return result;
  }
  range.advance(result.count);
  slab->used = static_cast<std::uint32_t>(result.count);
  segment->bytes = Bytes(slab->storage, result.count);
  segment->next = head_;
  head_ = segment;
  if (tail_ == nullptr) {
    tail_ = segment;
  }
  ++segment_count_;
  settled_ += result.count;
  externals_->front -= result.count;
  return result;
}

void WriteQueue::check_externals() const noexcept {
  if (externals_ == nullptr) {
    return;
  }
  std::uint64_t place = 0;
  const External* last = nullptr;
  for (const External* range = externals_->first.get(); range != nullptr;
       range = range->next_.get()) {
    check(place <= externals_->place_of(*range), "ranges stand in order, none behind the front");
    place = externals_->place_of(*range);
    last = range;
  }
  check(place <= size(), "no range stands behind the end");
  check(last == externals_->last, "the last range is the last");
}

void WriteQueue::check_invariants() const noexcept {
  check(submitted_ <= front_size(), "nothing behind a range or the end is submitted");
  std::size_t bytes = 0;
  std::size_t segments = 0;
  const Segment* last = nullptr;
  for (const Segment* segment = head_; segment != nullptr; segment = segment->next) {
    check(!segment->bytes.empty(), "no segment is empty");
    bytes += segment->bytes.size();
    ++segments;
    last = segment;
  }
  check(bytes + lane_size() == size(), "size is the sum of the segments and the lane");
  check(lane_ == nullptr || (tail_is_open() && lane_begin() <= lane_ && lane_ <= lane_end_ &&
                             lane_end_ <= open_slab_->storage + Slab::capacity),
        "the lane is the room behind the last byte");
  check(segments == segment_count_, "segment_count counts the segments");
  check(last == tail_, "tail is the last segment");
  check(size() > 0 || open_slab_ == nullptr, "an empty queue holds no memory");
  check_externals();
}

}  // namespace sluice::core
