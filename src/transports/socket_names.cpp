#include "transports/socket_names.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>

namespace sluice::transports {
namespace {

// An unnamed Unix socket has an address, and a short one.
constexpr auto absent = std::numeric_limits<std::uint8_t>::max();
constexpr std::size_t head = 2;

// Of an IPv4 address: the family, the port and the address; zeros follow.
constexpr std::size_t half = 8;

std::uint8_t size_of(const std::optional<SocketAddress>& address) noexcept {
  return address ? static_cast<std::uint8_t>(address->native().size()) : absent;
}

std::optional<SocketAddress> unpack(const std::byte* bytes, std::byte size) {
  if (size == std::byte{absent}) {
    return std::nullopt;
  }
  return SocketAddress::from_native({bytes, std::to_integer<std::size_t>(size)});
}

bool can_be_halved(const std::optional<SocketAddress>& address) noexcept {
  return address && address->native().size() == 2 * half &&
         std::ranges::all_of(address->native().last(half),
                             [](std::byte byte) { return byte == std::byte{}; });
}

std::optional<SocketAddress> double_up(std::span<const std::byte, half> first) {
  std::array<std::byte, 2 * half> whole{};
  std::ranges::copy(first, whole.begin());
  return SocketAddress::from_native(whole);
}

}  // namespace

SocketNames::Packed SocketNames::pack(const std::optional<SocketAddress>& sockname,
                                      const std::optional<SocketAddress>& peername) {
  if (!sockname && !peername) {
    return nullptr;
  }
  const Bytes own = sockname ? sockname->native() : Bytes();
  const Bytes peer = peername ? peername->native() : Bytes();
  auto packed = std::make_unique<std::byte[]>(head + own.size() + peer.size());
  packed[0] = std::byte{size_of(sockname)};
  packed[1] = std::byte{size_of(peername)};
  std::byte* const behind = std::copy(own.begin(), own.end(), packed.get() + head);
  std::copy(peer.begin(), peer.end(), behind);
  return packed;
}

SocketNames::SocketNames(const std::optional<SocketAddress>& sockname,
                         const std::optional<SocketAddress>& peername) {
  if (can_be_halved(sockname) && can_be_halved(peername)) {
    Halves& halves = names_.emplace<Halves>();
    const Bytes own = sockname->native().first(half);
    std::ranges::copy(own, halves.begin());
    std::ranges::copy(peername->native().first(half), halves.begin() + half);
  } else {
    names_ = pack(sockname, peername);
  }
}

std::optional<SocketAddress> SocketNames::sockname() const {
  if (const Halves* halves = std::get_if<Halves>(&names_)) {
    return double_up(std::span(*halves).first<half>());
  }
  const Packed& packed = std::get<Packed>(names_);
  return packed ? unpack(packed.get() + head, packed[0]) : std::nullopt;
}

std::optional<SocketAddress> SocketNames::peername() const {
  if (const Halves* halves = std::get_if<Halves>(&names_)) {
    return double_up(std::span(*halves).last<half>());
  }
  const Packed& packed = std::get<Packed>(names_);
  if (!packed) {
    return std::nullopt;
  }
  const std::size_t own =
      packed[0] == std::byte{absent} ? 0 : std::to_integer<std::size_t>(packed[0]);
  return unpack(packed.get() + head + own, packed[1]);
}

}  // namespace sluice::transports
