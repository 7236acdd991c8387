#include "socket_probe.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>

#include "sluice/fd.hpp"

namespace sluice::cli {

bool somebody_listens(const std::string& path) {
  sockaddr_un address{};
  // An abstract name is nobody's file, and cannot be taken over.
  if (path.empty() || path.front() == '\0' || path.size() >= sizeof(address.sun_path)) {
    return false;
  }
  const Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe) {
    return false;
  }
  address.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), std::begin(address.sun_path));
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return true;
  }
  // Its queue is full; it is a socket of another type.
  return errno == EAGAIN || errno == EPROTOTYPE;
}

}  // namespace sluice::cli
