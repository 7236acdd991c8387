#include "transports/datagram_sink.hpp"

#include <array>
#include <cerrno>
#include <utility>

#include "sys/error_table.hpp"

namespace sluice::transports {

using core::SinkResult;
using sys::Call;
using sys::Verdict;

/// The frames of one sendmmsg, in messages of one datagram or one train each.
class DatagramSink::Batch {
 public:
  /// Fills up from `reader` with frames to `addresses`, at most `most`.
  Batch(FrameReader reader, const AddressTable& addresses, Trains trains,
        std::size_t most) noexcept {
    std::optional<Frame> frame;
    while (frames_count_ < most && frames_count_ < frames_.size() && (frame = reader.next())) {
      // sendmmsg(2) only reads what a piece points to.
      pieces_[frames_count_] = {const_cast<std::byte*>(frame->data), frame->size};
      frames_[frames_count_] = *frame;
      if (trains == Trains::allowed && joins_last(*frame)) {
        extend_last(frame->size);
      } else if (messages_count_ < messages_.size()) {
        messages_[messages_count_] = {addresses.find(frame->address),
                                      std::span(&pieces_[frames_count_], 1)};
        train_bytes_ = frame->size;
        train_open_ = train_bytes_ > 0;
        ++messages_count_;
      } else {
        break;
      }
      ++frames_count_;
    }
  }

  [[nodiscard]] bool empty() const noexcept { return frames_count_ == 0; }
  [[nodiscard]] std::span<const sys::OutgoingDatagram> messages() const noexcept {
    return std::span(messages_).first(messages_count_);
  }
  [[nodiscard]] std::span<const Frame> frames() const noexcept {
    return std::span(frames_).first(frames_count_);
  }
  [[nodiscard]] bool first_is_train() const noexcept { return messages_.front().segment_size > 0; }

 private:
  // All but the last datagram of a train have one size, and the last is not larger.
  [[nodiscard]] bool joins_last(const Frame& frame) const noexcept {
    if (frames_count_ == 0 || !train_open_ || frame.size == 0) {
      return false;
    }
    const sys::OutgoingDatagram& train = messages_[messages_count_ - 1];
    return frame.address == frames_[frames_count_ - 1].address &&
           frame.size <= train.pieces.front().iov_len && train.pieces.size() < max_train &&
           train_bytes_ + frame.size <= max_train_bytes;
  }
  void extend_last(std::size_t size) noexcept {
    sys::OutgoingDatagram& train = messages_[messages_count_ - 1];
    const std::size_t segment = train.pieces.front().iov_len;
    train.segment_size = static_cast<std::uint16_t>(segment);
    train.pieces = std::span(train.pieces.data(), train.pieces.size() + 1);
    train_bytes_ += size;
    train_open_ = size == segment;
  }

  static constexpr std::size_t max_frames = 4 * max_train;

  // Filled as far as they are used: they are large.
  std::array<Frame, max_frames> frames_;
  std::array<iovec, max_frames> pieces_;
  std::array<sys::OutgoingDatagram, sys::SystemCalls::max_datagrams> messages_;
  std::size_t frames_count_ = 0;
  std::size_t messages_count_ = 0;
  std::size_t train_bytes_ = 0;
  bool train_open_ = false;  // whether the last message may grow
};

FrameHeader DatagramSink::header_for(std::size_t size, const SocketAddress* to) {
  const FrameHeader header{static_cast<std::uint32_t>(size),
                           to == nullptr ? AddressTable::none : addresses_.enter(*to)};
  ++queued_;
  return header;
}

void DatagramSink::forget_queued() noexcept {
  queued_ = 0;
  addresses_.clear();
}

void DatagramSink::refuse(std::error_code error, std::size_t size, const SocketAddress* to) {
  ++totals_.lost;
  refused_.push_back({error, size, to == nullptr ? std::nullopt : std::optional(*to)});
}

void DatagramSink::take_refused(std::vector<RefusedDatagram>& into) noexcept {
  into.clear();
  into.swap(refused_);
}

void DatagramSink::gone(const Frame& frame) noexcept {
  addresses_.leave(frame.address);
  --queued_;
}

// Whether single datagrams may get through where this train did not.
bool DatagramSink::trains_to_blame(const Batch& batch, int error) const noexcept {
  return batch.first_is_train() && (error == EIO || error == EINVAL || error == EMSGSIZE);
}

// The frames of the first `messages` messages are done with; returns their bytes in the queue.
std::size_t DatagramSink::pass(FrameReader& reader, const Batch& batch,
                               std::size_t messages) noexcept {
  std::size_t frames = 0;
  for (const sys::OutgoingDatagram& message : batch.messages().first(messages)) {
    frames += message.pieces.size();
    totals_.trains += message.segment_size > 0 ? 1U : 0U;
  }
  totals_.sent += frames;
  std::size_t bytes = 0;
  for (const Frame& frame : batch.frames().first(frames)) {
    bytes += frame.queued_bytes();
    gone(frame);
    static_cast<void>(reader.next());
  }
  return bytes;
}

// Of a train only the first datagram is given up: an error that waited in the socket concerned an
// earlier one, and any other will be told again.
std::size_t DatagramSink::lose_first(FrameReader& reader, const Batch& batch, int error) noexcept {
  const Frame& frame = batch.frames().front();
  refuse(sys::to_error_code(error), frame.size, addresses_.find(frame.address));
  gone(frame);
  static_cast<void>(reader.next());
  return frame.queued_bytes();
}

SinkResult DatagramSink::write(std::span<const Bytes> pieces) noexcept {
  FrameReader reader(pieces);
  std::size_t accepted = 0;
  const std::uint64_t before = totals_.sent + totals_.lost;
  for (;;) {
    const std::size_t left = max_per_attempt - (totals_.sent + totals_.lost - before);
    const Batch batch(reader, addresses_, trains_, left);
    if (batch.empty() || refused_.size() >= max_refused) {
      return SinkResult::enough(accepted);
    }
    ++totals_.calls;
    const sys::Result<std::size_t> result = sys_->sendmmsg(fd_, batch.messages());
    if (result.ok()) {
      accepted += pass(reader, batch, result.value);
      continue;
    }
    switch (sys::judge(Call::sendmmsg, result.error)) {
      case Verdict::retry:
        break;
      case Verdict::would_block:
        return accepted > 0 ? SinkResult::accepted(accepted) : SinkResult::would_block();
      case Verdict::our_bug:
        return SinkResult::failed(sys::to_error_code(result.error));
      default:
        if (trains_to_blame(batch, result.error)) {
          trains_ = Trains::forbidden;
        } else {
          accepted += lose_first(reader, batch, result.error);
        }
    }
  }
}

std::error_code DatagramSink::shutdown() noexcept {
  return std::make_error_code(std::errc::operation_not_supported);
}

}  // namespace sluice::transports
