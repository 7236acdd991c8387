// Datagram transports on a scripted kernel: sending, flow control and errors.
#include "transports/datagram_endpoint.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "core/check.hpp"
#include "transports/datagram_fixture.hpp"

namespace sluice::transports {
namespace {

using testing::accept;
using testing::block;
using testing::fail;
using testing::interrupt;
using testing::ScriptedKernel;

// ---- Sending ----

// W-135
TEST_F(ImmediateDatagramTest, ADatagramOnAnEmptyQueueIsSentInsideSendto) {
  const int fd = open();
  transport().sendto("hello", alice);
  EXPECT_EQ((std::vector<SentDatagram>{{"hello", alice}}), kernel_->sent_datagrams(fd));
  EXPECT_EQ(0U, size());
  EXPECT_EQ(1U, statistics().datagrams_sent);
}

// W-135: under coalesce, as on every transport, at the end of the turn.
TEST_F(DatagramTest, TheDatagramsOfATurnLeaveWithOneCall) {
  const int fd = open();
  in_turn([&] {
    transport().sendto("one", alice);
    transport().sendto("two", bob);
    transport().sendto("three", alice);
    EXPECT_EQ(Texts{}, sent(fd));
    EXPECT_EQ(11U + 3 * 8, size());
  });
  EXPECT_EQ((std::vector<SentDatagram>{{"one", alice}, {"two", bob}, {"three", alice}}),
            kernel_->sent_datagrams(fd));
  EXPECT_EQ(1U, kernel_->count_calls("sendmmsg"));
  EXPECT_EQ(0U, size());
}

// W-135: the caller's memory and address are free again when sendto returns.
TEST_F(DatagramTest, AQueuedDatagramIsACopy) {
  const int fd = open();
  in_turn([&] {
    std::string text = "mine";
    SocketAddress to = alice;
    transport().sendto(text, to);
    text = "????";
    to = bob;
  });
  EXPECT_EQ((std::vector<SentDatagram>{{"mine", alice}}), kernel_->sent_datagrams(fd));
}

// W-133, W-138
TEST_F(ImmediateDatagramTest, AnEmptyDatagramIsSent) {
  const int fd = open();
  transport().sendto("", alice);
  EXPECT_EQ((std::vector<SentDatagram>{{"", alice}}), kernel_->sent_datagrams(fd));
}

// W-133
TEST_F(DatagramTest, AnEmptyDatagramCanBeQueued) {
  const int fd = open();
  in_turn([&] {
    transport().sendto("", alice);
    transport().sendto(Buffer(), alice);
    transport().sendto("x", alice);
    EXPECT_EQ(25U, size());
  });
  EXPECT_EQ((Texts{"", "", "x"}), sent(fd));
}

// Large and small ones, by reference and by copy, stay whole and in order.
TEST_F(DatagramTest, BuffersAndSpansKeepTheirOrder) {
  const int fd = open();
  const std::string large(2000, 'L');
  const std::string huge(40000, 'H');
  in_turn([&] {
    transport().sendto("a", alice);
    transport().sendto(Buffer::copy_of(large), alice);
    transport().sendto(Buffer::copy_of(std::string_view("b")), alice);
    transport().sendto(huge, alice);
  });
  EXPECT_EQ((Texts{"a", large, "b", huge}), sent(fd));
}

TEST_F(DatagramTest, ALargeDatagramWithNothingInItsWayIsSentAtOnceAndNotCopied) {
  const int fd = open();
  in_turn([&] {
    transport().sendto(std::string(20000, 'x'), alice);
    EXPECT_EQ(1U, sent(fd).size());
  });
}

TEST_F(ImmediateDatagramTest, AnInterruptedCallIsRepeated) {
  const int fd = open();
  kernel_->script_write(fd, {interrupt(), interrupt()});
  transport().sendto("x", alice);
  EXPECT_EQ(Texts{"x"}, sent(fd));
  EXPECT_EQ("CM", trace());
}

// One attempt is bounded; what is left goes on at the end of the turn and in the next ones.
TEST_F(DatagramTest, AnAttemptSendsABoundedNumberOfDatagrams) {
  const int fd = open();
  const std::size_t many = 3 * DatagramSink::max_per_attempt + 10;
  in_turn([&] {
    transport().set_write_buffer_limits(unlimited);
    for (std::size_t i = 0; i < many; ++i) {
      transport().sendto(std::to_string(i), alice);
    }
  });
  // At the end of the turn, and once more at the end of the run.
  EXPECT_EQ(2 * DatagramSink::max_per_attempt, sent(fd).size());
  turn();
  const Texts all = sent(fd);
  ASSERT_EQ(many, all.size());
  for (std::size_t i = 0; i < many; ++i) {
    EXPECT_EQ(std::to_string(i), all[i]);
  }
  EXPECT_EQ(0U, size());
}

// ---- Where to ----

// W-134
TEST_F(ImmediateDatagramTest, AConnectedSocketSendsWithoutAnAddress) {
  const int fd = open(alice);
  transport().sendto("a");
  transport().sendto("b", alice);
  EXPECT_EQ((std::vector<SentDatagram>{{"a", {}}, {"b", {}}}), kernel_->sent_datagrams(fd));
  EXPECT_EQ(alice, transport().peername());
}

// W-134
TEST_F(ImmediateDatagramTest, AnyOtherAddressThanTheRemoteOneIsAMistake) {
  const int fd = open(alice);
  try {
    transport().sendto("a", bob);
    FAIL() << "it was taken";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ("Invalid address: must be none or 10.0.0.1:1111", error.what());
  }
  EXPECT_EQ(Texts{}, sent(fd));
  EXPECT_EQ("CM", trace());
}

// W-134
TEST_F(ImmediateDatagramTest, ASocketWithoutARemoteAddressNeedsOne) {
  open();
  EXPECT_THROW(transport().sendto("a"), std::invalid_argument);
  EXPECT_EQ(std::nullopt, transport().peername());
  EXPECT_EQ(here, transport().sockname());
}

//
TEST_F(ImmediateDatagramTest, AConnectedPeerWithoutANameIsSentTo) {
  const sa_family_t family = AF_UNIX;
  const int fd = open(SocketAddress::from_native(std::as_bytes(std::span(&family, 1))));
  ASSERT_EQ(AddressFamily::unix_unnamed, transport().peername()->family());
  transport().sendto("a");
  EXPECT_EQ((std::vector<SentDatagram>{{"a", {}}}), kernel_->sent_datagrams(fd));
}

// ---- Flow control ----

// W-133, T-16
TEST_F(ImmediateDatagramTest, AQueuedDatagramCountsEightBytesMore) {
  const int fd = open(alice);
  kernel_->set_room(fd, 0);
  transport().set_write_buffer_limits(1100);
  transport().sendto(std::string(1000, 'x'));
  EXPECT_EQ(1008U, size());
  transport().sendto("");
  EXPECT_EQ(1016U, size());
  transport().sendto(std::string(76, 'x'));
  EXPECT_EQ("CM", trace()) << "at the mark is not above it";
  transport().sendto("");
  EXPECT_EQ("CM PW", trace());
  kernel_->set_room(fd, ScriptedKernel::no_limit);
  turn();
  EXPECT_EQ("CM PW RW", trace());
  EXPECT_EQ(0U, size());
  EXPECT_EQ(4U, statistics().datagrams_sent);
  EXPECT_EQ(1U, statistics().pauses);
}

// W-137
TEST_F(ImmediateDatagramTest, ReadinessSendsUntilTheKernelIsFull) {
  const int fd = open(alice);
  kernel_->set_room(fd, 0);
  for (const char* text : {"aa", "bb", "cc", "dd"}) {
    transport().sendto(text);
  }
  kernel_->set_room(fd, 5);
  turn();
  EXPECT_EQ((Texts{"aa", "bb"}), sent(fd));
  EXPECT_EQ(20U, size());
  kernel_->set_room(fd, 4);
  turn();
  EXPECT_EQ((Texts{"aa", "bb", "cc", "dd"}), sent(fd));
}

// W-138
TEST_F(ImmediateDatagramTest, ADatagramThatDoesNotFitIsNotSplit) {
  const int fd = open(alice);
  kernel_->set_room(fd, 3);
  transport().sendto("four");
  EXPECT_EQ(Texts{}, sent(fd));
  EXPECT_EQ(12U, size());
  kernel_->set_room(fd, 4);
  turn();
  EXPECT_EQ(Texts{"four"}, sent(fd));
}

// ---- Errors ----

// W-135
TEST_F(ImmediateDatagramTest, ARefusedDatagramIsLostAndTheTransportStaysOpen) {
  const int fd = open(alice);
  kernel_->script_write(fd, {fail(ECONNREFUSED)});
  transport().sendto("lost");
  EXPECT_EQ("CM EE(ECONNREFUSED)", trace());
  EXPECT_FALSE(transport().is_closing());
  transport().sendto("next");
  EXPECT_EQ(Texts{"next"}, sent(fd));
  EXPECT_EQ(1U, statistics().datagrams_lost);
  EXPECT_EQ(1U, statistics().datagrams_sent);
}

// W-135: larger than the protocol can carry.
TEST_F(ImmediateDatagramTest, ATooLargeDatagramIsAnErrorWithAName) {
  LoopOptions options;
  options.debug = true;
  options.write_policy = WritePolicy::immediate;
  Texts notes;
  options.log = [&](LogLevel, std::string_view text) { notes.emplace_back(text); };
  options.system_calls = kernel_;
  loop_ = std::make_unique<EventLoop>(std::move(options));
  const int fd = open();
  kernel_->script_write(fd, {fail(EMSGSIZE)});
  transport().sendto(std::string(65508, 'x'), alice);
  EXPECT_EQ("CM EE(EMSGSIZE)", trace());
  EXPECT_EQ(Texts{"sendto of 65508 bytes to 10.0.0.1:1111 failed: Message too long"}, notes);
  record_->transport.reset();
  loop_.reset();
}

// A length that the queue could not even note.
TEST_F(ImmediateDatagramTest, AnEnormousDatagramIsRefusedWithoutTheKernel) {
  const int fd = open(alice);
  const std::byte first{};
  const std::size_t enormous = std::size_t{1} << 32U;
  transport().sendto(Buffer::from_static(Bytes(&first, enormous)));
  EXPECT_EQ("CM EE(EMSGSIZE)", trace());
  EXPECT_EQ(Texts{}, calls(fd, "sendmmsg"));
}

// W-137: the batch goes on behind a refused datagram.
TEST_F(DatagramTest, ARefusedDatagramDoesNotStopTheOthers) {
  const int fd = open(alice);
  // As on Linux, an error in the middle of a call is only told when the call is repeated.
  kernel_->script_write(fd, {fail(ENOBUFS), accept(1), fail(EPERM), fail(EPERM), accept(1)});
  in_turn([&] {
    for (const char* text : {"a", "b", "c", "d", "e"}) {
      transport().sendto(text);
    }
  });
  EXPECT_EQ((Texts{"b", "d", "e"}), sent(fd));
  EXPECT_EQ("CM EE(ENOBUFS) EE(EPERM)", trace());
  EXPECT_EQ(0U, size());
}

// W-137
TEST_F(DatagramTest, EveryRefusedDatagramIsTold) {
  const int fd = open(alice);
  kernel_->fail_writes(fd, EPERM);
  const std::size_t many = DatagramSink::max_refused + 4;
  in_turn([&] {
    for (std::size_t i = 0; i < many; ++i) {
      transport().sendto("x");
    }
  });
  turn();
  EXPECT_EQ(many, statistics().datagrams_lost);
  std::string expected = "CM";
  for (std::size_t i = 0; i < many; ++i) {
    expected += " EE(EPERM)";
  }
  EXPECT_EQ(expected, trace());
}

// W-136, Q-22
TEST_F(ImmediateDatagramTest, WhatErrorReceivedThrowsGoesToTheExceptionHandler) {
  const int fd = open(alice);
  record_->on_error_received = [] { throw std::runtime_error("boom"); };
  kernel_->script_write(fd, {fail(EPERM)});
  EXPECT_NO_THROW(transport().sendto("lost"));
  EXPECT_EQ(Texts{"Exception in callback protocol.error_received(): boom"}, reports_);
  EXPECT_FALSE(transport().is_closing());
}

// W-136: sending again from there cannot run the stack down.
TEST_F(ImmediateDatagramTest, AnErrorInsideErrorReceivedIsToldInTheNextTurn) {
  const int fd = open(alice);
  kernel_->fail_writes(fd, EPERM);
  int depth = 0;
  record_->on_error_received = [&] {
    ASSERT_EQ(1, ++depth);
    transport().sendto("again");
    --depth;
  };
  transport().sendto("first");
  EXPECT_EQ("CM EE(EPERM)", trace());
  turn();
  EXPECT_EQ("CM EE(EPERM) EE(EPERM)", trace());
  turn();
  EXPECT_EQ("CM EE(EPERM) EE(EPERM) EE(EPERM)", trace());
  transport().abort();
  turn(2);
  EXPECT_TRUE(record_->lost());
}

// W-135: what no datagram can be blamed for.
TEST_F(ImmediateDatagramTest, AnErrorReceivedMayClose) {
  const int fd = open(alice);
  kernel_->set_room(fd, 0);
  transport().sendto("queued");
  record_->on_error_received = [&] { transport().close(); };
  kernel_->deliver_error(fd, ECONNREFUSED);
  turn(2);
  EXPECT_EQ("CM EE(ECONNREFUSED)", trace());
  kernel_->set_room(fd, ScriptedKernel::no_limit);
  turn(2);
  EXPECT_EQ("CM EE(ECONNREFUSED) CL(ok)", trace());
  EXPECT_EQ(Texts{"queued"}, sent(fd));
}

// W-135
TEST_F(ImmediateDatagramTest, AnErrorReceivedMayAbort) {
  const int fd = open(alice);
  kernel_->set_room(fd, 0);
  transport().sendto("queued");
  record_->on_error_received = [&] { transport().abort(); };
  kernel_->deliver_error(fd, ECONNREFUSED);
  turn(2);
  EXPECT_EQ("CM EE(ECONNREFUSED) CL(ok)", trace());
  EXPECT_EQ(1U, statistics().datagrams_discarded);
}

// ---- Sockets that hear nothing of their peer's room ----

TEST_F(ImmediateDatagramTest, AnUnconnectedUnixSocketTriesAgainByTimer) {
  const SocketAddress mine = SocketAddress::from_unix_path("/run/mine");
  const SocketAddress other = SocketAddress::from_unix_path("/run/other");
  const int fd = kernel_->open_datagram(mine);
  adopt(fd);
  kernel_->script_write(fd, {block(), block()});
  transport().sendto("x", other);
  EXPECT_EQ(9U, size());
  // Room again, of which this socket is told nothing.
  run_for(milliseconds(5));
  EXPECT_EQ(Texts{}, sent(fd));
  kernel_->make_writable(fd);
  kernel_->script_write(fd, {block()});
  run_for(milliseconds(40));
  EXPECT_EQ(Texts{}, sent(fd)) << "the kernel said that it is full";
  transport().abort();
  turn(2);
  EXPECT_EQ("CM CL(ok)", trace());
}

}  // namespace
}  // namespace sluice::transports
