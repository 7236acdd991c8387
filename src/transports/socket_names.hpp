#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <variant>

#include "sluice/socket_address.hpp"

namespace sluice::transports {

/// The two addresses of a connection in as many bytes as they have: there may be many connections,
/// and a SocketAddress has room for the longest.
class SocketNames {
 public:
  SocketNames(const std::optional<SocketAddress>& sockname,
              const std::optional<SocketAddress>& peername);

  [[nodiscard]] std::optional<SocketAddress> sockname() const;
  [[nodiscard]] std::optional<SocketAddress> peername() const;

 private:
  /// Both sizes, then both addresses; null if there is none.
  using Packed = std::unique_ptr<std::byte[]>;
  /// Two addresses whose second half is nothing but zeros, as that of IPv4 is.
  using Halves = std::array<std::byte, 16>;

  static Packed pack(const std::optional<SocketAddress>& sockname,
                     const std::optional<SocketAddress>& peername);

  std::variant<Packed, Halves> names_;
};

}  // namespace sluice::transports
