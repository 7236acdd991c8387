#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "common/descriptor.hpp"
#include "common/require.hpp"

namespace bench {

/// The kernel's queue of connections that are not accepted yet; the same for every contender.
inline constexpr int listen_backlog = 4096;

/// 127.0.0.1 and `port`.
inline sockaddr_in loopback_address(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

inline sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    throw std::invalid_argument("--path needs a path that fits a Unix socket");
  }
  path.copy(address.sun_path, path.size());
  return address;
}

inline void send_without_delay(int fd) {
  const int on = 1;
  require(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt TCP_NODELAY");
}

/// Non-blocking, on 127.0.0.1; port 0 is any free one. The listeners of several threads share one.
inline Descriptor listen_on_loopback(std::uint16_t port = 0, bool share_port = false) {
  Descriptor listener(
      require(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
  const int on = 1;
  // A port that was given may have been that of a run just ended.
  require(setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on),
          "setsockopt SO_REUSEADDR");
  if (share_port) {
    require(setsockopt(listener.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on),
            "setsockopt SO_REUSEPORT");
  }
  const sockaddr_in address = loopback_address(port);
  require(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
          "bind");
  require(listen(listener.get(), listen_backlog), "listen");
  return listener;
}

inline Descriptor listen_on_path(const std::string& path) {
  Descriptor listener(
      require(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
  const sockaddr_un address = unix_address(path);
  ::unlink(path.c_str());
  require(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
          "bind");
  require(listen(listener.get(), listen_backlog), "listen");
  return listener;
}

inline std::uint16_t port_of(int listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  require(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  return ntohs(address.sin_port);
}

/// Tells whoever started the server that it listens; 0 where there is no port.
inline void announce(std::uint16_t port) {
  std::printf("listening %u\n", static_cast<unsigned>(port));
  std::fflush(stdout);
}

}  // namespace bench
