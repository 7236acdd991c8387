#pragma once

#include <cstdint>
#include <vector>

#include "core/check.hpp"
#include "sluice/socket_address.hpp"

namespace sluice::transports {

/// Where queued datagrams go: each address once for as many neighbours as have it, known by a
/// number that fits into a frame's header. Grows to the most that were ever queued at once and
/// allocates nothing after that.
class AddressTable {
 public:
  /// The number of no address: the peer of a connected socket.
  static constexpr std::uint32_t none = 0xffffffffU;

  /// One more use of `address`; returns its number. Throws std::bad_alloc.
  [[nodiscard]] std::uint32_t enter(const SocketAddress& address) {
    if (latest_ != none && entries_[latest_].uses > 0 && entries_[latest_].address == address) {
      ++entries_[latest_].uses;
      return latest_;
    }
    if (first_free_ == none) {
      entries_.push_back({address, 1, none});
      latest_ = static_cast<std::uint32_t>(entries_.size() - 1);
    } else {
      latest_ = first_free_;
      Entry& entry = entries_[latest_];
      first_free_ = entry.next_free;
      entry = {address, 1, none};
    }
    return latest_;
  }

  /// The address of a number; null for `none`. Valid until the next call of enter().
  [[nodiscard]] const SocketAddress* find(std::uint32_t number) const noexcept {
    return number == none ? nullptr : &entries_[number].address;
  }

  /// One use fewer.
  void leave(std::uint32_t number) noexcept {
    if (number == none) {
      return;
    }
    Entry& entry = entries_[number];
    core::check(entry.uses > 0, "an address is left as often as it was entered");
    if (--entry.uses == 0) {
      entry.next_free = first_free_;
      first_free_ = number;
    }
  }

  /// Forgets all.
  void clear() noexcept {
    entries_.clear();
    first_free_ = none;
    latest_ = none;
  }

 private:
  struct Entry {
    SocketAddress address;
    std::uint32_t uses;
    std::uint32_t next_free;
  };

  std::vector<Entry> entries_;
  std::uint32_t first_free_ = none;
  std::uint32_t latest_ = none;
};

}  // namespace sluice::transports
