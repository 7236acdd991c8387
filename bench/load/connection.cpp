#include "connection.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include "common/listening_socket.hpp"
#include "common/messages.hpp"
#include "common/require.hpp"

namespace bench {
namespace {

void set_non_blocking(int fd) {
  require(fcntl(fd, F_SETFL, require(fcntl(fd, F_GETFL), "fcntl") | O_NONBLOCK), "fcntl");
}

template <class SocketAddress>
Descriptor connect_stream(int family, const SocketAddress& address) {
  Descriptor connection(require(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  // Bounds connect(2), which waits for room in the server's queue.
  const timeval longest{
      .tv_sec = std::chrono::duration_cast<std::chrono::seconds>(patience).count(), .tv_usec = 0};
  require(setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest),
          "setsockopt SO_SNDTIMEO");
  require(connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
          "connect");
  set_non_blocking(connection.get());
  return connection;
}

}  // namespace

Descriptor connect_to(const Address& address) {
  switch (address.kind) {
    case Address::Kind::unix_socket:
      return connect_stream(AF_UNIX, unix_address(address.path));
    case Address::Kind::fifo:
      return Descriptor(
          require(open(address.path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC), "open"));
    case Address::Kind::tcp:
      break;
  }
  Descriptor connection = connect_stream(AF_INET, loopback_address(address.port));
  send_without_delay(connection.get());
  return connection;
}

std::vector<Descriptor> connect_to(const Address& address, std::size_t count) {
  std::vector<Descriptor> connections;
  if (address.kind == Address::Kind::fifo) {
    for (const std::string& path : fifo_paths(address.path, count)) {
      connections.push_back(connect_to({.kind = address.kind, .path = path}));
    }
  }
  while (connections.size() < count) {
    connections.push_back(connect_to(address));
  }
  return connections;
}

void wait_until_ready(int fd, int events) {
  pollfd one{fd, static_cast<short>(events), 0};
  if (require(poll(&one, 1, static_cast<int>(patience.count())), "poll") == 0) {
    throw std::runtime_error("the server did nothing for a minute");
  }
}

// read(2), for a FIFO is no socket.
std::size_t receive_some(int fd, std::span<char> bytes) {
  const ssize_t got = read(fd, bytes.data(), bytes.size());
  if (got < 0 && errno == EAGAIN) {
    return 0;
  }
  if (require(got, "receiving from the server") == 0) {
    throw std::runtime_error("the server has closed a connection");
  }
  return static_cast<std::size_t>(got);
}

std::size_t send_some(int fd, std::string_view bytes) {
  const ssize_t sent = write(fd, bytes.data(), bytes.size());
  if (sent < 0 && errno == EAGAIN) {
    return 0;
  }
  return static_cast<std::size_t>(require(sent, "sending to the server"));
}

}  // namespace bench
