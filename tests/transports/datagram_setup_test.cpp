// create_datagram_endpoint on a scripted kernel: options, names, and what goes wrong.
#include "transports/datagram_setup.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <string>

#include "sluice/error.hpp"
#include "transports/datagram_fixture.hpp"

namespace sluice::transports {
namespace {

using Addresses = std::vector<SocketAddress>;

const SocketAddress ipv4 = *SocketAddress::from_numeric("10.0.0.1", 1);
const SocketAddress other_ipv4 = *SocketAddress::from_numeric("10.0.0.2", 2);
const SocketAddress ipv6 = *SocketAddress::from_numeric("fd00::1", 1);

class Setup : public DatagramTest {
 protected:
  MadeDatagrams to_remote(const std::string& host, std::uint16_t port = 9) {
    DatagramOptions options;
    options.remote_addr = HostAndPort{host, port};
    return create(std::move(options));
  }
  MadeDatagrams to_local(const std::string& host, std::uint16_t port = 0) {
    DatagramOptions options;
    options.local_addr = HostAndPort{host, port};
    return create(std::move(options));
  }
  MadeDatagrams from_path(const std::string& path, bool cleanup = true) {
    DatagramOptions options;
    options.local_path = path;
    options.cleanup_socket = cleanup;
    return create(std::move(options));
  }
  void close() {
    transport().close();
    turn(2);
  }
};

// ---- Which addresses go together ----

TEST(PairAddresses, OneEndAloneIsTakenOncePerFamily) {
  const auto pairs = pair_addresses(Addresses{ipv6, ipv4, other_ipv4}, std::nullopt);
  ASSERT_EQ(2U, pairs.size());
  EXPECT_EQ(ipv6, pairs[0].local);
  EXPECT_EQ(ipv4, pairs[1].local);
  EXPECT_EQ(std::nullopt, pairs[0].remote);
  EXPECT_EQ(ipv4, pair_addresses(std::nullopt, Addresses{ipv4})[0].remote);
}

TEST(PairAddresses, BothEndsMustShareAFamily) {
  const auto pairs = pair_addresses(Addresses{ipv6, ipv4}, Addresses{other_ipv4});
  ASSERT_EQ(1U, pairs.size());
  EXPECT_EQ(ipv4, pairs[0].local);
  EXPECT_EQ(other_ipv4, pairs[0].remote);
  EXPECT_TRUE(pair_addresses(Addresses{ipv6}, Addresses{ipv4}).empty());
}

// ---- What is made ----

TEST_F(Setup, ALocalAddressIsBoundAndNamed) {
  ASSERT_EQ("done", outcome_of(to_local("127.0.0.1", 0)));
  EXPECT_EQ("127.0.0.1", transport().sockname()->host());
  EXPECT_NE(0, transport().sockname()->port()) << "port 0 is any free one";
  EXPECT_EQ(std::nullopt, transport().peername());
  EXPECT_EQ(0U, kernel_->count_calls("connect"));
}

TEST_F(Setup, ARemoteAddressIsConnectedTo) {
  ASSERT_EQ("done", outcome_of(to_remote("10.0.0.1", 53)));
  EXPECT_EQ("10.0.0.1:53", transport().peername()->to_string());
  EXPECT_EQ(1U, kernel_->count_calls("connect"));
  EXPECT_EQ(0U, kernel_->count_calls("bind"));
}

// W-134: answers to a broadcast come from other addresses than it went to.
TEST_F(Setup, WithBroadcastTheRemoteAddressIsOnlyWhereDatagramsGo) {
  DatagramOptions options;
  options.remote_addr = HostAndPort{"10.0.0.255", 7};
  options.allow_broadcast = true;
  ASSERT_EQ("done", outcome_of(create(std::move(options))));
  EXPECT_EQ(0U, kernel_->count_calls("connect"));
  const int fd = transport().fileno();
  EXPECT_EQ(1, kernel_->option(fd, SOL_SOCKET, SO_BROADCAST));
  transport().sendto("x");
  turn();
  EXPECT_EQ((std::vector<SentDatagram>{{"x", *SocketAddress::from_numeric("10.0.0.255", 7)}}),
            kernel_->sent_datagrams(fd));
  EXPECT_THROW(transport().sendto("x", alice), std::invalid_argument);
}

TEST_F(Setup, OptionsAreSetOnlyWhenAskedFor) {
  to_local("127.0.0.1");
  EXPECT_EQ(0, kernel_->option(transport().fileno(), SOL_SOCKET, SO_REUSEPORT));
  EXPECT_EQ(0, kernel_->option(transport().fileno(), SOL_SOCKET, SO_BROADCAST));
  DatagramOptions options;
  options.local_addr = HostAndPort{"127.0.0.1", 5};
  options.reuse_port = true;
  ASSERT_EQ("done", outcome_of(create(std::move(options))));
  EXPECT_EQ(1, kernel_->option(transport().fileno(), SOL_SOCKET, SO_REUSEPORT));
}

TEST_F(Setup, AFamilyAloneMakesASocketWithoutAddresses) {
  DatagramOptions options;
  options.family = AddressFamily::ipv4;
  ASSERT_EQ("done", outcome_of(create(std::move(options))));
  EXPECT_EQ(0U, kernel_->count_calls("bind"));
  EXPECT_EQ(0U, kernel_->count_calls("connect"));
}

// Only a kernel that can cut segments is asked to.
TEST_F(Setup, TrainsAreUsedWhereTheKernelHasThem) {
  const int plain = kernel_->open_datagram(here, alice);
  const int able = kernel_->open_datagram(here, alice);
  kernel_->set_option(able, SOL_UDP, UDP_SEGMENT, 1);
  for (const int fd : {plain, able}) {
    adopt(fd);
    kernel_->clear_calls();
    in_turn([&] {
      transport().sendto("same");
      transport().sendto("same");
    });
    EXPECT_EQ((Texts{"same", "same"}), sent(fd));
    EXPECT_EQ(fd == able ? 1U : 0U, statistics().segment_trains);
  }
}

// ---- Names ----

TEST_F(Setup, NamesAreResolved) {
  kernel_->script_resolve("name.example", {"10.0.0.1"});
  const auto made = to_remote("name.example", 53);
  run_for(milliseconds(1));
  ASSERT_EQ("done", outcome_of(made));
  EXPECT_EQ("10.0.0.1:53", transport().peername()->to_string());
}

TEST_F(Setup, TheNextAddressIsTriedWhenOneFails) {
  kernel_->script_resolve("name.example", {"fd00::1", "10.0.0.1"});
  kernel_->script_connect(*SocketAddress::from_numeric("fd00::1", 53),
                          testing::refused(ENETUNREACH));
  const auto made = to_remote("name.example", 53);
  run_for(milliseconds(1));
  ASSERT_EQ("done", outcome_of(made));
  EXPECT_EQ("10.0.0.1:53", transport().peername()->to_string());
}

TEST_F(Setup, WhenAllAddressesFailTheFirstFailureIsTold) {
  kernel_->script_resolve("name.example", {"fd00::1", "10.0.0.1"});
  kernel_->script_connect(testing::refused(ENETUNREACH));
  kernel_->script_connect(testing::refused(EACCES));
  const auto made = to_remote("name.example", 53);
  run_for(milliseconds(1));
  EXPECT_EQ("connect to [fd00::1]:53: Network is unreachable", outcome_of(made));
  EXPECT_EQ(std::errc::network_unreachable, code_of(made));
}

TEST_F(Setup, AnUnknownNameIsNamed) {
  kernel_->fail_resolve("nowhere.example", EAI_NONAME);
  const auto made = to_local("nowhere.example");
  run_for(milliseconds(1));
  EXPECT_EQ("resolve host name 'nowhere.example': Name or service not known", outcome_of(made));
}

TEST_F(Setup, EndsOfDifferentFamiliesDoNotMeet) {
  DatagramOptions options;
  options.local_addr = HostAndPort{"::1", 0};
  options.remote_addr = HostAndPort{"10.0.0.1", 53};
  const auto made = create(std::move(options));
  EXPECT_EQ(Errc::no_address, code_of(made));
  EXPECT_TRUE(outcome_of(made).starts_with("can not get address information")) << outcome_of(made);
}

TEST_F(Setup, AFamilyKeepsTheOthersOut) {
  DatagramOptions options;
  options.local_addr = HostAndPort{"10.0.0.1", 0};
  options.family = AddressFamily::ipv6;
  EXPECT_EQ(Errc::no_address, code_of(create(std::move(options))));
}

// ---- What goes wrong ----

TEST_F(Setup, AFailureSaysWhatWasAttempted) {
  kernel_->fail_next("bind", EACCES);
  EXPECT_EQ("error while attempting to bind on address 127.0.0.1:53: Permission denied",
            outcome_of(to_local("127.0.0.1", 53)));
  kernel_->fail_next("socket", EMFILE);
  EXPECT_EQ("datagram socket for 127.0.0.1:53: Too many open files",
            outcome_of(to_local("127.0.0.1", 53)));
  kernel_->fail_next("setsockopt", ENOPROTOOPT);
  DatagramOptions options;
  options.local_addr = HostAndPort{"127.0.0.1", 5};
  options.reuse_port = true;
  EXPECT_EQ("setting SO_REUSEPORT of a datagram socket: Protocol not available",
            outcome_of(create(std::move(options))));
}

TEST_F(Setup, OptionsThatContradictEachOtherAreAMistake) {
  EXPECT_EQ("unexpected address family: give an address, a path, a family or a socket",
            outcome_of(create({})));
  DatagramOptions both;
  both.local_addr = HostAndPort{"127.0.0.1", 0};
  both.remote_path = "/run/x";
  EXPECT_EQ("a datagram socket has hosts or paths, not both", outcome_of(create(std::move(both))));
  const int fd = kernel_->open_datagram();
  DatagramOptions modified;
  modified.sock = Fd(fd);
  modified.reuse_port = true;
  EXPECT_EQ("socket modifier options can not be used when sock is specified",
            outcome_of(create(std::move(modified))));
  EXPECT_FALSE(kernel_->is_open(fd)) << "it is closed also when the call fails";
}

TEST_F(Setup, OnlyADatagramSocketIsAdopted) {
  const int fd = kernel_->open_stream();
  const auto made = adopt(fd);
  EXPECT_EQ(std::errc::wrong_protocol_type, code_of(made));
  EXPECT_TRUE(outcome_of(made).starts_with("A datagram socket was expected, got file descriptor"));
  EXPECT_FALSE(kernel_->is_open(fd));
}

// W-93
TEST_F(Setup, ADescriptorHasOneTransport) {
  const int fd = open();
  const auto second = adopt(fd);
  EXPECT_EQ("File descriptor " + std::to_string(fd) + " is used by another transport",
            outcome_of(second));
  EXPECT_TRUE(kernel_->is_open(fd));
  transport().sendto("x", alice);
  turn();
  EXPECT_EQ(Texts{"x"}, sent(fd));
}

//
TEST_F(Setup, ABlockingSocketBlocksAgainWhenTheTransportIsGone) {
  const int fd = kernel_->open_datagram(here);
  const int shared = kernel_->duplicate(fd);
  const int flags = kernel_->get_status_flags(shared).value;
  ASSERT_TRUE(kernel_->set_status_flags(shared, flags & ~O_NONBLOCK).ok());
  adopt(fd);
  EXPECT_NE(0, kernel_->get_status_flags(shared).value & O_NONBLOCK);
  close();
  EXPECT_EQ(0, kernel_->get_status_flags(shared).value & O_NONBLOCK);
  EXPECT_TRUE(kernel_->close(shared).ok());
}

// Q-15, W-185
TEST_F(Setup, AFactoryThatThrowsLeavesTheSocketOfOthersBlocking) {
  const int fd = kernel_->open_datagram(here);
  const int shared = kernel_->duplicate(fd);
  const int flags = kernel_->get_status_flags(shared).value;
  ASSERT_TRUE(kernel_->set_status_flags(shared, flags & ~O_NONBLOCK).ok());
  DatagramOptions options;
  options.sock = Fd(fd);
  auto made = loop_->create_datagram_endpoint(
      []() -> std::shared_ptr<RecordingDatagramProtocol> { throw std::runtime_error("boom"); },
      std::move(options));
  turn(2);
  EXPECT_EQ("boom", outcome_of(made));
  EXPECT_EQ(0, kernel_->get_status_flags(shared).value & O_NONBLOCK);
  EXPECT_FALSE(kernel_->is_open(fd));
  EXPECT_TRUE(kernel_->close(shared).ok());
}

// no protocol at all is found out last.
TEST_F(Setup, AFactoryWithoutAProtocolLeavesTheSocketOfOthersBlocking) {
  const int fd = kernel_->open_datagram(here);
  const int shared = kernel_->duplicate(fd);
  const int flags = kernel_->get_status_flags(shared).value;
  ASSERT_TRUE(kernel_->set_status_flags(shared, flags & ~O_NONBLOCK).ok());
  DatagramOptions options;
  options.sock = Fd(fd);
  auto made = loop_->create_datagram_endpoint(
      [] { return std::shared_ptr<RecordingDatagramProtocol>(); }, std::move(options));
  turn(2);
  EXPECT_EQ("a transport needs a protocol, not null", outcome_of(made));
  EXPECT_EQ(0, kernel_->get_status_flags(shared).value & O_NONBLOCK);
  EXPECT_TRUE(kernel_->close(shared).ok());
}

TEST_F(Setup, AFactoryThatThrowsLeavesNothingOpen) {
  DatagramOptions options;
  options.local_path = "/run/mine";
  auto made = loop_->create_datagram_endpoint(
      []() -> std::shared_ptr<RecordingDatagramProtocol> { throw std::runtime_error("boom"); },
      std::move(options));
  turn(2);
  EXPECT_EQ("boom", outcome_of(made));
  EXPECT_FALSE(kernel_->path_exists("/run/mine"));
}

// W-87
TEST_F(Setup, ACancelledFutureClosesTheTransport) {
  DatagramOptions options;
  options.local_addr = HostAndPort{"127.0.0.1", 0};
  auto made =
      loop_->create_datagram_endpoint(testing::datagram_factory(record_), std::move(options));
  made.cancel();
  turn(4);
  EXPECT_EQ("cancelled", outcome_of(made));
  EXPECT_EQ("CM CL(ok)", trace());
}

TEST_F(Setup, AFutureCancelledWhileTheNameIsLookedUpMakesNoSocket) {
  kernel_->script_resolve("name.example", {"10.0.0.1"}, milliseconds(5));
  auto made = to_remote("name.example");
  made.cancel();
  run_for(milliseconds(10));
  EXPECT_EQ("", trace());
  EXPECT_EQ(0U, kernel_->count_calls("socket"));
}

// ---- Paths ----

// W-191
TEST_F(Setup, APathIsRemovedOnClose) {
  ASSERT_EQ("done", outcome_of(from_path("/run/mine")));
  EXPECT_TRUE(kernel_->path_exists("/run/mine"));
  EXPECT_EQ("/run/mine", transport().sockname()->path());
  close();
  EXPECT_FALSE(kernel_->path_exists("/run/mine"));
}

// W-191
TEST_F(Setup, APathOfSomebodyElseOrByRequestIsLeft) {
  from_path("/run/kept", false);
  close();
  EXPECT_TRUE(kernel_->path_exists("/run/kept"));
  from_path("/run/taken");
  kernel_->put_path("/run/taken", S_IFSOCK | 0777);
  close();
  EXPECT_TRUE(kernel_->path_exists("/run/taken"));
}

// W-191
TEST_F(Setup, AStaleSocketIsReplacedAndAnyOtherFileIsNot) {
  kernel_->put_path("/run/stale", S_IFSOCK | 0777);
  ASSERT_EQ("done", outcome_of(from_path("/run/stale")));
  kernel_->put_path("/run/file", S_IFREG | 0600);
  const auto made = from_path("/run/file");
  EXPECT_EQ(std::errc::address_in_use, code_of(made));
  EXPECT_TRUE(kernel_->path_exists("/run/file"));
}

TEST_F(Setup, ATooLongPathIsNamed) {
  EXPECT_EQ(std::errc::filename_too_long, code_of(from_path(std::string(200, 'x'))));
}

TEST_F(Setup, AFailedConnectRemovesThePathAgain) {
  kernel_->script_connect(testing::refused(ECONNREFUSED));
  DatagramOptions options;
  options.local_path = "/run/mine";
  options.remote_path = "/run/theirs";
  EXPECT_EQ("connect to /run/theirs: Connection refused", outcome_of(create(std::move(options))));
  EXPECT_FALSE(kernel_->path_exists("/run/mine"));
}

TEST_F(Setup, AnAbstractNameIsNoFile) {
  ASSERT_EQ("done", outcome_of(from_path(std::string("\0name", 5))));
  EXPECT_EQ(0U, kernel_->count_calls("stat"));
}

}  // namespace
}  // namespace sluice::transports
