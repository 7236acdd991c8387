#include "transports/socket_names.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>

#include "sys/constants.hpp"

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

std::size_t length(std::byte size) noexcept {
  return size == std::byte{absent} ? 0 : std::to_integer<std::size_t>(size);
}

std::optional<SocketAddress> from_ipv4(Bytes port_and_address) {
  std::array<std::byte, sys::empty_ipv4_address.size()> whole = sys::empty_ipv4_address;
  std::ranges::copy(port_and_address, whole.begin() + sys::ipv4_port_offset);
  return SocketAddress::from_native(whole);
}

// Port and address, if there is nothing else to it.
Bytes ipv4_of(const std::optional<SocketAddress>& address, std::size_t bytes) {
  if (!address || address->family() != AddressFamily::ipv4) {
    return {};
  }
  const Bytes found = address->native().subspan(sys::ipv4_port_offset, bytes);
  return from_ipv4(found) == address ? found : Bytes();
}

std::unique_ptr<std::byte[]> pack(const std::optional<SocketAddress>& sockname,
                                  const std::optional<SocketAddress>& peername) {
  const Bytes own = sockname ? sockname->native() : Bytes();
  const Bytes peer = peername ? peername->native() : Bytes();
  auto packed = std::make_unique<std::byte[]>(head + own.size() + peer.size());
  packed[0] = std::byte{size_of(sockname)};
  packed[1] = std::byte{size_of(peername)};
  std::byte* const behind = std::copy(own.begin(), own.end(), packed.get() + head);
  std::copy(peer.begin(), peer.end(), behind);
  return packed;
}

}  // namespace

SocketNames::SocketNames(const std::optional<SocketAddress>& sockname,
                         const std::optional<SocketAddress>& peername) {
  const Bytes own = ipv4_of(sockname, ipv4_bytes);
  const Bytes peer = ipv4_of(peername, ipv4_bytes);
  if (!own.empty() && !peer.empty()) {
    std::ranges::copy(own, room_.begin());
    std::ranges::copy(peer, room_.begin() + ipv4_bytes);
    form_ = Form::ipv4;
  } else if (sockname || peername) {
    const std::byte* const packed = pack(sockname, peername).release();
    std::memcpy(room_.data(), &packed, sizeof packed);
    form_ = Form::packed;
  }
}

SocketNames::~SocketNames() {
  if (form_ == Form::packed) {
    const std::unique_ptr<const std::byte[]> owned(packed());
  }
}

const std::byte* SocketNames::packed() const noexcept {
  const std::byte* packed = nullptr;
  std::memcpy(&packed, room_.data(), sizeof packed);
  return packed;
}

std::optional<SocketAddress> SocketNames::sockname() const {
  switch (form_) {
    case Form::none:
      break;
    case Form::ipv4:
      return from_ipv4(std::span(room_).first<ipv4_bytes>());
    case Form::packed:
      return unpack(packed() + head, packed()[0]);
  }
  return std::nullopt;
}

std::optional<SocketAddress> SocketNames::peername() const {
  switch (form_) {
    case Form::none:
      break;
    case Form::ipv4:
      return from_ipv4(std::span(room_).last<ipv4_bytes>());
    case Form::packed:
      return unpack(packed() + head + length(packed()[0]), packed()[1]);
  }
  return std::nullopt;
}

}  // namespace sluice::transports
