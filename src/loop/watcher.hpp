#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "core/intrusive_list.hpp"

namespace sluice::loop {

/// What happened to a descriptor; a set.
struct IoEvents {
  bool readable = false;  ///< Data, a connection, or an end of file is there.
  bool writable = false;  ///< There is room again.
  /// No further edge will tell of what is there: the other end sends no more, is gone, or has sent
  /// urgent data, at which a read stops early.
  bool hangup = false;
  bool broken =
      false;  ///< The other end receives no more, or there is an error (EPOLLHUP, EPOLLERR).

  [[nodiscard]] bool any() const noexcept { return as_one() != 0; }
  void add(const IoEvents& other) noexcept {
    *this = std::bit_cast<IoEvents>(as_one() | other.as_one());
  }

 private:
  // Every event comes by here.
  [[nodiscard]] std::uint32_t as_one() const noexcept {
    return std::bit_cast<std::uint32_t>(*this);
  }
};

struct ServiceTag;
struct FlushTag;

/// Somebody with bytes to flush when the turn ends at the latest.
class Flushable : public core::ListHook<FlushTag> {
 public:
  virtual void on_end_of_turn() = 0;

 protected:
  ~Flushable() = default;
};

/// What one thread writes and what another one reads often are best this far apart.
inline constexpr std::size_t cache_line_bytes = 64;

/// What fetch_ahead() is about: so many bytes before the Flushable of a transport and from there
/// on.
inline constexpr std::ptrdiff_t fetched_bytes_before = 96;
inline constexpr std::ptrdiff_t fetched_bytes_from_there = 320;

/// Whose turn is next: with thousands of connections it is not in the cache, and it comes there
/// while the system works for the one before. What the bytes are for others than transports does no
/// harm.
[[gnu::always_inline]] inline void fetch_ahead(const Flushable& next) noexcept {
  constexpr auto cache_line = static_cast<std::ptrdiff_t>(cache_line_bytes);
  const auto* const here = reinterpret_cast<const std::byte*>(&next);
  for (std::ptrdiff_t at = -fetched_bytes_before; at < fetched_bytes_from_there; at += cache_line) {
    __builtin_prefetch(here + at);
  }
}

/// Whether that is all of an object of so many bytes.
[[nodiscard]] inline bool fetched_whole(const Flushable& one, const void* begin,
                                        std::size_t bytes) noexcept {
  const std::ptrdiff_t before =
      reinterpret_cast<const std::byte*>(&one) - static_cast<const std::byte*>(begin);
  return before <= fetched_bytes_before &&
         static_cast<std::ptrdiff_t>(bytes) - before <= fetched_bytes_from_there;
}

/// Somebody with a descriptor in the reactor. Must be out of the reactor before it is destroyed.
/// Those of whom there are many write, too: that all are Flushable saves each of these a pointer.
class Watcher : public Flushable, public core::ListHook<ServiceTag> {
 public:
  virtual void on_io(IoEvents events) = 0;
  /// Not called unless it was asked for.
  void on_end_of_turn() override {}
  using core::ListHook<ServiceTag>::linked;
  using core::ListHook<ServiceTag>::unlink;

  /// Events that are to be handled in the next turn though the reactor will not tell them.
  IoEvents owed;

 protected:
  ~Watcher() = default;
};

}  // namespace sluice::loop
