// The scripted kernel's datagram sockets behave as Linux's do.
#include <gtest/gtest.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "testing/scripted_kernel.hpp"

namespace sluice::testing {
namespace {

const SocketAddress alice = *SocketAddress::from_numeric("10.0.0.1", 1111);
const SocketAddress bob = *SocketAddress::from_numeric("10.0.0.2", 2222);

class ScriptedDatagrams : public ::testing::Test {
 protected:
  ~ScriptedDatagrams() override { EXPECT_TRUE(kernel_.close(fd_).ok()); }
  sys::Result<std::size_t> send(std::initializer_list<const char*> texts,
                                std::uint16_t segment = 0) {
    std::vector<iovec> pieces;
    for (const char* text : texts) {
      pieces.push_back({const_cast<char*>(text), std::string(text).size()});
    }
    std::vector<sys::OutgoingDatagram> datagrams;
    if (segment > 0) {
      datagrams.push_back({&bob, pieces, segment});
    } else {
      for (const iovec& piece : pieces) {
        datagrams.push_back({&bob, std::span(&piece, 1)});
      }
    }
    return kernel_.sendmmsg(fd_, datagrams);
  }

  ScriptedKernel kernel_;
  int fd_ = kernel_.open_datagram(alice);
};

TEST_F(ScriptedDatagrams, EachMessageIsOneDatagram) {
  EXPECT_EQ(3U, send({"a", "", "ccc"}).value);
  EXPECT_EQ((std::vector<SentDatagram>{{"a", bob}, {"", bob}, {"ccc", bob}}),
            kernel_.sent_datagrams(fd_));
}

TEST_F(ScriptedDatagrams, ATrainIsCutIntoDatagrams) {
  EXPECT_EQ(1U, send({"aa", "bb", "c"}, 2).value);
  EXPECT_EQ((std::vector<SentDatagram>{{"aa", bob}, {"bb", bob}, {"c", bob}}),
            kernel_.sent_datagrams(fd_));
}

TEST_F(ScriptedDatagrams, AnErrorIsToldOnlyOfTheFirstMessage) {
  kernel_.script_write(fd_, {accept(1), fail(EPERM), fail(EMSGSIZE)});
  EXPECT_EQ(1U, send({"a", "b"}).value);
  EXPECT_EQ(EMSGSIZE, send({"c"}).error);
}

TEST_F(ScriptedDatagrams, ADatagramIsTakenWholeOrNotAtAll) {
  kernel_.set_room(fd_, 3);
  EXPECT_EQ(1U, send({"aa", "bb"}).value);
  EXPECT_EQ(EAGAIN, send({"b"}).error) << "it said that it is full";
  kernel_.set_room(fd_, 1);
  EXPECT_EQ(1U, send({"b"}).value);
}

TEST_F(ScriptedDatagrams, DatagramsArriveOneByOneWithTheirSender) {
  kernel_.deliver_datagram(fd_, "hello", bob);
  kernel_.deliver_datagram(fd_, "", alice);
  std::array<std::byte, 4> first{};
  std::array<std::byte, 4> second{};
  std::array slots{sys::IncomingDatagram{first}, sys::IncomingDatagram{second}};
  EXPECT_EQ(2U, kernel_.recvmmsg(fd_, slots).value);
  EXPECT_TRUE(slots[0].truncated);
  EXPECT_EQ(bob, slots[0].from);
  EXPECT_EQ(0U, slots[1].size);
  EXPECT_EQ(EAGAIN, kernel_.recvmmsg(fd_, slots).error);
}

TEST_F(ScriptedDatagrams, AnErrorOfAnEarlierDatagramComesOnce) {
  kernel_.deliver_error(fd_, ECONNREFUSED);
  EXPECT_EQ(ECONNREFUSED, send({"a"}).error);
  EXPECT_EQ(1U, send({"a"}).value);
}

TEST_F(ScriptedDatagrams, AnUnconnectedSocketNeedsAnAddress) {
  const iovec piece{const_cast<char*>("x"), 1};
  EXPECT_EQ(EDESTADDRREQ,
            kernel_.sendmmsg(fd_, std::array{sys::OutgoingDatagram{nullptr, {&piece, 1}}}).error);
}

TEST_F(ScriptedDatagrams, SegmentsAreThereWhenATestSaysSo) {
  EXPECT_EQ(ENOPROTOOPT, kernel_.getsockopt(fd_, SOL_UDP, UDP_SEGMENT).error);
  kernel_.set_option(fd_, SOL_UDP, UDP_SEGMENT, 1);
  EXPECT_TRUE(kernel_.getsockopt(fd_, SOL_UDP, UDP_SEGMENT).ok());
  EXPECT_EQ(SOCK_DGRAM, kernel_.getsockopt(fd_, SOL_SOCKET, SO_TYPE).value);
}

}  // namespace
}  // namespace sluice::testing
