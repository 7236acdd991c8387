#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/bytes.hpp"

namespace sluice {

/// The kinds of address a stream socket can have.
enum class AddressFamily : std::uint8_t {
  unspecified,
  ipv4,
  ipv6,
  unix_path,
  unix_abstract,
  unix_unnamed
};

/// The address of one end of a socket: a value, copied freely, usable on any thread.
class SocketAddress {
 public:
  /// The longest path a Unix socket can have, in bytes.
  static constexpr std::size_t max_unix_path = 107;

  SocketAddress() noexcept = default;

  /// An IPv4 or IPv6 address from its numeric text ("127.0.0.1", "::1", "fe80::1%2").
  /// Empty when `host` is not numeric.
  [[nodiscard]] static std::optional<SocketAddress> from_numeric(std::string_view host,
                                                                 std::uint16_t port);

  /// A Unix socket's path; a leading NUL byte makes it an abstract name, as in asyncio.
  /// Throws std::invalid_argument, naming the limit, when it is empty or longer than max_unix_path.
  [[nodiscard]] static SocketAddress from_unix_path(std::string_view path);

  /// From the bytes of a sockaddr, as the system gives them.
  [[nodiscard]] static SocketAddress from_native(Bytes sockaddr) noexcept;
  /// The bytes of the sockaddr, as the system takes them; valid as long as this object.
  [[nodiscard]] Bytes native() const noexcept { return {storage_.data(), size_}; }

  [[nodiscard]] AddressFamily family() const noexcept;
  /// The numeric host of an IP address; empty for Unix addresses.
  [[nodiscard]] std::string host() const;
  /// The port of an IP address; 0 for Unix addresses.
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// The path of a Unix address (abstract names begin with a NUL byte); empty for IP addresses.
  [[nodiscard]] std::string path() const;

  /// For people: "127.0.0.1:80", "[::1]:80", "/run/x.sock", "@abstract", "unnamed Unix socket".
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const SocketAddress& left, const SocketAddress& right) noexcept;

 private:
  alignas(8) std::array<std::byte, 112> storage_{};
  std::size_t size_ = 0;
};

}  // namespace sluice
