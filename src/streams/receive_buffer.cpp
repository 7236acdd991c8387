#include "streams/receive_buffer.hpp"

#include <algorithm>
#include <cstring>

namespace sluice::streams {

void ReceiveBuffer::append(Bytes data) {
  if (data.empty()) {
    return;
  }
  if (capacity_ - end_ < data.size()) {
    make_room(data.size());
  }
  std::memcpy(memory_.get() + end_, data.data(), data.size());
  end_ += data.size();
}

void ReceiveBuffer::make_room(std::size_t count) {
  const std::size_t live = size();
  if (begin_ >= live && capacity_ - live >= count) {
    std::memmove(memory_.get(), memory_.get() + begin_, live);
  } else {
    const std::size_t larger = std::max({2 * capacity_, live + count, std::size_t{1024}});
    auto memory = std::make_unique_for_overwrite<char[]>(larger);
    if (live > 0) {
      std::memcpy(memory.get(), memory_.get() + begin_, live);
    }
    memory_ = std::move(memory);
    capacity_ = larger;
  }
  begin_ = 0;
  end_ = live;
}

void ReceiveBuffer::consume(std::size_t count) noexcept {
  begin_ += std::min(count, size());
  if (!empty()) {
    return;
  }
  begin_ = end_ = 0;
  if (capacity_ > kept_bytes) {
    memory_.reset();
    capacity_ = 0;
  }
}

}  // namespace sluice::streams
