// Datagram transports on a scripted kernel: their beginning, their end, and who is told of both.
#include <gtest/gtest.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "core/check.hpp"
#include "transports/datagram_endpoint.hpp"
#include "transports/datagram_fixture.hpp"

namespace sluice::transports {
namespace {

using testing::accept;
using testing::block;
using testing::fail;
using testing::ScriptedKernel;

// ---- close and abort ----

// W-139
TEST_F(ImmediateDatagramTest, CloseSendsWhatIsQueuedFirst) {
  const int fd = open(alice);
  kernel_->set_room(fd, 0);
  transport().sendto("one");
  transport().sendto("two");
  transport().close();
  turn();
  EXPECT_EQ("CM", trace());
  kernel_->set_room(fd, ScriptedKernel::no_limit);
  turn(2);
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_EQ((Texts{"one", "two"}), sent(fd));
  EXPECT_FALSE(kernel_->is_open(fd));
}

// W-139
TEST_F(ImmediateDatagramTest, AfterCloseADatagramIsDroppedAndCounted) {
  const int fd = open(alice);
  kernel_->set_room(fd, 0);
  transport().sendto("one");
  transport().close();
  transport().sendto("two");
  transport().sendto("three", bob);
  kernel_->set_room(fd, ScriptedKernel::no_limit);
  turn(2);
  EXPECT_EQ(Texts{"one"}, sent(fd));
  EXPECT_EQ(2U, statistics().datagrams_dropped);
}

// W-139: the last of the queued ones may be refused, and that comes before connection_lost.
TEST_F(ImmediateDatagramTest, ARefusalWhileClosingIsToldBeforeTheLoss) {
  const int fd = open(alice);
  kernel_->set_room(fd, 0);
  transport().sendto("one");
  transport().close();
  kernel_->fail_writes(fd, EPERM);
  turn(2);
  EXPECT_EQ("CM EE(EPERM) CL(ok)", trace());
}

// W-139: one that was refused inside error_received waits for the next turn, and so does the loss.
TEST_F(ImmediateDatagramTest, ARefusalThatWasPutOffIsToldBeforeTheLossToo) {
  const int fd = open(alice);
  kernel_->fail_writes(fd, EPERM);
  bool first = true;
  record_->on_error_received = [&] {
    if (std::exchange(first, false)) {
      transport().sendto("again");
      transport().close();
    }
  };
  transport().sendto("first");
  EXPECT_EQ("CM EE(EPERM)", trace());
  turn(3);
  EXPECT_EQ("CM EE(EPERM) EE(EPERM) CL(ok)", trace());
  EXPECT_EQ(2U, statistics().datagrams_lost);
}

// W-140: but abort() waits for nothing.
TEST_F(ImmediateDatagramTest, AbortTellsNothingThatWasPutOff) {
  const int fd = open(alice);
  kernel_->fail_writes(fd, EPERM);
  record_->on_error_received = [&] {
    transport().sendto("again");
    transport().close();
    transport().abort();
  };
  transport().sendto("first");
  turn(3);
  EXPECT_EQ("CM EE(EPERM) CL(ok)", trace());
  EXPECT_EQ(2U, statistics().datagrams_lost);
}

// W-140, Q-23
TEST_F(ImmediateDatagramTest, AbortDiscardsAndTheSizeIsZero) {
  const int fd = open(alice);
  kernel_->set_room(fd, 0);
  transport().sendto(std::string(1000, 'x'));
  transport().sendto("");
  transport().abort();
  EXPECT_EQ(0U, size());
  turn(2);
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_EQ(0U, size());
  EXPECT_EQ(2U, statistics().datagrams_discarded);
  EXPECT_EQ(Texts{}, sent(fd));
}

//
TEST_F(ImmediateDatagramTest, EveryMethodOfALostTransportAnswers) {
  open(alice);
  transport().close();
  turn(2);
  ASSERT_EQ("CM CL(ok)", trace());
  transport().sendto("x");
  transport().sendto(Buffer::copy_of(std::string_view("y")), bob);
  transport().close();
  transport().abort();
  transport().pause_reading();
  transport().resume_reading();
  transport().set_write_buffer_limits(10);
  EXPECT_EQ(0U, size());
  EXPECT_EQ(2U, statistics().datagrams_dropped);
  EXPECT_EQ(10U, transport().get_write_buffer_limits().high);
  EXPECT_EQ(alice, transport().peername());
  EXPECT_EQ(here, transport().sockname());
  EXPECT_EQ(-1, transport().fileno());
  EXPECT_TRUE(transport().is_closing());
  EXPECT_FALSE(transport().is_reading());
  EXPECT_EQ(nullptr, transport().get_protocol());
  turn();
  EXPECT_EQ("CM CL(ok)", trace());
}

// W-60
TEST_F(ImmediateDatagramTest, TheSixthDropIsWarnedAbout) {
  open(alice);
  transport().close();
  turn(2);
  for (int i = 0; i < 6; ++i) {
    transport().sendto("x");
  }
  EXPECT_EQ(Texts{"sendto() on a transport that is closed or lost: 5 datagrams dropped so far"},
            Texts(logged_.begin(), logged_.begin() + 1));
}

// ---- Life ----

// W-81
TEST_F(DatagramTest, ConnectionMadeComesFirstAndTheFutureAfterIt) {
  DatagramOptions options;
  options.sock = Fd(kernel_->open_datagram(here));
  const MadeDatagrams made =
      loop_->create_datagram_endpoint(testing::datagram_factory(record_), std::move(options));
  EXPECT_EQ("", trace());
  EXPECT_FALSE(made.done());
  turn(3);
  EXPECT_EQ("CM", trace());
  ASSERT_EQ("done", outcome_of(made));
  EXPECT_EQ(record_->transport, made.get().transport);
  EXPECT_EQ(made.get().protocol, transport().get_protocol());
}

//
TEST_F(DatagramTest, AbortInConnectionMadeIsOrdinary) {
  record_->on_connection_made = [&] { transport().abort(); };
  open();
  EXPECT_EQ("CM CL(ok)", trace());
}

TEST_F(DatagramTest, AnotherProtocolGetsTheLaterCallbacks) {
  const int fd = open(alice);
  const auto other = std::make_shared<DatagramRecord>();
  transport().set_protocol(std::make_shared<RecordingDatagramProtocol>(other));
  kernel_->deliver_datagram(fd, "x", alice);
  turn();
  EXPECT_EQ("CM", trace());
  EXPECT_EQ("DR(1)", other->trace);
  EXPECT_THROW(transport().set_protocol(nullptr), std::invalid_argument);
  EXPECT_THROW(transport().set_protocol(std::make_shared<Protocol>()), std::invalid_argument);
}

TEST_F(DatagramTest, AnExceptionOfConnectionLostIsReported) {
  open();
  record_->on_connection_lost = [] { throw std::runtime_error("boom"); };
  transport().close();
  turn(2);
  EXPECT_EQ(Texts{"Exception in callback protocol.connection_lost(): boom"}, reports_);
}

TEST_F(DatagramTest, ALoopThatClosesDropsTheTransportSilently) {
  const int fd = open(alice);
  kernel_->set_room(fd, 0);
  in_turn([&] { transport().sendto("x"); });
  loop_->close();
  EXPECT_EQ("CM", trace());
  EXPECT_FALSE(kernel_->is_open(fd));
  EXPECT_EQ(0U, size());
  EXPECT_EQ(1U, statistics().datagrams_discarded);
  transport().sendto("y");
  EXPECT_EQ(1U, statistics().datagrams_dropped);
}

// The descriptor is not one of ours to be wrong about: a bug or a closed descriptor.
TEST_F(DatagramTest, ATransportWithoutADescriptorToWatchIsLost) {
  kernel_->fail_next("epoll_ctl", ENOSPC);
  open();
  EXPECT_EQ("CM CL(ENOSPC)", trace());
}

//
TEST_F(ImmediateDatagramTest, ALossByAnErrorLeavesNothingQueued) {
  const int fd = kernel_->open_datagram(here, alice);
  kernel_->set_room(fd, 0);
  kernel_->fail_next("epoll_ctl", ENOSPC);
  record_->on_connection_made = [&] {
    transport().sendto("x");
    EXPECT_EQ(9U, size());
  };
  adopt(fd);
  turn(2);
  EXPECT_EQ("CM CL(ENOSPC)", trace());
  EXPECT_EQ(0U, size());
  EXPECT_EQ(1U, statistics().datagrams_discarded);
}

// W-171
TEST_F(DatagramTest, InADebugBuildSetProtocolThrowsOnAnotherThread) {
  open(alice);
  const auto other = std::make_shared<RecordingDatagramProtocol>(record_);
  bool thrown = false;
  in_turn([&] {
    std::thread([&] {
      try {
        if constexpr (core::debug_checks) {
          transport().set_protocol(other);
        }
      } catch (const std::logic_error&) {
        thrown = true;
      }
    }).join();
  });
  EXPECT_EQ(core::debug_checks, thrown);
}

}  // namespace
}  // namespace sluice::transports
