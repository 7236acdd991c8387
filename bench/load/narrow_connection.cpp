#include "narrow_connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>

#include "common/listening_socket.hpp"
#include "common/require.hpp"

namespace bench {

Descriptor connect_narrowly(const Address& address) {
  if (address.kind != Address::Kind::tcp) {
    throw std::invalid_argument("only for TCP");
  }
  Descriptor connection(require(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  const int segment_bytes = 1448;
  require(
      setsockopt(connection.get(), IPPROTO_TCP, TCP_MAXSEG, &segment_bytes, sizeof segment_bytes),
      "setsockopt TCP_MAXSEG");
  const int buffer_bytes = 64 * 1024;
  require(setsockopt(connection.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes),
          "setsockopt SO_RCVBUF");
  const sockaddr_in peer = loopback_address(address.port);
  require(connect(connection.get(), reinterpret_cast<const sockaddr*>(&peer), sizeof peer),
          "connect");
  send_without_delay(connection.get());
  return connection;
}

int waiting_bytes(int fd) {
  int bytes = 0;
  require(ioctl(fd, FIONREAD, &bytes), "ioctl FIONREAD");
  return bytes;
}

namespace {

template <class GetName>
in_port_t port_of(int fd, GetName get_name) {
  sockaddr_in name{};
  socklen_t size = sizeof name;
  require(get_name(fd, reinterpret_cast<sockaddr*>(&name), &size), "the name of a connection");
  return ntohs(name.sin_port);
}

// Of a connection from one port of this machine to another, what is sent and not acknowledged.
std::uint64_t unacknowledged_bytes(in_port_t from, in_port_t to) {
  std::ifstream connections("/proc/net/tcp");
  std::string line;
  std::getline(connections, line);
  while (std::getline(connections, line)) {
    unsigned local = 0;
    unsigned remote = 0;
    unsigned long queued = 0;
    // "  0: 0100007F:1F90 0100007F:C350 01 0000ABCD:00000000 ..."
    if (std::sscanf(line.c_str(), " %*d: %*x:%x %*x:%x %*x %lx:", &local, &remote, &queued) == 3 &&
        local == from && remote == to) {
      return queued;
    }
  }
  throw std::runtime_error("the peer's end of a connection is not in /proc/net/tcp");
}

}  // namespace

std::uint64_t bytes_on_the_way(int fd) {
  return unacknowledged_bytes(port_of(fd, getpeername), port_of(fd, getsockname)) +
         static_cast<std::uint64_t>(waiting_bytes(fd));
}

}  // namespace bench
