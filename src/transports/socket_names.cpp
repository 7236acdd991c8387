#include "transports/socket_names.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace sluice::transports {
namespace {

// An unnamed Unix socket has an address, and a short one.
constexpr auto absent = std::numeric_limits<std::uint8_t>::max();
constexpr std::size_t head = 2;

std::uint8_t size_of(const std::optional<SocketAddress>& address) noexcept {
  return address ? static_cast<std::uint8_t>(address->native().size()) : absent;
}

std::optional<SocketAddress> unpack(const std::byte* bytes, std::byte size) {
  if (size == std::byte{absent}) {
    return std::nullopt;
  }
  return SocketAddress::from_native({bytes, std::to_integer<std::size_t>(size)});
}

}  // namespace

SocketNames::SocketNames(const std::optional<SocketAddress>& sockname,
                         const std::optional<SocketAddress>& peername) {
  if (!sockname && !peername) {
    return;
  }
  const Bytes own = sockname ? sockname->native() : Bytes();
  const Bytes peer = peername ? peername->native() : Bytes();
  packed_ = std::make_unique<std::byte[]>(head + own.size() + peer.size());
  packed_[0] = std::byte{size_of(sockname)};
  packed_[1] = std::byte{size_of(peername)};
  std::byte* const behind = std::copy(own.begin(), own.end(), packed_.get() + head);
  std::copy(peer.begin(), peer.end(), behind);
}

std::optional<SocketAddress> SocketNames::sockname() const {
  return packed_ ? unpack(packed_.get() + head, packed_[0]) : std::nullopt;
}

std::optional<SocketAddress> SocketNames::peername() const {
  if (!packed_) {
    return std::nullopt;
  }
  const std::size_t own =
      packed_[0] == std::byte{absent} ? 0 : std::to_integer<std::size_t>(packed_[0]);
  return unpack(packed_.get() + head + own, packed_[1]);
}

}  // namespace sluice::transports
