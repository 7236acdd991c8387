#include "tls/ground.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <span>

#include "core/check.hpp"

namespace sluice::tls {
namespace {

using core::SinkResult;
using core::SourceResult;

// A record is kept in pieces that fit into slabs of the pool, so that keeping it allocates nothing.
constexpr std::size_t kept_piece_bytes = core::Slab::capacity / 2;
constexpr std::size_t most_pieces = 16;

// The first byte of a record: change_cipher_spec, alert, handshake, application data.
constexpr unsigned first_record_type = 20;
constexpr unsigned last_record_type = 23;

Ground& ground_of(BIO* bio) {
  return *static_cast<Ground*>(BIO_get_data(bio));
}

int write_bio(BIO* bio, const char* data, std::size_t size, std::size_t* written) {
  BIO_clear_retry_flags(bio);
  ground_of(bio).send(std::as_bytes(std::span(data, size)));
  *written = size;
  return 1;
}

int read_bio(BIO* bio, char* data, std::size_t size, std::size_t* got) {
  BIO_clear_retry_flags(bio);
  Ground& ground = ground_of(bio);
  *got = ground.receive(std::as_writable_bytes(std::span(data, size)));
  if (*got > 0) {
    return 1;
  }
  if (!ground.at_end() && !ground.receive_error()) {
    BIO_set_retry_read(bio);
  }
  return 0;
}

long control_bio(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_EOF:
      return ground_of(bio).at_end() ? 1 : 0;
    default:
      return 0;
  }
}

}  // namespace

// An error is not the engine's business: it comes to light at the next read or write of the
// transport, and what the peer sent before it can still be read.
void Ground::send(Bytes bytes) noexcept {
  if (send_error_ || input_ == Input::given_up) {
    return;
  }
  written_ += bytes.size();
  const bool joined = outgoing_ == Outgoing::joined;
  if (joined || (outgoing_ == Outgoing::at_once && unsent_.empty())) {
    outgoing_ = Outgoing::at_once;
    bytes = bytes.subspan(offer(bytes));
  }
  if (!send_error_) {
    keep(bytes);
  }
}

// Offers what is kept and, behind it, `bytes`; returns how many of these were taken.
std::size_t Ground::offer(Bytes bytes) noexcept {
  std::array<Bytes, most_pieces> pieces;
  std::size_t count = unsent_.gather(std::span(pieces).first(most_pieces - 1));
  std::size_t offered = 0;
  for (std::size_t i = 0; i < count; ++i) {
    offered += pieces[i].size();
  }
  core::check(offered == unsent_.size(), "no more is held than one call takes");
  pieces[count++] = bytes;
  const SinkResult result = socket_->write(std::span(pieces).first(count));
  if (result.kind == SinkResult::Kind::failed) {
    break_off(result.error, bytes.size());
    return 0;
  }
  const std::size_t of_kept = std::min(result.count, offered);
  unsent_.acknowledge(of_kept);
  return result.count - of_kept;
}

void Ground::keep(Bytes bytes) noexcept {
  try {
    while (!bytes.empty()) {
      const Bytes piece = bytes.first(std::min(bytes.size(), kept_piece_bytes));
      unsent_.append_copy(piece);
      bytes = bytes.subspan(piece.size());
    }
  } catch (const std::bad_alloc&) {
    // A stream with a hole in it is worse than none.
    break_off(std::make_error_code(std::errc::not_enough_memory), bytes.size());
  }
}

// `unkept` bytes are written as well, but not among those that wait.
void Ground::break_off(std::error_code error, std::size_t unkept) noexcept {
  send_error_ = error;
  lost_ += unsent_.clear() + unkept;
}

bool Ground::push() noexcept {
  outgoing_ = Outgoing::at_once;
  while (!unsent_.empty() && !send_error_) {
    std::array<Bytes, most_pieces> pieces;
    const std::size_t count = unsent_.gather(pieces);
    std::size_t offered = 0;
    for (std::size_t i = 0; i < count; ++i) {
      offered += pieces[i].size();
    }
    const SinkResult result = socket_->write(std::span(pieces).first(count));
    if (result.kind == SinkResult::Kind::failed) {
      break_off(result.error, 0);
      return false;
    }
    unsent_.acknowledge(result.count);
    if (result.count < offered) {
      return false;
    }
  }
  return !send_error_;
}

std::size_t Ground::receive(std::span<std::byte> memory) noexcept {
  std::size_t count = 0;
  if (!early_.empty()) {
    count = std::min(early_.size(), memory.size());
    std::memcpy(memory.data(), early_.bytes().data(), count);
    early_ = early_.slice(count, early_.size() - count);
  } else if (input_ == Input::asking || input_ == Input::trusting) {
    const SourceResult result = socket_->read(memory);
    count = result.count;
    switch (result.kind) {
      case SourceResult::Kind::received:
        if (input_ == Input::trusting && count < memory.size() && socket_->short_read_empties()) {
          input_ = Input::emptied;
        }
        break;
      case SourceResult::Kind::would_block:
        break;
      case SourceResult::Kind::end:
        input_ = Input::ended;
        break;
      case SourceResult::Kind::failed:
        receive_error_ = result.error;
        break;
    }
  }
  if (count > 0 && !received_any_) {
    received_any_ = true;
    const auto first = std::to_integer<unsigned>(memory.front());
    first_byte_is_tls_ = first >= first_record_type && first <= last_record_type;
  }
  return count;
}

void Ground::abandon() noexcept {
  unsent_.clear();
  early_ = Buffer();
  input_ = Input::given_up;
}

BioMethod make_ground_method() {
  BioMethod method(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "sluice"));
  if (!method || BIO_meth_set_write_ex(method.get(), write_bio) != 1 ||
      BIO_meth_set_read_ex(method.get(), read_bio) != 1 ||
      BIO_meth_set_ctrl(method.get(), control_bio) != 1) {
    throw std::bad_alloc();
  }
  return method;
}

BIO* make_ground_bio(const BIO_METHOD& method, Ground& ground) {
  BIO* const bio = BIO_new(&method);
  if (bio == nullptr) {
    throw std::bad_alloc();
  }
  BIO_set_data(bio, &ground);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace sluice::tls
