#include "testing/scripted_kernel.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

namespace sluice::testing {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

class Scripted : public ::testing::Test {
 protected:
  std::string receive(int fd, std::size_t most = 64) {
    std::vector<std::byte> memory(most);
    const auto got = kernel_.recv(fd, memory);
    return got.ok() ? std::string(as_text(Bytes(memory).first(got.value)))
                    : "error " + std::to_string(got.error);
  }
  int send(int fd, std::string_view text) {
    const auto result = kernel_.send(fd, as_bytes(text));
    return result.ok() ? static_cast<int>(result.value) : -result.error;
  }
  // Registers for everything, by edge, and returns the epoll.
  int watch(int fd) {
    const int epoll = kernel_.epoll_create().value;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    EXPECT_TRUE(kernel_.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, event).ok());
    return epoll;
  }
  std::uint32_t poll(int epoll, int timeout_ms = 0) {
    std::array<epoll_event, 1> events{};
    return kernel_.epoll_wait(epoll, events, timeout_ms).value > 0 ? events[0].events : 0;
  }
  ScriptedKernel kernel_;
};

TEST_F(Scripted, TakesAsMuchAsThereIsRoom) {
  const int fd = kernel_.open_stream();
  EXPECT_EQ(3, send(fd, "abc"));
  kernel_.set_room(fd, 2);
  EXPECT_EQ(2, send(fd, "def"));
  EXPECT_EQ(-EAGAIN, send(fd, "f"));
  kernel_.add_room(fd, 1);
  EXPECT_EQ(1, send(fd, "f"));
  EXPECT_EQ("abcdef", kernel_.sent(fd));
}

TEST_F(Scripted, ScriptedAnswersComeBeforeRoom) {
  const int fd = kernel_.open_stream();
  kernel_.script_write(fd, {accept(1), block(), interrupt(), fail(ENOBUFS)});
  EXPECT_EQ(1, send(fd, "abc"));
  EXPECT_EQ(-EAGAIN, send(fd, "bc"));
  EXPECT_EQ(-EINTR, send(fd, "bc"));
  EXPECT_EQ(-ENOBUFS, send(fd, "bc"));
  EXPECT_EQ(-EAGAIN, send(fd, "bc")) << "full until somebody says otherwise";
  kernel_.make_writable(fd);
  EXPECT_EQ(2, send(fd, "bc"));
}

TEST_F(Scripted, FullnessIsAnEdgeWhenItEnds) {
  const int fd = kernel_.open_stream();
  const int epoll = watch(fd);
  EXPECT_EQ(EPOLLOUT, poll(epoll));
  kernel_.script_write(fd, {accept(1)});
  EXPECT_EQ(1, send(fd, "abc"));
  EXPECT_EQ(0U, poll(epoll));
  kernel_.make_writable(fd);
  EXPECT_EQ(EPOLLOUT, poll(epoll));
  EXPECT_EQ(0U, poll(epoll));
}

TEST_F(Scripted, FailuresWakeWhoWaits) {
  const int fd = kernel_.open_stream();
  kernel_.set_room(fd, 0);
  const int epoll = watch(fd);
  EXPECT_EQ(0U, poll(epoll));
  kernel_.fail_writes(fd, EPIPE);
  EXPECT_EQ(EPOLLOUT, poll(epoll));
  EXPECT_EQ(-EPIPE, send(fd, "a"));
  kernel_.fail_reads(fd, EIO);
  EXPECT_NE(0U, poll(epoll) & EPOLLIN);
  EXPECT_EQ("error 5", receive(fd));
}

TEST_F(Scripted, DeliversInOrderThenTheEnd) {
  const int fd = kernel_.open_stream();
  EXPECT_EQ("error 11", receive(fd));
  kernel_.deliver(fd, "abc");
  kernel_.deliver(fd, "def");
  kernel_.deliver_eof(fd);
  EXPECT_EQ("abcd", receive(fd, 4));
  EXPECT_EQ("ef", receive(fd));
  EXPECT_EQ("", receive(fd));
}

TEST_F(Scripted, AResetIsToldOnceAndThenThePeerIsGone) {
  const int fd = kernel_.open_stream();
  const int epoll = watch(fd);
  kernel_.deliver(fd, "lost");
  kernel_.reset(fd);
  EXPECT_EQ(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP | EPOLLERR, poll(epoll));
  EXPECT_EQ("error 104", receive(fd));
  EXPECT_EQ("", receive(fd));
  EXPECT_EQ(-EPIPE, send(fd, "a"));
}

TEST_F(Scripted, ABrokenPipeHasErrorAndNoHangUp) {
  const int fd = kernel_.open_write_pipe();
  const int epoll = watch(fd);
  EXPECT_EQ(EPOLLOUT, poll(epoll));
  kernel_.set_room(fd, 0);
  kernel_.hang_up(fd);
  EXPECT_EQ(EPOLLERR, poll(epoll));
}

TEST_F(Scripted, ShutdownEndsWritingAndCanFail) {
  const int fd = kernel_.open_stream();
  kernel_.fail_shutdown(fd, ENOTCONN);
  EXPECT_EQ(ENOTCONN, kernel_.shutdown(fd, SHUT_WR).error);
  EXPECT_FALSE(kernel_.write_shut(fd));
  kernel_.fail_shutdown(fd, 0);
  EXPECT_TRUE(kernel_.shutdown(fd, SHUT_WR).ok());
  EXPECT_TRUE(kernel_.write_shut(fd));
  EXPECT_EQ(-EPIPE, send(fd, "a"));
}

TEST_F(Scripted, EveryCallIsRecorded) {
  const int fd = kernel_.open_stream();
  kernel_.set_room(fd, 4);
  send(fd, "abc");
  const std::string text = "defgh";
  const std::array pieces{iovec{const_cast<char*>(text.data()), 2},
                          iovec{const_cast<char*>(text.data()) + 2, 3}};
  static_cast<void>(kernel_.sendmsg(fd, pieces));
  send(fd, "x");
  static_cast<void>(kernel_.close(fd));
  EXPECT_EQ((Texts{"send(100, 1 pieces, 3 bytes) = 3", "sendmsg(100, 2 pieces, 5 bytes) = 1",
                   "send(100, 1 pieces, 1 bytes) = EAGAIN", "close(100) = 0"}),
            kernel_.calls_on(fd));
  EXPECT_EQ(2U, kernel_.count_calls("send"));
  EXPECT_EQ("abcd", kernel_.sent(fd)) << "also after close";
  kernel_.clear_calls();
  EXPECT_TRUE(kernel_.calls().empty());
}

TEST_F(Scripted, CountsDescriptorsAndNoticesMisuse) {
  const int fd = kernel_.open_stream();
  EXPECT_EQ(1U, kernel_.open_descriptors());
  EXPECT_TRUE(kernel_.close(fd).ok());
  EXPECT_EQ(0U, kernel_.open_descriptors());
  EXPECT_TRUE(kernel_.violations().empty());
  EXPECT_EQ(EBADF, kernel_.close(fd).error);
  EXPECT_EQ(-EBADF, send(fd, "a"));
  EXPECT_EQ((Texts{"close on 100, which is closed", "send on 100, which is closed"}),
            kernel_.violations());
  EXPECT_EQ(EBADF, kernel_.fstat(4711).error);
  EXPECT_EQ(2U, kernel_.violations().size()) << "what never was open is an ordinary error";
}

TEST_F(Scripted, NoticesCallsThatWouldBlockOrDoNothing) {
  const int fd = kernel_.open_write_pipe();
  static_cast<void>(kernel_.write(fd, as_bytes("a")));
  EXPECT_TRUE(kernel_.set_status_flags(fd, O_NONBLOCK).ok());
  static_cast<void>(kernel_.write(fd, as_bytes("a")));
  static_cast<void>(kernel_.write(fd, Bytes()));
  EXPECT_EQ((Texts{"write on 100, which blocks", "write of nothing"}), kernel_.violations());
}

TEST_F(Scripted, NumbersAreNotUsedTwiceUnlessAsked) {
  const int first = kernel_.open_stream();
  static_cast<void>(kernel_.close(first));
  EXPECT_EQ(first + 1, kernel_.open_stream());
  kernel_.reuse_descriptors();
  EXPECT_EQ(first, kernel_.open_stream());
  EXPECT_EQ(first + 2, kernel_.open_stream());
}

// The stale event that a registration of a shared description brings.
TEST_F(Scripted, ADuplicateKeepsTheRegistrationAliveAfterClose) {
  const int fd = kernel_.open_stream();
  const int copy = kernel_.duplicate(fd);
  EXPECT_TRUE(kernel_.same_open_file(fd, copy).value);
  const int epoll = watch(fd);
  poll(epoll);
  static_cast<void>(kernel_.close(fd));
  kernel_.deliver(copy, "x");
  EXPECT_NE(0U, poll(epoll));
  static_cast<void>(kernel_.close(copy));
  EXPECT_EQ(0U, poll(epoll));
}

TEST_F(Scripted, FilesAndWhatIsMarkedCannotBePolled) {
  const int epoll = kernel_.epoll_create().value;
  const int file = kernel_.open_file("content");
  EXPECT_EQ(EPERM, kernel_.epoll_ctl(epoll, EPOLL_CTL_ADD, file, {}).error);
  EXPECT_TRUE(S_ISREG(kernel_.fstat(file).value.mode));
  const int device = kernel_.open_device();
  kernel_.set_unpollable(device);
  EXPECT_EQ(EPERM, kernel_.epoll_ctl(epoll, EPOLL_CTL_ADD, device, {}).error);
  EXPECT_FALSE(kernel_.registered(device));
}

TEST_F(Scripted, PlannedFailuresHitTheNextCallsOfThatName) {
  kernel_.fail_next("socket", EMFILE, 2);
  EXPECT_EQ(EMFILE, kernel_.socket(AF_INET, SOCK_STREAM).error);
  EXPECT_EQ(EMFILE, kernel_.socket(AF_INET, SOCK_STREAM).error);
  EXPECT_TRUE(kernel_.socket(AF_INET, SOCK_STREAM).ok());
}

TEST_F(Scripted, ConnectionsWaitUntilAccepted) {
  const int listener = kernel_.open_listener();
  const int epoll = watch(listener);
  EXPECT_EQ(EAGAIN, kernel_.accept(listener).error);
  const int promised =
      kernel_.push_connection(listener, *SocketAddress::from_numeric("10.0.0.1", 7));
  kernel_.deliver(promised, "early");
  EXPECT_EQ(EPOLLIN, poll(epoll));
  kernel_.fail_next("accept", EMFILE);
  EXPECT_EQ(EMFILE, kernel_.accept(listener).error);
  const auto accepted = kernel_.accept(listener);
  EXPECT_EQ(promised, accepted.value.fd);
  EXPECT_EQ("10.0.0.1:7", accepted.value.peer.to_string());
  EXPECT_EQ("early", receive(promised));
}

TEST_F(Scripted, ConnectsAsScripted) {
  const auto address = *SocketAddress::from_numeric("10.0.0.1", 7);
  const auto other = *SocketAddress::from_numeric("10.0.0.2", 7);
  kernel_.script_connect(other, refused(ENETUNREACH));
  kernel_.script_connect(connects_after(5ms, ECONNREFUSED));
  const int first = kernel_.socket(AF_INET, SOCK_STREAM).value;
  const int second = kernel_.socket(AF_INET, SOCK_STREAM).value;
  const int third = kernel_.socket(AF_INET, SOCK_STREAM).value;
  EXPECT_EQ(ENETUNREACH, kernel_.connect(first, other).error);
  EXPECT_EQ(EINPROGRESS, kernel_.connect(second, address).error);
  EXPECT_TRUE(kernel_.connect(third, address).ok());
  EXPECT_EQ(address, kernel_.getpeername(third).value);
  const int epoll = watch(second);
  EXPECT_EQ(0U, poll(epoll));
  const auto before = kernel_.now();
  EXPECT_NE(0U, poll(epoll, 100) & EPOLLERR);
  EXPECT_EQ(5ms, kernel_.now() - before) << "no longer than it takes";
  EXPECT_EQ(ECONNREFUSED, kernel_.getsockopt(second, SOL_SOCKET, SO_ERROR).value);
  EXPECT_EQ(0, kernel_.getsockopt(second, SOL_SOCKET, SO_ERROR).value);
}

TEST_F(Scripted, BindsOnceToAnAddressAndGivesPortsAndPaths) {
  const int first = kernel_.socket(AF_INET, SOCK_STREAM).value;
  const int second = kernel_.socket(AF_INET, SOCK_STREAM).value;
  EXPECT_TRUE(kernel_.bind(first, *SocketAddress::from_numeric("127.0.0.1", 0)).ok());
  EXPECT_TRUE(kernel_.listen(first, 5).ok());
  const SocketAddress taken = kernel_.getsockname(first).value;
  EXPECT_NE(0, taken.port());
  EXPECT_EQ(EADDRINUSE, kernel_.bind(second, taken).error);
  const SocketAddress path = SocketAddress::from_unix_path("/run/x.sock");
  EXPECT_TRUE(kernel_.bind(second, path).ok());
  EXPECT_TRUE(S_ISSOCK(kernel_.stat("/run/x.sock").value.mode));
  EXPECT_EQ(EADDRINUSE, kernel_.bind(second, path).error);
  EXPECT_TRUE(kernel_.unlink("/run/x.sock").ok());
  EXPECT_FALSE(kernel_.path_exists("/run/x.sock"));
  EXPECT_EQ(ENOENT, kernel_.unlink("/run/x.sock").error);
}

TEST_F(Scripted, SignalsArriveInTheirPipe) {
  const auto [reading, writing] = kernel_.pipe().value;
  EXPECT_EQ(EINVAL, kernel_.watch_signal(SIGKILL, writing).error);
  EXPECT_TRUE(kernel_.watch_signal(SIGINT, writing).ok());
  kernel_.raise_signal(SIGINT);
  std::array<std::byte, 4> memory{};
  EXPECT_EQ(1U, kernel_.read(reading, memory).value);
  EXPECT_EQ(std::byte{SIGINT}, memory[0]);
  EXPECT_TRUE(kernel_.unwatch_signal(SIGINT, reading).ok());
  kernel_.raise_signal(SIGINT);
  EXPECT_EQ(0U, kernel_.violations().size()) << "only who watches it can end that";
  EXPECT_TRUE(kernel_.unwatch_signal(SIGINT, writing).ok());
  kernel_.raise_signal(SIGINT);
  EXPECT_EQ(1U, kernel_.violations().size());
}

TEST_F(Scripted, SignalsThatDoNotFitIntoTheirPipeAreToldOnce) {
  const auto [reading, writing] = kernel_.pipe().value;
  EXPECT_TRUE(kernel_.watch_signal(SIGINT, writing).ok());
  for (std::size_t i = 0; i < ScriptedKernel::pipe_capacity; ++i) {
    kernel_.raise_signal(SIGINT);
  }
  EXPECT_EQ(0U, kernel_.take_missed_signals(writing));
  kernel_.raise_signal(SIGINT);
  EXPECT_EQ(std::uint64_t{1} << (SIGINT - 1), kernel_.take_missed_signals(writing));
  EXPECT_EQ(0U, kernel_.take_missed_signals(writing));
}

// ---- Time ----

TEST_F(Scripted, ATimedWaitMovesTheClockByAllOfIt) {
  const int epoll = watch(kernel_.open_read_pipe());
  const auto before = kernel_.now();
  EXPECT_EQ(0U, poll(epoll, 0));
  EXPECT_EQ(before, kernel_.now());
  EXPECT_EQ(0U, poll(epoll, 250));
  EXPECT_EQ(250ms, kernel_.now() - before);
}

TEST_F(Scripted, WhatIsScheduledHappensAtItsTime) {
  const int fd = kernel_.open_read_pipe();
  const int epoll = watch(fd);
  const auto before = kernel_.now();
  kernel_.after(20ms, [&] { kernel_.deliver(fd, "later"); });
  EXPECT_EQ(EPOLLIN, poll(epoll, -1));
  EXPECT_EQ(20ms, kernel_.now() - before);
  bool ran = false;
  kernel_.after(5ms, [&] { ran = true; });
  kernel_.advance(4ms);
  EXPECT_FALSE(ran);
  kernel_.advance(1ms);
  EXPECT_TRUE(ran);
}

TEST_F(Scripted, IdleAsksTheTestFirst) {
  const int fd = kernel_.open_read_pipe();
  const int epoll = watch(fd);
  int asked = 0;
  kernel_.on_idle([&] {
    ++asked;
    kernel_.deliver(fd, "x");
    return true;
  });
  EXPECT_EQ(EPOLLIN, poll(epoll, -1));
  EXPECT_EQ(1, asked);
  EXPECT_TRUE(kernel_.violations().empty());
}

TEST_F(Scripted, ALoopThatWouldSleepForEverIsToldAndTheTestToo) {
  const int epoll = watch(kernel_.open_read_pipe());
  int stuck = 0;
  kernel_.on_idle([] { return false; });
  kernel_.on_stuck([&] { ++stuck; });
  std::array<epoll_event, 1> events{};
  EXPECT_EQ(EDEADLK, kernel_.epoll_wait(epoll, events, -1).error);
  EXPECT_EQ(1, stuck);
  EXPECT_EQ(Texts{"the loop would sleep for ever"}, kernel_.violations());
}

// ---- Names, on another thread ----

TEST_F(Scripted, AResolverThreadIsWaitedForAndTheClockStandsStill) {
  kernel_.script_resolve("host.test", {"10.0.0.1", "::1"});
  const int event = kernel_.eventfd().value;
  const int epoll = watch(event);
  poll(epoll);
  const auto before = kernel_.now();
  sys::Resolved resolved;
  std::thread resolver([&] {
    resolved = kernel_.resolve("host.test", 80, AddressFamily::unspecified, false);
    const std::array<std::byte, 8> one{std::byte{1}};
    static_cast<void>(kernel_.write(event, one));
  });
  EXPECT_NE(0U, poll(epoll, -1) & EPOLLIN);
  resolver.join();
  EXPECT_EQ(before, kernel_.now());
  ASSERT_EQ(2U, resolved.addresses.size());
  EXPECT_EQ("[::1]:80", resolved.addresses[1].to_string());
  EXPECT_TRUE(kernel_.violations().empty());
}

TEST_F(Scripted, ASlowNameTakesVirtualTime) {
  kernel_.script_resolve("slow.test", {"10.0.0.1"}, 3s);
  const int event = kernel_.eventfd().value;
  const int epoll = watch(event);
  poll(epoll);
  const auto before = kernel_.now();
  std::thread resolver([&] {
    static_cast<void>(kernel_.resolve("slow.test", 80, AddressFamily::unspecified, false));
    const std::array<std::byte, 8> one{std::byte{1}};
    static_cast<void>(kernel_.write(event, one));
  });
  EXPECT_NE(0U, poll(epoll, 60'000) & EPOLLIN);
  EXPECT_EQ(3s, kernel_.now() - before);
  resolver.join();
}

TEST_F(Scripted, NamesWithoutAScriptDoNotExist) {
  EXPECT_EQ(EAI_NONAME, kernel_.resolve("nobody", 1, AddressFamily::unspecified, false).error);
  kernel_.fail_resolve("broken", EAI_AGAIN);
  EXPECT_EQ(EAI_AGAIN, kernel_.resolve("broken", 1, AddressFamily::unspecified, false).error);
  kernel_.script_resolve("v6", {"10.0.0.1", "::1"});
  EXPECT_EQ(1U, kernel_.resolve("v6", 1, AddressFamily::ipv6, false).addresses.size());
}

}  // namespace
}  // namespace sluice::testing
