#pragma once

#include <cstddef>
#include <memory>
#include <optional>

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
  std::unique_ptr<std::byte[]> packed_;  // both sizes, then both addresses; null if there is none
};

}  // namespace sluice::transports
