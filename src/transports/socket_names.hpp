#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "sluice/socket_address.hpp"

namespace sluice::transports {

/// The two addresses of a connection in as few bytes as they have: there may be many connections,
/// and a SocketAddress has room for the longest. A pair of IPv4 is kept in place.
class SocketNames {
 public:
  SocketNames(const std::optional<SocketAddress>& sockname,
              const std::optional<SocketAddress>& peername);
  SocketNames(const SocketNames&) = delete;
  SocketNames& operator=(const SocketNames&) = delete;
  ~SocketNames();

  [[nodiscard]] std::optional<SocketAddress> sockname() const;
  [[nodiscard]] std::optional<SocketAddress> peername() const;

 private:
  enum class Form : std::uint8_t {
    none,    ///< Neither is known.
    ipv4,    ///< Port and address of both, as they are in a sockaddr_in.
    packed,  ///< A pointer to both sizes, then both addresses; the SocketNames owns them.
  };
  static constexpr std::size_t ipv4_bytes = 6;

  [[nodiscard]] const std::byte* packed() const noexcept;

  std::array<std::byte, 2 * ipv4_bytes> room_{};
  Form form_ = Form::none;
};

}  // namespace sluice::transports
