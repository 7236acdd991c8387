#include "narrow_connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <stdexcept>

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

}  // namespace bench
