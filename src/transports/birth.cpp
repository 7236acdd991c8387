#include "transports/birth.hpp"

#include "sys/constants.hpp"

namespace sluice::transports {

Birth stream_birth(loop::LoopCore& loop, Fd fd, SocketOrigin origin,
                   std::optional<SocketAddress> peer) {
  sys::SystemCalls& sys = loop.sys();
  Birth birth{.kind = TransportKind::stream, .peername = std::move(peer)};
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
  birth.borrowed = origin == SocketOrigin::adopted;
  birth.channel = std::make_unique<SocketChannel>(sys, fd.get(), tcp);
  birth.fd = std::move(fd);
  return birth;
}

}  // namespace sluice::transports
