#include "transports/socket_names.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice::transports {
namespace {

const std::optional<SocketAddress> four = SocketAddress::from_numeric("127.0.0.1", 80);
const std::optional<SocketAddress> six = SocketAddress::from_numeric("fe80::1%2", 65535);
const std::optional<SocketAddress> longest =
    SocketAddress::from_unix_path(std::string(SocketAddress::max_unix_path, 'x'));
const std::optional<SocketAddress> abstract =
    SocketAddress::from_unix_path(std::string_view("\0name", 5));
// What the system gives for a Unix socket that was never bound: a family and nothing more.
const std::optional<SocketAddress> unnamed =
    SocketAddress::from_native(longest->native().first(sizeof(std::uint16_t)));

TEST(SocketNames, AreThoseThatWereGiven) {
  for (const auto& own : {four, six, longest, abstract, unnamed, std::optional<SocketAddress>()}) {
    for (const auto& peer : {four, six, longest, abstract, unnamed}) {
      const SocketNames names(own, peer);
      EXPECT_EQ(own, names.sockname());
      EXPECT_EQ(peer, names.peername());
    }
    EXPECT_EQ(std::nullopt, SocketNames(own, std::nullopt).peername());
    EXPECT_EQ(own, SocketNames(own, std::nullopt).sockname());
  }
}

}  // namespace
}  // namespace sluice::transports
