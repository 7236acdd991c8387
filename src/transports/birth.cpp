#include "transports/birth.hpp"

#include <stdexcept>
#include <system_error>

#include "sys/constants.hpp"

namespace sluice::transports {

SocketAddress unix_address(const std::string& path) {
  try {
    return SocketAddress::from_unix_path(path);
  } catch (const std::invalid_argument& error) {
    throw std::system_error(std::make_error_code(path.empty() ? std::errc::invalid_argument
                                                              : std::errc::filename_too_long),
                            error.what());
  }
}

Birth stream_birth(loop::LoopCore& loop, OwnedFd& fd, SocketOrigin origin,
                   std::optional<SocketAddress> peer) {
  sys::SystemCalls& sys = loop.sys();
  Birth birth{
      .kind = TransportKind::stream, .calls = DescriptorCalls::socket, .peername = std::move(peer)};
  if (const auto name = sys.getsockname(fd.get()); name.ok()) {
    birth.sockname = name.value;
  }
  if (!birth.peername) {
    if (const auto name = sys.getpeername(fd.get()); name.ok()) {
      birth.peername = name.value;
    }
  }
  const AddressFamily family =
      birth.sockname ? birth.sockname->family() : AddressFamily::unspecified;
  const bool tcp = family == AddressFamily::ipv4 || family == AddressFamily::ipv6;
  if (tcp && origin != SocketOrigin::accepted) {
    static_cast<void>(sys.setsockopt(fd.get(), sys::no_delay.level, sys::no_delay.name, 1));
  }
  birth.edge_tells_all = tcp;
  birth.fd = fd.release();
  return birth;
}

}  // namespace sluice::transports
