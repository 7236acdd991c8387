#include "chaos/chaos_end.hpp"

#include <algorithm>
#include <utility>

namespace sluice::chaos {

std::byte stream_byte(std::uint64_t id, std::uint64_t offset) noexcept {
  // Neighbouring offsets, and the same offset of neighbouring streams, differ.
  return static_cast<std::byte>((offset * 167 + (offset >> 8) * 13 + id * 59) & 0xff);
}

void Round::violated(const Ledger& ledger, const std::string& rule) {
  violations.push_back("connection " + std::to_string(ledger.id) + ": " + rule);
}

void Round::end_gone() {
  if (--ends_alive == 0) {
    loop.stop();
  }
}

Writer::Writer(Round& round, Ledger& ledger)
    : round_(round),
      ledger_(ledger),
      total_(round.below(4) == 0 ? round.below(4'000'000) : round.below(200'000)) {}

void Writer::start(std::shared_ptr<WriteTransport> transport) {
  transport_ = std::move(transport);
  if (round_.below(2) == 0) {
    const std::size_t high = round_.below(100'000);
    transport_->set_write_buffer_limits(high, high == 0 ? 0 : round_.below(high));
  }
  write_some();
}

void Writer::pause() {
  if (std::exchange(flow_, Flow::paused) == Flow::paused) {
    round_.violated(ledger_, "pause_writing twice in a row");
  }
  if (transport_->get_write_buffer_size() <= transport_->get_write_buffer_limits().high) {
    round_.violated(ledger_, "pause_writing at or below the high mark");
  }
  // Now and then a producer ends just here.
  if (round_.below(200) == 0) {
    finish();
  }
}

void Writer::resume() {
  if (std::exchange(flow_, Flow::flowing) == Flow::flowing) {
    round_.violated(ledger_, "resume_writing without a pause");
  }
  write_some();
}

std::string Writer::next_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  for (std::size_t i = 0; i < count; ++i) {
    bytes[i] = static_cast<char>(stream_byte(ledger_.id, ledger_.accepted + i));
  }
  ledger_.accepted += count;
  return bytes;
}

void Writer::write_piece(std::size_t count) {
  switch (round_.below(4)) {
    case 0:
      transport_->write(next_bytes(count));
      break;
    case 1:
      transport_->write(Buffer::take(next_bytes(count)));
      break;
    case 2:
      transport_->writelines({next_bytes(count / 2), std::string(), next_bytes(count - count / 2)});
      break;
    default: {
      const Buffer whole = Buffer::take(next_bytes(count));
      transport_->writelines({whole.slice(0, count / 3), whole.slice(count / 3, count)});
      break;
    }
  }
}

void Writer::write_some() {
  // Most producers stop when they are told to; some run on for a while.
  for (int i = 0; i < 20 && !finished_ && !transport_->is_closing(); ++i) {
    if (flow_ == Flow::paused && round_.below(8) != 0) {
      return;
    }
    const std::uint64_t left = total_ - ledger_.accepted;
    const std::uint64_t size = round_.below(8) == 0 ? round_.below(150'000) : round_.below(3'000);
    write_piece(static_cast<std::size_t>(std::min(left, size)));
    if (ledger_.accepted == total_) {
      finish();
    }
  }
  schedule();
}

void Writer::schedule() {
  // A resume_writing may come while the timer of an earlier call still waits.
  timer_.cancel();
  if (!finished_ && flow_ == Flow::flowing) {
    timer_ = round_.loop.call_later(std::chrono::microseconds(round_.below(300)),
                                    [this] { write_some(); });
  }
}

void Writer::finish() {
  if (std::exchange(finished_, true) || transport_->is_closing()) {
    return;
  }
  switch (round_.below(6)) {
    case 0:
      ledger_.broken_on_purpose = true;
      transport_->abort();
      break;
    case 1:
    case 2:
      transport_->write_eof();
      break;
    default:
      transport_->close();
      break;
  }
}

void Writer::lost() {
  timer_.cancel();
  ledger_.statistics = transport_->write_statistics();
  transport_.reset();
}

Reader::Reader(Round& round, Ledger& ledger)
    : round_(round),
      ledger_(ledger),
      gives_up_at_(round.below(5) == 0 ? round.below(300'000) : ~std::uint64_t{0}) {}

void Reader::start(std::shared_ptr<ReadTransport> transport) {
  transport_ = std::move(transport);
}

void Reader::take(Bytes data) {
  for (const std::byte byte : data) {
    if (byte != stream_byte(ledger_.id, ledger_.received++)) {
      round_.violated(ledger_, "a wrong byte at offset " + std::to_string(ledger_.received - 1));
      break;
    }
  }
  if (ledger_.received >= gives_up_at_) {
    ledger_.broken_on_purpose = true;
    transport_->close();
  } else if (round_.below(6) == 0) {
    transport_->pause_reading();
    timer_ = round_.loop.call_later(std::chrono::microseconds(round_.below(2000)),
                                    [this] { transport_->resume_reading(); });
  }
}

void Reader::end() {
  ledger_.received_end = true;
}

void Reader::lost() {
  timer_.cancel();
  transport_.reset();
}

}  // namespace sluice::chaos
