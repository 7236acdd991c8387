#include "sluice/socket_address.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace sluice {
namespace {

constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

template <class Native>
Native copy_out(Bytes bytes) noexcept {
  Native native{};
  std::memcpy(&native, bytes.data(), std::min(bytes.size(), sizeof native));
  return native;
}

template <class Native>
SocketAddress copy_in(const Native& native) noexcept {
  return SocketAddress::from_native(std::as_bytes(std::span(&native, 1)));
}

sa_family_t native_family(Bytes bytes) noexcept {
  return bytes.size() < sizeof(sa_family_t) ? sa_family_t{AF_UNSPEC} : copy_out<sa_family_t>(bytes);
}

}  // namespace

std::optional<SocketAddress> SocketAddress::from_numeric(std::string_view host,
                                                         std::uint16_t port) {
  const std::string text(host);
  sockaddr_in ipv4{};
  if (::inet_pton(AF_INET, text.c_str(), &ipv4.sin_addr) == 1) {
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(port);
    return copy_in(ipv4);
  }
  if (text.find(':') == std::string::npos) {
    return std::nullopt;
  }
  // Of all that getaddrinfo can do, only the zone of a link-local address is wanted: no lookup
  // happens.
  addrinfo hints{};
  hints.ai_family = AF_INET6;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(text.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return std::nullopt;
  }
  const SocketAddress address =
      from_native(Bytes(reinterpret_cast<const std::byte*>(found->ai_addr), found->ai_addrlen));
  ::freeaddrinfo(found);
  return address;
}

SocketAddress SocketAddress::from_unix_path(std::string_view path) {
  if (path.empty()) {
    throw std::invalid_argument("a Unix socket needs a path");
  }
  const bool abstract = path.front() == '\0';
  if (path.size() > max_unix_path) {
    throw std::invalid_argument("a Unix socket's path has at most " +
                                std::to_string(max_unix_path) + " bytes, this one has " +
                                std::to_string(path.size()));
  }
  sockaddr_un native{};
  native.sun_family = AF_UNIX;
  std::memcpy(native.sun_path, path.data(), path.size());
  const std::size_t size = path_offset + path.size() + (abstract ? 0 : 1);
  return from_native(std::as_bytes(std::span(&native, 1)).first(size));
}

SocketAddress SocketAddress::from_native(Bytes sockaddr) noexcept {
  SocketAddress address;
  address.size_ = std::min(sockaddr.size(), address.storage_.size());
  std::copy_n(sockaddr.begin(), address.size_, address.storage_.begin());
  return address;
}

AddressFamily SocketAddress::family() const noexcept {
  switch (native_family(native())) {
    case AF_INET:
      return AddressFamily::ipv4;
    case AF_INET6:
      return AddressFamily::ipv6;
    case AF_UNIX:
      if (size_ <= path_offset) {
        return AddressFamily::unix_unnamed;
      }
      return storage_[path_offset] == std::byte{0} ? AddressFamily::unix_abstract
                                                   : AddressFamily::unix_path;
    default:
      return AddressFamily::unspecified;
  }
}

std::string SocketAddress::host() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (family() == AddressFamily::ipv4) {
    const auto ipv4 = copy_out<sockaddr_in>(native());
    ::inet_ntop(AF_INET, &ipv4.sin_addr, text.data(), text.size());
    return text.data();
  }
  if (family() != AddressFamily::ipv6) {
    return {};
  }
  const auto ipv6 = copy_out<sockaddr_in6>(native());
  ::inet_ntop(AF_INET6, &ipv6.sin6_addr, text.data(), text.size());
  std::string host = text.data();
  if (ipv6.sin6_scope_id != 0) {
    std::array<char, IF_NAMESIZE> zone{};
    const char* name = ::if_indextoname(ipv6.sin6_scope_id, zone.data());
    host += "%" + (name != nullptr ? std::string(name) : std::to_string(ipv6.sin6_scope_id));
  }
  return host;
}

std::uint16_t SocketAddress::port() const noexcept {
  switch (family()) {
    case AddressFamily::ipv4:
      return ntohs(copy_out<sockaddr_in>(native()).sin_port);
    case AddressFamily::ipv6:
      return ntohs(copy_out<sockaddr_in6>(native()).sin6_port);
    default:
      return 0;
  }
}

std::string SocketAddress::path() const {
  const AddressFamily kind = family();
  if (kind != AddressFamily::unix_path && kind != AddressFamily::unix_abstract) {
    return {};
  }
  const std::string_view text = as_text(native().subspan(path_offset));
  return std::string(kind == AddressFamily::unix_path ? text.substr(0, text.find('\0')) : text);
}

std::string SocketAddress::to_string() const {
  switch (family()) {
    case AddressFamily::ipv4:
      return host() + ":" + std::to_string(port());
    case AddressFamily::ipv6:
      return "[" + host() + "]:" + std::to_string(port());
    case AddressFamily::unix_path:
      return path();
    case AddressFamily::unix_abstract:
      return "@" + path().substr(1);
    case AddressFamily::unix_unnamed:
      return "unnamed Unix socket";
    case AddressFamily::unspecified:
      break;
  }
  return "unspecified address";
}

bool operator==(const SocketAddress& left, const SocketAddress& right) noexcept {
  return std::ranges::equal(left.native(), right.native());
}

}  // namespace sluice
