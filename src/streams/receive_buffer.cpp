#include "streams/receive_buffer.hpp"

#include <algorithm>
#include <utility>

namespace sluice::streams {

void ReceiveBuffer::append(Bytes data) {
  const std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  const bool fits = memory_.capacity() - memory_.size() >= text.size();
  if (!fits && memory_.empty()) {
    // Exact: as a rule it is given away whole.
    memory_ = std::string(text);
    return;
  }
  if (!fits) {
    make_room(text.size());
  }
  memory_.append(text);
}

void ReceiveBuffer::make_room(std::size_t count) {
  const std::size_t live = size();
  if (begin_ >= live && memory_.capacity() - live >= count) {
    memory_.erase(0, begin_);
  } else {
    std::string larger;
    larger.reserve(std::max(2 * memory_.capacity(), live + count));
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
