// Each call does what its manual page says, on real descriptors, and hands its errno out.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/allocation_probe.hpp"
#include "sluice/error.hpp"
#include "sluice/fd.hpp"
#include "sys/system_calls.hpp"

namespace sluice::sys {
namespace {

class Linux : public ::testing::Test {
 protected:
  struct Ends {
    Fd first;
    Fd second;
  };
  Ends pipe() {
    const auto made = sys_->pipe();
    EXPECT_TRUE(made.ok());
    return {Fd(made.value.first), Fd(made.value.second)};
  }
  static Ends socket_pair() {
    std::array<int, 2> ends{-1, -1};
    EXPECT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()));
    return {Fd(ends[0]), Fd(ends[1])};
  }
  std::string read_all(int fd) {
    std::array<std::byte, 256> memory{};
    const auto got = sys_->read(fd, memory);
    EXPECT_TRUE(got.ok()) << got.error;
    return std::string(as_text(Bytes(memory).first(got.value)));
  }
  static iovec piece(const char* text) {
    return {const_cast<char*>(text), std::char_traits<char>::length(text)};
  }
  // A listening socket on a free port of the loopback.
  Fd listener(SocketAddress& address) {
    Fd fd(sys_->socket(AF_INET, SOCK_STREAM).value);
    EXPECT_TRUE(sys_->bind(fd.get(), *SocketAddress::from_numeric("127.0.0.1", 0)).ok());
    EXPECT_TRUE(sys_->listen(fd.get(), 5).ok());
    address = sys_->getsockname(fd.get()).value;
    EXPECT_NE(0, address.port());
    return fd;
  }
  static void await(int fd, short events) {
    pollfd waiting{fd, events, 0};
    EXPECT_EQ(1, ::poll(&waiting, 1, 10'000));
  }
  std::shared_ptr<SystemCalls> sys_ = linux_system_calls();
};

TEST_F(Linux, APipeIsNonBlockingAndClosedOnExec) {
  const Ends ends = pipe();
  for (const Fd* end : {&ends.first, &ends.second}) {
    EXPECT_NE(0, sys_->get_status_flags(end->get()).value & O_NONBLOCK);
    EXPECT_EQ(FD_CLOEXEC, ::fcntl(end->get(), F_GETFD));
  }
}

TEST_F(Linux, WriteAndWritevTransportBytes) {
  const Ends ends = pipe();
  EXPECT_EQ(3U, sys_->write(ends.second.get(), as_bytes("abc")).value);
  const std::array pieces{piece("de"), piece("f")};
  EXPECT_EQ(3U, sys_->writev(ends.second.get(), pieces).value);
  EXPECT_EQ("abcdef", read_all(ends.first.get()));
  std::array<std::byte, 1> memory{};
  EXPECT_EQ(EAGAIN, sys_->read(ends.first.get(), memory).error);
}

// P-1
TEST_F(Linux, NoWriteRaisesSigpipe) {
  Ends ends = pipe();
  ends.first.reset();
  const std::array pieces{piece("a"), piece("b")};
  EXPECT_EQ(EPIPE, sys_->write(ends.second.get(), as_bytes("x")).error);
  EXPECT_EQ(EPIPE, sys_->writev(ends.second.get(), pieces).error);
  Ends sockets = socket_pair();
  sockets.first.reset();
  EXPECT_EQ(EPIPE, sys_->send(sockets.second.get(), as_bytes("x")).error);
  EXPECT_EQ(EPIPE, sys_->sendmsg(sockets.second.get(), pieces).error);
}

TEST_F(Linux, AFullPipeWouldBlock) {
  const Ends ends = pipe();
  const std::string text(65536, 'x');
  EXPECT_EQ(text.size(), sys_->write(ends.second.get(), as_bytes(text)).value);
  EXPECT_EQ(EAGAIN, sys_->write(ends.second.get(), as_bytes(text)).error);
}

//
TEST_F(Linux, SendSendmsgAndRecvDoNotWaitOnABlockingSocket) {
  const Ends ends = socket_pair();
  for (const Fd* end : {&ends.first, &ends.second}) {
    ASSERT_TRUE(sys_->set_status_flags(end->get(), 0).ok());
  }
  std::array<std::byte, 16> memory{};
  EXPECT_EQ(EAGAIN, sys_->recv(ends.second.get(), memory).error);
  const std::string text(65536, 'x');
  while (sys_->send(ends.first.get(), as_bytes(text)).ok()) {
  }
  EXPECT_EQ(EAGAIN, sys_->send(ends.first.get(), as_bytes(text)).error);
  const std::array pieces{piece(text.c_str())};
  EXPECT_EQ(EAGAIN, sys_->sendmsg(ends.first.get(), pieces).error);
}

TEST_F(Linux, SendSendmsgAndRecvTransportBytes) {
  const Ends ends = socket_pair();
  EXPECT_EQ(3U, sys_->send(ends.first.get(), as_bytes("abc")).value);
  const std::array pieces{piece("de"), piece("f")};
  EXPECT_EQ(3U, sys_->sendmsg(ends.first.get(), pieces).value);
  std::array<std::byte, 16> memory{};
  EXPECT_EQ(6U, sys_->recv(ends.second.get(), memory).value);
  EXPECT_EQ("abcdef", as_text(Bytes(memory).first(6)));
  EXPECT_EQ(EAGAIN, sys_->recv(ends.second.get(), memory).error);
  EXPECT_EQ(ENOTSOCK, sys_->recv(0, memory).error);
}

TEST_F(Linux, SendmmsgAndRecvmmsgTransportDatagrams) {
  const Fd receiver(sys_->socket(AF_INET, SOCK_DGRAM).value);
  ASSERT_TRUE(sys_->bind(receiver.get(), *SocketAddress::from_numeric("127.0.0.1", 0)).ok());
  const SocketAddress to = sys_->getsockname(receiver.get()).value;
  const Fd sender(sys_->socket(AF_INET, SOCK_DGRAM).value);
  const std::array first{piece("ab"), piece("c")};
  const std::array<iovec, 1> empty{};
  const std::array out{OutgoingDatagram{&to, first}, OutgoingDatagram{&to, empty}};
  EXPECT_EQ(2U, sys_->sendmmsg(sender.get(), out).value);
  await(receiver.get(), POLLIN);
  std::array<std::byte, 2> short_memory{};
  std::array<std::byte, 16> memory{};
  std::array<std::byte, 16> unused{};
  std::array in{IncomingDatagram{short_memory}, IncomingDatagram{memory}, IncomingDatagram{unused}};
  ASSERT_EQ(2U, sys_->recvmmsg(receiver.get(), in).value);
  EXPECT_EQ("ab", as_text(Bytes(short_memory)));
  EXPECT_TRUE(in[0].truncated);
  EXPECT_EQ(2U, in[0].size);
  EXPECT_FALSE(in[1].truncated);
  EXPECT_EQ(0U, in[1].size);
  EXPECT_EQ(sys_->getsockname(sender.get()).value.port(), in[0].from.port());
  EXPECT_EQ(EAGAIN, sys_->recvmmsg(receiver.get(), in).error);
  EXPECT_EQ(EDESTADDRREQ,
            sys_->sendmmsg(sender.get(), std::array{OutgoingDatagram{nullptr, first}}).error);
}

TEST_F(Linux, ASegmentSizeCutsBytesIntoDatagrams) {
  const Fd receiver(sys_->socket(AF_INET, SOCK_DGRAM).value);
  ASSERT_TRUE(sys_->bind(receiver.get(), *SocketAddress::from_numeric("127.0.0.1", 0)).ok());
  const Fd sender(sys_->socket(AF_INET, SOCK_DGRAM).value);
  ASSERT_TRUE(sys_->connect(sender.get(), sys_->getsockname(receiver.get()).value).ok());
  const std::array pieces{piece("abc"), piece("def"), piece("g")};
  EXPECT_EQ(1U,
            sys_->sendmmsg(sender.get(), std::array{OutgoingDatagram{nullptr, pieces, 3}}).value);
  std::vector<std::string> got;
  while (got.size() < 3) {
    await(receiver.get(), POLLIN);
    std::array<std::byte, 16> memory{};
    std::array in{IncomingDatagram{memory}};
    ASSERT_EQ(1U, sys_->recvmmsg(receiver.get(), in).value);
    got.emplace_back(as_text(Bytes(memory).first(in[0].size)));
  }
  EXPECT_EQ((std::vector<std::string>{"abc", "def", "g"}), got);
}

// P-1
TEST_F(Linux, ADatagramToNobodyRaisesNoSignal) {
  std::array<int, 2> ends{-1, -1};
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()));
  const Fd alone(ends[0]);
  Fd(ends[1]).reset();
  const std::array pieces{piece("x")};
  const auto sent = sys_->sendmmsg(alone.get(), std::array{OutgoingDatagram{nullptr, pieces}});
  EXPECT_EQ(ECONNREFUSED, sent.error);
}

TEST_F(Linux, ShutdownEndsTheStream) {
  const Ends ends = socket_pair();
  EXPECT_TRUE(sys_->shutdown(ends.first.get(), SHUT_WR).ok());
  std::array<std::byte, 16> memory{};
  const auto got = sys_->recv(ends.second.get(), memory);
  EXPECT_TRUE(got.ok());
  EXPECT_EQ(0U, got.value);
  const Fd lonely(sys_->socket(AF_INET, SOCK_STREAM).value);
  EXPECT_EQ(ENOTCONN, sys_->shutdown(lonely.get(), SHUT_WR).error);
}

TEST_F(Linux, CloseClosesAndTellsOfWhatIsNotOpen) {
  const int number = sys_->eventfd().value;
  EXPECT_TRUE(sys_->close(number).ok());
  EXPECT_EQ(-1, ::fcntl(number, F_GETFD));
  EXPECT_EQ(EBADF, sys_->close(99999).error);
}

TEST_F(Linux, FstatAndStatTellTheKind) {
  const Ends ends = pipe();
  EXPECT_TRUE(S_ISFIFO(sys_->fstat(ends.first.get()).value.mode));
  EXPECT_EQ(EBADF, sys_->fstat(99999).error);
  const auto null = sys_->stat("/dev/null");
  EXPECT_TRUE(S_ISCHR(null.value.mode));
  EXPECT_NE(0U, null.value.inode);
  EXPECT_TRUE(S_ISDIR(sys_->stat("/").value.mode));
  EXPECT_EQ(ENOENT, sys_->stat("/no/such/path").error);
}

TEST_F(Linux, StatusFlagsAreReadAndSet) {
  const Ends ends = pipe();
  const int flags = sys_->get_status_flags(ends.first.get()).value;
  EXPECT_TRUE(sys_->set_status_flags(ends.first.get(), flags & ~O_NONBLOCK).ok());
  EXPECT_EQ(0, sys_->get_status_flags(ends.first.get()).value & O_NONBLOCK);
  EXPECT_EQ(EBADF, sys_->get_status_flags(99999).error);
  EXPECT_EQ(EBADF, sys_->set_status_flags(99999, 0).error);
}

TEST_F(Linux, ADuplicateIsTheSameOpenFile) {
  const Ends ends = pipe();
  const Fd copy = ends.first.duplicate();
  const auto same = sys_->same_open_file(ends.first.get(), copy.get());
  // A sandbox may forbid kcmp(2); then that is what it says.
  EXPECT_TRUE((same.ok() && same.value) || same.error == ENOSYS || same.error == EPERM);
  const auto different = sys_->same_open_file(ends.first.get(), ends.second.get());
  EXPECT_FALSE(different.value);
  EXPECT_NE(0, sys_->same_open_file(99999, 99998).error);
}

TEST_F(Linux, UnlinkRemovesAPath) {
  std::string path = ::testing::TempDir() + "sluice_unlink_XXXXXX";
  ::close(::mkstemp(path.data()));
  EXPECT_TRUE(sys_->stat(path).ok());
  EXPECT_TRUE(sys_->unlink(path).ok());
  EXPECT_EQ(ENOENT, sys_->unlink(path).error);
}

TEST_F(Linux, SocketsAreNonBlockingAndClosedOnExec) {
  const Fd fd(sys_->socket(AF_INET, SOCK_STREAM).value);
  EXPECT_NE(0, sys_->get_status_flags(fd.get()).value & O_NONBLOCK);
  EXPECT_EQ(FD_CLOEXEC, ::fcntl(fd.get(), F_GETFD));
  EXPECT_EQ(EAFNOSUPPORT, sys_->socket(12345, SOCK_STREAM).error);
}

TEST_F(Linux, AConnectionIsMadeAndAccepted) {
  SocketAddress address;
  const Fd listening = listener(address);
  EXPECT_EQ(EAGAIN, sys_->accept(listening.get()).error);
  const Fd client(sys_->socket(AF_INET, SOCK_STREAM).value);
  const int error = sys_->connect(client.get(), address).error;
  EXPECT_TRUE(error == 0 || error == EINPROGRESS);
  await(listening.get(), POLLIN);
  const auto accepted = sys_->accept(listening.get());
  ASSERT_TRUE(accepted.ok());
  const Fd server(accepted.value.fd);
  EXPECT_NE(0, sys_->get_status_flags(server.get()).value & O_NONBLOCK);
  EXPECT_EQ(sys_->getsockname(client.get()).value, accepted.value.peer);
  EXPECT_EQ(address, sys_->getpeername(client.get()).value);
  EXPECT_EQ(0, sys_->getsockopt(client.get(), SOL_SOCKET, SO_ERROR).value);
}

TEST_F(Linux, ARefusedConnectionIsToldBySoError) {
  SocketAddress address;
  listener(address);
  const Fd client(sys_->socket(AF_INET, SOCK_STREAM).value);
  int error = sys_->connect(client.get(), address).error;
  if (error == EINPROGRESS) {
    await(client.get(), POLLOUT);
    error = sys_->getsockopt(client.get(), SOL_SOCKET, SO_ERROR).value;
  }
  EXPECT_EQ(ECONNREFUSED, error);
}

TEST_F(Linux, NamesOfWhatIsNoSocketOrNotConnectedFail) {
  const Ends ends = pipe();
  const Fd lonely(sys_->socket(AF_INET, SOCK_STREAM).value);
  EXPECT_EQ(ENOTSOCK, sys_->getsockname(ends.first.get()).error);
  EXPECT_EQ(ENOTCONN, sys_->getpeername(lonely.get()).error);
  EXPECT_EQ(ENOTSOCK, sys_->bind(ends.first.get(), SocketAddress()).error);
  EXPECT_EQ(ENOTSOCK, sys_->listen(ends.first.get(), 1).error);
  EXPECT_EQ(ENOTSOCK,
            sys_->connect(ends.first.get(), *SocketAddress::from_numeric("::1", 1)).error);
}

TEST_F(Linux, OptionsAreSetAndRead) {
  const Fd fd(sys_->socket(AF_INET, SOCK_STREAM).value);
  EXPECT_EQ(0, sys_->getsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY).value);
  EXPECT_TRUE(sys_->setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1).ok());
  EXPECT_NE(0, sys_->getsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY).value);
  EXPECT_EQ(SOCK_STREAM, sys_->getsockopt(fd.get(), SOL_SOCKET, SO_TYPE).value);
  EXPECT_EQ(ENOPROTOOPT, sys_->getsockopt(fd.get(), SOL_SOCKET, 9999).error);
  EXPECT_EQ(EBADF, sys_->setsockopt(99999, SOL_SOCKET, SO_REUSEADDR, 1).error);
}

TEST_F(Linux, EpollReportsWithTheDataWord) {
  const Fd epoll(sys_->epoll_create().value);
  const Fd event(sys_->eventfd().value);
  epoll_event wanted{};
  wanted.events = EPOLLOUT;
  wanted.data.u64 = 42;
  EXPECT_TRUE(sys_->epoll_ctl(epoll.get(), EPOLL_CTL_ADD, event.get(), wanted).ok());
  std::array<epoll_event, 4> events{};
  EXPECT_EQ(1U, sys_->epoll_wait(epoll.get(), events, -1).value);
  // The field is packed: nothing may refer to it.
  EXPECT_EQ(42U, std::uint64_t{events[0].data.u64});
  EXPECT_EQ(EBADF, sys_->epoll_wait(99999, events, 0).error);
}

TEST_F(Linux, TheClockDoesNotGoBack) {
  const auto first = sys_->now();
  EXPECT_LE(first, sys_->now());
}

TEST_F(Linux, AWatchedSignalArrivesAsAByte) {
  const Ends ends = pipe();
  ASSERT_TRUE(sys_->watch_signal(SIGUSR1, ends.second.get()).ok());
  ::raise(SIGUSR1);
  EXPECT_EQ(std::string(1, static_cast<char>(SIGUSR1)), read_all(ends.first.get()));
  EXPECT_TRUE(sys_->unwatch_signal(SIGUSR1, ends.second.get()).ok());
  EXPECT_EQ(EINVAL, sys_->watch_signal(SIGKILL, ends.second.get()).error);
}

TEST_F(Linux, ASignalThatAnotherDescriptorWatchesIsLeftAlone) {
  const Ends ends = pipe();
  ASSERT_TRUE(sys_->watch_signal(SIGUSR1, ends.second.get()).ok());
  EXPECT_TRUE(sys_->unwatch_signal(SIGUSR1, ends.first.get()).ok());
  ::raise(SIGUSR1);
  EXPECT_EQ(std::string(1, static_cast<char>(SIGUSR1)), read_all(ends.first.get()));
  EXPECT_EQ(0U, sys_->take_missed_signals(ends.second.get()));
  EXPECT_TRUE(sys_->unwatch_signal(SIGUSR1, ends.second.get()).ok());
}

TEST_F(Linux, WithoutMemoryForTheAddressesResolvingSaysSo) {
  const std::string host = "127.0.0.1";
  Resolved answer;
  {
    const testing::FailingAllocation failing(1);
    answer = sys_->resolve(host, 80, AddressFamily::unspecified, false);
    EXPECT_TRUE(failing.failed());
  }
  EXPECT_EQ(EAI_MEMORY, answer.error);
  EXPECT_TRUE(answer.addresses.empty());
}

// Numeric hosts only: a test must not depend on a name server.
TEST_F(Linux, NumericHostsResolveToThemselves) {
  const Resolved ipv4 = sys_->resolve("127.0.0.1", 80, AddressFamily::unspecified, false);
  ASSERT_EQ(1U, ipv4.addresses.size());
  EXPECT_EQ("127.0.0.1:80", ipv4.addresses.front().to_string());
  const Resolved ipv6 = sys_->resolve("::1", 81, AddressFamily::ipv6, false);
  ASSERT_EQ(1U, ipv6.addresses.size());
  EXPECT_EQ("[::1]:81", ipv6.addresses.front().to_string());
  EXPECT_EQ(0, ipv6.error);
}

TEST_F(Linux, NoHostMeansEveryInterfaceWhenPassive) {
  const Resolved any = sys_->resolve("", 80, AddressFamily::ipv4, true);
  ASSERT_EQ(1U, any.addresses.size());
  EXPECT_EQ("0.0.0.0:80", any.addresses.front().to_string());
  EXPECT_EQ("127.0.0.1:80",
            sys_->resolve("", 80, AddressFamily::ipv4, false).addresses.front().to_string());
}

TEST_F(Linux, AFamilyThatDoesNotFitIsAnErrorOfTheResolver) {
  const Resolved resolved = sys_->resolve("127.0.0.1", 80, AddressFamily::ipv6, false);
  EXPECT_NE(0, resolved.error);
  EXPECT_TRUE(resolved.addresses.empty());
  const std::error_code code(resolved.error, resolver_category());
  EXPECT_STREQ("resolver", code.category().name());
  EXPECT_FALSE(code.message().empty());
  EXPECT_NE(code.message(), std::error_code(EAI_AGAIN, resolver_category()).message());
}

}  // namespace
}  // namespace sluice::sys
