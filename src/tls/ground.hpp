#pragma once

#include <openssl/bio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <system_error>
#include <utility>

#include "core/write_queue.hpp"
#include "sluice/buffer.hpp"
#include "transports/channel.hpp"

namespace sluice::tls {

/// The ground that a TLS engine stands on: what it reads comes from the socket at once, what it
/// writes goes to the socket as far as that has room and is kept in memory otherwise. So the engine
/// never has a write that is half done.
class Ground {
 public:
  /// Both must outlive it.
  Ground(transports::Channel& socket, core::SegmentPool& pool) : socket_(&socket), unsent_(pool) {}

  /// Bytes that come before those of the socket.
  void feed(Buffer bytes) { early_ = std::move(bytes); }

  /// What the engine writes from now on is kept, so that it leaves in one call: that of join() or
  /// push().
  void hold() noexcept { outgoing_ = Outgoing::held; }
  /// What the engine writes next leaves from where it lies, behind all that is kept.
  void join() noexcept { outgoing_ = Outgoing::joined; }
  /// All that the engine has written. True when nothing is kept any more; false also after a
  /// failure.
  bool push() noexcept;
  /// Whether nothing is kept, and nothing has failed.
  [[nodiscard]] bool all_sent() const noexcept { return unsent_.empty() && !send_error_; }
  /// How many bytes the engine has written, and how many of them have gone.
  [[nodiscard]] std::uint64_t written() const noexcept { return written_; }
  [[nodiscard]] std::uint64_t sent() const noexcept { return written_ - lost_ - unsent_.size(); }
  /// What broke the way out, and the way in; empty: nothing.
  [[nodiscard]] std::error_code send_error() const noexcept { return send_error_; }
  [[nodiscard]] std::error_code receive_error() const noexcept { return receive_error_; }
  /// Whether the peer has ended its TCP stream.
  [[nodiscard]] bool at_end() const noexcept { return input_ == Input::ended; }
  /// Whether the first byte that came can begin a TLS connection.
  [[nodiscard]] bool peer_speaks_tls() const noexcept { return first_byte_is_tls_; }

  /// From now on, a read that brings less than was asked for proves the socket empty, if
  /// the socket is one of which that is true.
  void trust_short_reads() noexcept { open_input(Input::trusting); }
  /// From now on every read asks the socket.
  void ask_always() noexcept { open_input(Input::asking); }
  /// Whether the socket was taken for empty without being asked.
  [[nodiscard]] bool guessed_empty() const noexcept { return input_ == Input::emptied; }

  /// Nothing is sent or received any more.
  void abandon() noexcept;

  // For the engine, by way of the BIO.
  /// Sends or keeps all of it.
  void send(Bytes bytes) noexcept;
  /// The number of bytes received; 0: none now, or none ever (at_end, receive_error).
  std::size_t receive(std::span<std::byte> memory) noexcept;

 private:
  enum class Input : std::uint8_t {
    asking,    ///< Reads ask the socket.
    trusting,  ///< The same, until one brings less than was asked for.
    emptied,   ///< One did: the socket is taken for empty.
    ended,     ///< The peer sends no more.
    given_up,  ///< We read no more.
  };

  enum class Outgoing : std::uint8_t {
    at_once,  ///< Goes to the socket, unless something is kept that comes before it.
    held,     ///< Is kept.
    joined,   ///< Goes to the socket in one call with what is kept; once.
  };

  void open_input(Input how) noexcept {
    if (input_ <= Input::emptied) {
      input_ = how;
    }
  }
  [[nodiscard]] std::size_t offer(Bytes bytes) noexcept;
  void keep(Bytes bytes) noexcept;
  void break_off(std::error_code error, std::size_t unkept) noexcept;

  transports::Channel* socket_;
  core::WriteQueue unsent_;
  std::uint64_t written_ = 0;
  std::uint64_t lost_ = 0;  // written, and never to be sent
  Buffer early_;
  std::error_code send_error_;
  std::error_code receive_error_;
  Input input_ = Input::asking;
  Outgoing outgoing_ = Outgoing::at_once;
  bool received_any_ = false;
  bool first_byte_is_tls_ = true;
};

struct BioMethodDeleter {
  void operator()(BIO_METHOD* method) const noexcept { BIO_meth_free(method); }
};
using BioMethod = std::unique_ptr<BIO_METHOD, BioMethodDeleter>;

/// The kind of BIO that stands on a Ground. One for each context; must outlive its BIOs. Throws
/// std::bad_alloc.
[[nodiscard]] BioMethod make_ground_method();

/// A BIO on `ground`, which must outlive it; the caller's. Throws std::bad_alloc.
[[nodiscard]] BIO* make_ground_bio(const BIO_METHOD& method, Ground& ground);

}  // namespace sluice::tls
