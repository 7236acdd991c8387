#include "streams/receive_buffer.hpp"

#include <algorithm>
#include <utility>

namespace sluice::streams {

void ReceiveBuffer::append(Bytes data) {
  if (memory_.capacity() - memory_.size() < data.size()) {
    make_room(data.size());
  }
  memory_.append(reinterpret_cast<const char*>(data.data()), data.size());
}

void ReceiveBuffer::make_room(std::size_t count) {
  const std::size_t live = size();
  if (begin_ >= live && memory_.capacity() - live >= count) {
    memory_.erase(0, begin_);
  } else {
    std::string larger;
    // Exact when nothing is left to be joined: as a rule it is given away whole.
    larger.reserve(live > 0 ? std::max(2 * memory_.capacity(), live + count) : count);
    larger.append(view());
    memory_.swap(larger);
  }
  begin_ = 0;
}

std::string ReceiveBuffer::take(std::size_t count) {
  // Memory that is empty for the most part is not given away with a few bytes.
  if (begin_ == 0 && count >= size() && memory_.capacity() / 2 <= memory_.size()) {
    return std::exchange(memory_, {});
  }
  std::string taken(view().substr(0, count));
  consume(taken.size());
  return taken;
}

void ReceiveBuffer::consume(std::size_t count) noexcept {
  begin_ += count;
  if (!empty()) {
    return;
  }
  begin_ = 0;
  memory_.clear();
  if (memory_.capacity() > kept_bytes) {
    memory_.shrink_to_fit();
  }
}

}  // namespace sluice::streams
