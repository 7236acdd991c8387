#include "transports/datagram_source.hpp"

#include <algorithm>
#include <utility>

#include "core/check.hpp"
#include "sys/error_table.hpp"

namespace sluice::transports {

using core::SourceResult;
using sys::Call;
using sys::Verdict;

SourceResult DatagramSource::read(std::span<std::byte> memory) noexcept {
  const SourceResult look_and_read_again{SourceResult::Kind::received, memory.size()};
  if (!kept_.empty()) {
    return look_and_read_again;
  }
  core::check(next_ == count_, "a batch is handed out or kept before the next one is read");
  next_ = 0;
  count_ = 0;
  const std::size_t slots = std::min(max_batch, memory.size() / slot_bytes_);
  for (std::size_t i = 0; i < slots; ++i) {
    batch_[i].memory = memory.subspan(i * slot_bytes_, slot_bytes_);
  }
  sys::Result<std::size_t> result;
  do {
    ++totals_.calls;
    result = sys_->recvmmsg(fd_, std::span(batch_).first(slots));
  } while (!result.ok() && sys::judge(Call::recvmmsg, result.error) == Verdict::retry);
  if (!result.ok()) {
    switch (sys::classify(Call::recvmmsg, result.error)) {
      case Verdict::would_block:
        return {SourceResult::Kind::would_block};
      case Verdict::our_bug:
        return {SourceResult::Kind::failed, 0, sys::to_error_code(result.error)};
      default:
        error_ = sys::to_error_code(result.error);
        return look_and_read_again;
    }
  }
  count_ = result.value;
  return count_ == slots ? look_and_read_again
                         : SourceResult{SourceResult::Kind::received, count_ * slot_bytes_};
}

DatagramSource::Datagram DatagramSource::next() noexcept {
  if (!kept_.empty()) {
    handed_out_ = std::move(kept_.front());
    kept_.pop_front();
    return {as_bytes(handed_out_.bytes), &handed_out_.from, handed_out_.truncated};
  }
  const sys::IncomingDatagram& datagram = batch_[next_++];
  return {datagram.memory.first(datagram.size), &datagram.from, datagram.truncated};
}

void DatagramSource::keep_rest() {
  for (; next_ < count_; ++next_) {
    const sys::IncomingDatagram& datagram = batch_[next_];
    kept_.push_back({std::string(as_text(datagram.memory.first(datagram.size))), datagram.from,
                     datagram.truncated});
  }
}

void DatagramSource::drop_rest() noexcept {
  totals_.unread += kept_.size() + (count_ - next_);
  kept_.clear();
  next_ = count_;
}

}  // namespace sluice::transports
