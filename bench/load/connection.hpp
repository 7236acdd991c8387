#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/descriptor.hpp"

namespace bench {

/// How the load reaches the server.
struct Address {
  enum class Kind : std::uint8_t { tcp, unix_socket, fifo };
  Kind kind = Kind::tcp;
  std::uint16_t port = 0;
  std::string path{};
};

/// Connects, non-blocking from then on. A FIFO is opened for reading.
Descriptor connect_to(const Address& address);
std::vector<Descriptor> connect_to(const Address& address, std::size_t count);

/// How long a server may do nothing before the load gives up.
inline constexpr std::chrono::milliseconds patience = std::chrono::minutes(1);

/// Waits until poll(2) tells one of `events`; throws when none comes.
void wait_until_ready(int fd, int events);

/// What there is to read, at most what fits; 0 if there is nothing at the moment. Throws when the
/// peer is gone.
std::size_t receive_some(int fd, std::span<char> bytes);
/// How much of `bytes` the kernel took, maybe 0. Throws when the peer is gone.
std::size_t send_some(int fd, std::string_view bytes);

}  // namespace bench
