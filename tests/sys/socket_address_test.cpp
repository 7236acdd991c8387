#include "sluice/socket_address.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <stdexcept>
#include <string>

namespace sluice {
namespace {

SocketAddress numeric(std::string_view host, std::uint16_t port) {
  const auto address = SocketAddress::from_numeric(host, port);
  EXPECT_TRUE(address.has_value()) << host;
  return address.value_or(SocketAddress());
}

TEST(SocketAddress, ByDefaultIsUnspecified) {
  const SocketAddress address;
  EXPECT_EQ(AddressFamily::unspecified, address.family());
  EXPECT_TRUE(address.native().empty());
  EXPECT_EQ("", address.host());
  EXPECT_EQ(0, address.port());
  EXPECT_EQ("", address.path());
  EXPECT_EQ("unspecified address", address.to_string());
}

TEST(SocketAddress, OfIpv4HasHostAndPort) {
  const SocketAddress address = numeric("127.0.0.1", 8080);
  EXPECT_EQ(AddressFamily::ipv4, address.family());
  EXPECT_EQ("127.0.0.1", address.host());
  EXPECT_EQ(8080, address.port());
  EXPECT_EQ("", address.path());
  EXPECT_EQ("127.0.0.1:8080", address.to_string());
  EXPECT_EQ(sizeof(sockaddr_in), address.native().size());
}

TEST(SocketAddress, OfIpv6IsWrittenInBrackets) {
  const SocketAddress address = numeric("::1", 65535);
  EXPECT_EQ(AddressFamily::ipv6, address.family());
  EXPECT_EQ("::1", address.host());
  EXPECT_EQ(65535, address.port());
  EXPECT_EQ("[::1]:65535", address.to_string());
  EXPECT_EQ(sizeof(sockaddr_in6), address.native().size());
}

TEST(SocketAddress, OfIpv6IsShownInItsShortestForm) {
  EXPECT_EQ("2001:db8::1", numeric("2001:0db8:0:0:0:0:0:1", 1).host());
  EXPECT_EQ("::", numeric("0:0:0:0:0:0:0:0", 0).host());
}

TEST(SocketAddress, OfALinkLocalAddressKeepsItsZone) {
  EXPECT_EQ("fe80::1%lo", numeric("fe80::1%lo", 1).host());
  EXPECT_EQ("fe80::1%lo", numeric("fe80::1%1", 1).host()) << "the first interface is lo";
  EXPECT_EQ("fe80::1%4711", numeric("fe80::1%4711", 1).host());
}

TEST(SocketAddress, IsNotMadeOfWhatIsNotNumeric) {
  for (const char* host : {"localhost", "", "1.2.3", "256.0.0.1", "::1::", "[::1]", "1.2.3.4:5",
                           "fe80::1%no-such-interface", "example.org"}) {
    EXPECT_FALSE(SocketAddress::from_numeric(host, 1).has_value()) << host;
  }
}

TEST(SocketAddress, OfAUnixPathHasThatPath) {
  const SocketAddress address = SocketAddress::from_unix_path("/run/x.sock");
  EXPECT_EQ(AddressFamily::unix_path, address.family());
  EXPECT_EQ("/run/x.sock", address.path());
  EXPECT_EQ("/run/x.sock", address.to_string());
  EXPECT_EQ("", address.host());
  EXPECT_EQ(0, address.port());
}

TEST(SocketAddress, OfAnAbstractNameBeginsWithNulAndMayHoldMore) {
  const std::string name("\0a\0b", 4);
  const SocketAddress address = SocketAddress::from_unix_path(name);
  EXPECT_EQ(AddressFamily::unix_abstract, address.family());
  EXPECT_EQ(name, address.path());
  EXPECT_EQ('@', address.to_string().front());
}

// W-183
TEST(SocketAddress, OfAPathThatIsTooLongThrowsAndNamesTheLimit) {
  EXPECT_EQ(107U, SocketAddress::from_unix_path(std::string(107, 'x')).path().size());
  try {
    static_cast<void>(SocketAddress::from_unix_path(std::string(108, 'x')));
    FAIL() << "no exception";
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string::npos, std::string(error.what()).find("107"));
    EXPECT_NE(std::string::npos, std::string(error.what()).find("108"));
  }
  EXPECT_THROW(static_cast<void>(SocketAddress::from_unix_path("")), std::invalid_argument);
}

TEST(SocketAddress, OfAnUnnamedSocketIsOnlyAFamily) {
  sockaddr_un native{};
  native.sun_family = AF_UNIX;
  const SocketAddress address =
      SocketAddress::from_native(std::as_bytes(std::span(&native, 1)).first(sizeof(sa_family_t)));
  EXPECT_EQ(AddressFamily::unix_unnamed, address.family());
  EXPECT_EQ("", address.path());
  EXPECT_EQ("unnamed Unix socket", address.to_string());
}

// The kernel may give a path of the full length without a NUL at its end.
TEST(SocketAddress, OfAPathWithoutANulAtItsEndIsReadWhole) {
  sockaddr_un native{};
  native.sun_family = AF_UNIX;
  std::fill(std::begin(native.sun_path), std::end(native.sun_path), 'y');
  const SocketAddress address = SocketAddress::from_native(std::as_bytes(std::span(&native, 1)));
  EXPECT_EQ(std::string(sizeof native.sun_path, 'y'), address.path());
}

TEST(SocketAddress, OfBytesTooShortOrTooLongIsHarmless) {
  const std::string long_text(500, '\0');
  EXPECT_EQ(AddressFamily::unspecified, SocketAddress::from_native(Bytes()).family());
  EXPECT_EQ(AddressFamily::unspecified, SocketAddress::from_native(as_bytes("x")).family());
  EXPECT_EQ(112U, SocketAddress::from_native(as_bytes(long_text)).native().size());
}

TEST(SocketAddress, SurvivesTheRoundTripThroughTheSystemsForm) {
  for (const SocketAddress& address :
       {numeric("1.2.3.4", 5), numeric("fe80::1%lo", 6), SocketAddress::from_unix_path("/p"),
        SocketAddress::from_unix_path(std::string_view("\0p", 2)), SocketAddress()}) {
    const SocketAddress again = SocketAddress::from_native(address.native());
    EXPECT_EQ(address, again);
    EXPECT_EQ(address.to_string(), again.to_string());
  }
}

TEST(SocketAddress, ComparesByValue) {
  EXPECT_EQ(numeric("1.2.3.4", 5), numeric("1.2.3.4", 5));
  EXPECT_FALSE(numeric("1.2.3.4", 5) == numeric("1.2.3.4", 6));
  EXPECT_FALSE(numeric("1.2.3.4", 5) == SocketAddress::from_unix_path("/p"));
}

}  // namespace
}  // namespace sluice
