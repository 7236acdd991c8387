// Datagram transports on a scripted kernel: receiving.
#include <gtest/gtest.h>

#include <cerrno>
#include <stdexcept>
#include <string>

#include "transports/datagram_fixture.hpp"
#include "transports/datagram_source.hpp"

namespace sluice::transports {
namespace {

class Receiving : public DatagramTest {
 protected:
  Receiving() { fd_ = open(); }
  void deliver(std::initializer_list<const char*> texts) {
    for (const char* text : texts) {
      kernel_->deliver_datagram(fd_, text, alice);
    }
  }
  [[nodiscard]] Texts received() const { return record_->received_bytes(); }

  int fd_ = -1;
};

TEST_F(Receiving, EachDatagramComesWholeWithItsAddress) {
  kernel_->deliver_datagram(fd_, "from alice", alice);
  kernel_->deliver_datagram(fd_, "from bob", bob);
  turn();
  ASSERT_EQ((Texts{"from alice", "from bob"}), received());
  EXPECT_EQ(alice, record_->received[0].from);
  EXPECT_EQ(bob, record_->received[1].from);
  EXPECT_EQ(2U, statistics().datagrams_received);
}

TEST_F(Receiving, AnEmptyDatagramIsDelivered) {
  deliver({"", "x", ""});
  turn();
  EXPECT_EQ((Texts{"", "x", ""}), received());
}

// One call takes a batch; one that is not full needs no second call to find the socket empty.
TEST_F(Receiving, AShortBatchCostsOneCall) {
  kernel_->clear_calls();
  deliver({"a", "b", "c"});
  turn(3);
  EXPECT_EQ(1U, kernel_->count_calls("recvmmsg"));
  EXPECT_EQ(3U, received().size());
}

TEST_F(Receiving, MoreThanABatchGoesOnInTheNextTurn) {
  const std::size_t many = DatagramSource::max_batch + 2;
  for (std::size_t i = 0; i < many; ++i) {
    kernel_->deliver_datagram(fd_, std::to_string(i), alice);
  }
  turn();
  EXPECT_EQ(DatagramSource::max_batch, received().size());
  turn();
  ASSERT_EQ(many, received().size());
  EXPECT_EQ(std::to_string(many - 1), received().back());
}

TEST_F(Receiving, ExactlyABatchIsNoEnd) {
  for (std::size_t i = 0; i < DatagramSource::max_batch; ++i) {
    kernel_->deliver_datagram(fd_, "x", alice);
  }
  turn(2);
  deliver({"last"});
  turn();
  EXPECT_EQ("last", received().back());
}

// The longest that IP has.
TEST_F(Receiving, ADatagramOfTheLargestSizeIsNotCut) {
  const std::string longest(65507, 'x');
  kernel_->deliver_datagram(fd_, longest, alice);
  kernel_->deliver_datagram(fd_, longest, alice);
  turn();
  EXPECT_EQ((Texts{longest, longest}), received());
  EXPECT_EQ(0U, statistics().datagrams_truncated);
}

// No truncation is silent.
TEST_F(Receiving, ACutDatagramIsAnErrorAndNotDelivered) {
  kernel_->deliver_datagram(fd_, std::string(DatagramSource::max_ip_datagram + 1, 'x'), alice);
  deliver({"next"});
  turn();
  EXPECT_EQ("CM EE(EMSGSIZE) DR(4)", trace());
  EXPECT_EQ(1U, statistics().datagrams_truncated);
}

// ---- Errors ----

// W-135: what became of an earlier datagram.
TEST_F(Receiving, AnErrorOfTheSocketIsToldAndReceivingGoesOn) {
  kernel_->deliver_error(fd_, ECONNREFUSED);
  turn();
  EXPECT_EQ("CM EE(ECONNREFUSED)", trace());
  deliver({"next"});
  turn();
  EXPECT_EQ("CM EE(ECONNREFUSED) DR(4)", trace());
}

TEST_F(Receiving, WhatStandsBehindAnErrorIsDelivered) {
  deliver({"next"});
  kernel_->deliver_error(fd_, ECONNREFUSED);
  turn(2);
  EXPECT_EQ("CM EE(ECONNREFUSED) DR(4)", trace());
}

// W-142: unlike on a stream.
TEST_F(Receiving, AnExceptionOfDatagramReceivedLeavesTheTransportOpen) {
  record_->on_datagram_received = [] { throw std::runtime_error("boom"); };
  deliver({"a", "b"});
  turn();
  EXPECT_EQ((Texts{"Exception in callback protocol.datagram_received(): boom",
                   "Exception in callback protocol.datagram_received(): boom"}),
            reports_);
  EXPECT_EQ("CM DR(1) DR(1)", trace());
  EXPECT_FALSE(transport().is_closing());
}

TEST_F(Receiving, AnInterruptedCallIsRepeated) {
  kernel_->fail_next("recvmmsg", EINTR, 2);
  deliver({"a"});
  turn();
  EXPECT_EQ(Texts{"a"}, received());
}

// ---- Pausing ----

// W-142
TEST_F(Receiving, NothingIsReceivedWhilePaused) {
  transport().pause_reading();
  EXPECT_FALSE(transport().is_reading());
  deliver({"a"});
  turn(2);
  EXPECT_EQ("CM", trace());
  transport().resume_reading();
  EXPECT_TRUE(transport().is_reading());
  EXPECT_EQ("CM", trace()) << "never inside resume_reading";
  turn(2);
  EXPECT_EQ("CM DR(1)", trace());
}

// W-142: the batch was taken from the kernel already, and nothing of it is lost.
TEST_F(Receiving, TheRestOfABatchWaitsForResumeReading) {
  record_->on_datagram_received = [&] { transport().pause_reading(); };
  deliver({"a", "b", "c"});
  turn(3);
  EXPECT_EQ(Texts{"a"}, received());
  deliver({"d"});
  turn(3);
  EXPECT_EQ(Texts{"a"}, received());
  for (const auto& expected : {Texts{"a", "b"}, Texts{"a", "b", "c"}, Texts{"a", "b", "c", "d"}}) {
    transport().resume_reading();
    turn(3);
    EXPECT_EQ(expected, received());
  }
  EXPECT_EQ(alice, record_->received[2].from);
  EXPECT_EQ(0U, statistics().datagrams_unread);
}

// Another transport reads into the same memory meanwhile.
TEST_F(Receiving, WhatWaitsIsNotOverwritten) {
  record_->on_datagram_received = [&] { transport().pause_reading(); };
  const auto other = std::make_shared<DatagramRecord>();
  const int other_fd = kernel_->open_datagram();
  DatagramOptions options;
  options.sock = Fd(other_fd);
  auto made = loop_->create_datagram_endpoint(testing::datagram_factory(other), std::move(options));
  turn(3);
  deliver({"aaaa", "bbbb"});
  turn();
  kernel_->deliver_datagram(other_fd, "????????", bob);
  kernel_->deliver_datagram(other_fd, "????????", bob);
  turn();
  EXPECT_EQ(2U, other->received.size());
  transport().resume_reading();
  turn(2);
  EXPECT_EQ((Texts{"aaaa", "bbbb"}), received());
  other->transport.reset();
}

TEST_F(Receiving, NothingIsDeliveredAfterClose) {
  record_->on_datagram_received = [&] { transport().close(); };
  deliver({"a", "b", "c"});
  turn(3);
  EXPECT_EQ("CM DR(1) CL(ok)", trace());
  EXPECT_EQ(2U, statistics().datagrams_unread);
}

TEST_F(Receiving, WhatWaitsIsDroppedByAbortAndCounted) {
  record_->on_datagram_received = [&] { transport().pause_reading(); };
  deliver({"a", "b", "c"});
  turn();
  transport().abort();
  transport().resume_reading();
  turn(3);
  EXPECT_EQ("CM DR(1) CL(ok)", trace());
  EXPECT_EQ(2U, statistics().datagrams_unread);
  EXPECT_EQ(1U, statistics().datagrams_received);
}

// W-83
TEST_F(DatagramTest, PausingInConnectionMadeKeepsReceivingFromStarting) {
  record_->on_connection_made = [&] { transport().pause_reading(); };
  const int fd = open();
  kernel_->deliver_datagram(fd, "a", alice);
  turn(2);
  EXPECT_EQ("CM", trace());
}

TEST_F(DatagramTest, ADatagramThatWaitedBeforeTheBirthIsReceived) {
  const int fd = kernel_->open_datagram(here);
  kernel_->deliver_datagram(fd, "early", alice);
  adopt(fd);
  turn();
  EXPECT_EQ("CM DR(5)", trace());
}

// An answer from inside datagram_received leaves in the same turn.
TEST_F(Receiving, AnAnswerIsSentAtTheEndOfTheTurn) {
  record_->on_datagram_received = [&] {
    transport().sendto(record_->received.back().bytes, record_->received.back().from);
  };
  kernel_->deliver_datagram(fd_, "ping", alice);
  kernel_->deliver_datagram(fd_, "pong", bob);
  turn();
  EXPECT_EQ((std::vector<SentDatagram>{{"ping", alice}, {"pong", bob}}),
            kernel_->sent_datagrams(fd_));
  EXPECT_EQ(1U, kernel_->count_calls("sendmmsg"));
}

}  // namespace
}  // namespace sluice::transports
