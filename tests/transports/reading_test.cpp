// How a transport reads: one read for each event, edges that are not lost, the end, failures.
#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <stdexcept>

#include "loop/loop_core.hpp"
#include "testing/peers.hpp"
#include "transport_fixture.hpp"

namespace sluice::transports {
namespace {

constexpr std::size_t most = loop::LoopCore::max_read_bytes;

class Reading : public TransportTest {};

// W-154
TEST_F(Reading, OneEventGivesOneReadOfAtMostTheLimit) {
  const int fd = open_stream();
  std::vector<std::size_t> sizes;
  record_->on_data_received = [&](Bytes data) { sizes.push_back(data.size()); };
  kernel_->deliver(fd, testing::pattern(0, 2 * most + 10));
  turn();
  EXPECT_EQ((std::vector<std::size_t>{most}), sizes);
  turn();
  EXPECT_EQ((std::vector<std::size_t>{most, most}), sizes);
  turn();
  EXPECT_EQ((std::vector<std::size_t>{most, most, 10}), sizes);
  EXPECT_EQ("", testing::pattern_offence(record_->received()));
}

// W-154
TEST_F(Reading, MoreThanTheLimitIsReadToTheEndWithoutAnotherEdgeOrWaiting) {
  const int fd = open_stream();
  kernel_->deliver(fd, testing::pattern(0, 5 * most));
  const TimePoint start = loop_->time();
  record_->on_data_received = [&](Bytes) {
    if (record_->received().size() == 5 * most) {
      loop_->stop();
    }
  };
  loop_->run_forever();
  EXPECT_EQ(start, loop_->time());
}

// W-154
TEST_F(Reading, ABusyPeerDoesNotKeepTheOthersWaiting) {
  const int busy = kernel_->open_stream();
  const int other = kernel_->open_stream();
  const auto other_record = std::make_shared<Recording>();
  adopt(busy);
  loop_->connect_accepted_socket([&] { return std::make_shared<RecordingProtocol>(other_record); },
                                 Fd(other));
  turn(3);
  kernel_->deliver(busy, testing::pattern(0, 4 * most));
  kernel_->deliver(other, "x");
  turn();
  EXPECT_EQ(most, record_->received().size());
  EXPECT_EQ("x", other_record->received());
  other_record->release();
}

// W-154
TEST_F(Reading, AReadThatWouldBlockIsIgnored) {
  const int fd = open_stream();
  kernel_->fail_next("recv", EAGAIN);
  kernel_->deliver(fd, "x");
  turn();
  EXPECT_EQ("CM", trace());
  kernel_->deliver(fd, "y");
  turn();
  EXPECT_EQ("xy", record_->received());
}

// W-94, W-155
TEST_F(Reading, AnEndBehindAShortReadIsFoundThoughThereIsNoFurtherEdge) {
  const int fd = open_stream();
  kernel_->deliver(fd, "last words");
  kernel_->deliver_eof(fd);
  turn(3);
  EXPECT_EQ("CM DR ER CL(ok)", trace());
  EXPECT_EQ("last words", record_->received());
}

// W-155
TEST_F(Reading, AnEndBehindMoreThanTheLimitIsFound) {
  const int fd = open_stream();
  kernel_->deliver(fd, testing::pattern(0, 2 * most));
  kernel_->deliver_eof(fd);
  turn(6);
  EXPECT_EQ("CM DR DR ER CL(ok)", trace());
}

// W-155, Q-25
TEST_F(Reading, AnEndThatIsKeptLeavesTheTransportOpenForWriting) {
  record_->on_eof_received = [] { return true; };
  const int fd = open_stream();
  kernel_->deliver_eof(fd);
  turn(3);
  EXPECT_EQ("CM ER", trace());
  EXPECT_FALSE(duplex().is_reading());
  EXPECT_FALSE(duplex().is_closing());
  duplex().pause_reading();
  duplex().resume_reading();
  EXPECT_FALSE(duplex().is_reading());
  duplex().write("answer");
  duplex().close();
  turn(3);
  EXPECT_EQ("CM ER CL(ok)", trace());
  EXPECT_EQ("answer", kernel_->sent(fd));
}

// W-153
TEST_F(Reading, WhatArrivedDuringAPauseIsDeliveredFromTheLoop) {
  const int fd = open_stream();
  duplex().pause_reading();
  kernel_->deliver(fd, "x");
  turn(3);
  EXPECT_EQ("CM", trace());
  duplex().resume_reading();
  EXPECT_EQ("CM", trace());
  turn();
  EXPECT_EQ("CM DR", trace());
}

// W-153
TEST_F(Reading, ResumingInACallbackDeliversInTheNextTurn) {
  const int fd = open_stream();
  duplex().pause_reading();
  kernel_->deliver(fd, "x");
  turn();
  loop_->call_soon([this] { duplex().resume_reading(); });
  turn();
  EXPECT_EQ("CM", trace());
  turn();
  EXPECT_EQ("CM DR", trace());
}

// W-153
TEST_F(Reading, PausingAndResumingInDataReceivedLosesNothing) {
  const int fd = open_stream();
  record_->on_data_received = [this](Bytes) {
    duplex().pause_reading();
    duplex().resume_reading();
  };
  kernel_->deliver(fd, testing::pattern(0, 3 * most + 1));
  turn(6);
  EXPECT_EQ(3 * most + 1, record_->received().size());
  EXPECT_EQ("", testing::pattern_offence(record_->received()));
}

// W-153
TEST_F(Reading, AnEndThatCameDuringAPauseIsDeliveredAfterIt) {
  const int fd = open_stream();
  duplex().pause_reading();
  kernel_->deliver(fd, "x");
  kernel_->deliver_eof(fd);
  turn(3);
  EXPECT_EQ("CM", trace());
  duplex().resume_reading();
  turn(3);
  EXPECT_EQ("CM DR ER CL(ok)", trace());
}

// W-83
TEST_F(Reading, APauseInConnectionMadeHolds) {
  const int fd = kernel_->open_stream();
  kernel_->deliver(fd, "x");
  record_->on_connection_made = [this] { duplex().pause_reading(); };
  adopt(fd);
  turn(3);
  EXPECT_EQ("CM", trace());
  EXPECT_FALSE(duplex().is_reading());
  duplex().resume_reading();
  turn();
  EXPECT_EQ("CM DR", trace());
}

// W-152
TEST_F(Reading, PausingAndResumingMayBeRepeated) {
  open_stream();
  duplex().resume_reading();
  EXPECT_TRUE(duplex().is_reading());
  duplex().pause_reading();
  duplex().pause_reading();
  EXPECT_FALSE(duplex().is_reading());
  duplex().resume_reading();
  EXPECT_TRUE(duplex().is_reading());
}

// W-3
TEST_F(Reading, APausedTransportCostsNoTurns) {
  const int fd = open_stream();
  duplex().pause_reading();
  kernel_->deliver(fd, "x");
  kernel_->clear_calls();
  run_for(seconds(60));
  EXPECT_LE(kernel_->count_calls("epoll_wait"), 3U);
  EXPECT_EQ(0U, kernel_->count_calls("recv"));
}

// W-42, W-158
TEST_F(Reading, NothingIsDeliveredAfterCloseInDataReceived) {
  const int fd = open_stream();
  record_->on_data_received = [this](Bytes) { duplex().close(); };
  kernel_->deliver(fd, testing::pattern(0, 2 * most));
  kernel_->deliver_eof(fd);
  turn(4);
  EXPECT_EQ("CM DR CL(ok)", trace());
}

// W-40
TEST_F(Reading, CloseDiscardsAnEventThatIsCollectedAlready) {
  const int fd = open_stream();
  kernel_->deliver(fd, "x");
  loop_->call_soon([this] { duplex().close(); });
  turn(3);
  EXPECT_EQ("CM CL(ok)", trace());
}

// W-42
TEST_F(Reading, NothingIsDeliveredWhileATransportDrains) {
  const int fd = open_stream();
  kernel_->set_room(fd, 0);
  duplex().write("waits");
  duplex().close();
  kernel_->deliver(fd, "x");
  turn(3);
  EXPECT_EQ("CM", trace());
  kernel_->set_room(fd, 100);
  turn(3);
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_EQ("waits", kernel_->sent(fd));
}

// W-157
TEST_F(Reading, AReadThatFailsLosesTheConnection) {
  const int fd = open_stream();
  kernel_->fail_reads(fd, ETIMEDOUT);
  turn(3);
  EXPECT_EQ("CM CL(ETIMEDOUT)", trace());
  EXPECT_EQ(Texts{}, reports_);
}

// W-94
TEST_F(Reading, AResetIsReportedAsSuch) {
  const int fd = open_stream();
  kernel_->reset(fd);
  turn(3);
  EXPECT_EQ("CM CL(ECONNRESET)", trace());
}

// ---- BufferedProtocol ----

class ReadingIntoItsOwn : public TransportTest {
 protected:
  int open_buffered() {
    const int fd = kernel_->open_stream();
    loop_->connect_accepted_socket([this] { return protocol_; }, Fd(fd));
    turn(3);
    return fd;
  }
  std::shared_ptr<BufferedProbe> protocol_ = std::make_shared<BufferedProbe>();
};

// W-159
TEST_F(ReadingIntoItsOwn, TheBufferIsAskedForBeforeEachReadAlsoTheOneThatFindsTheEnd) {
  const int fd = open_buffered();
  kernel_->deliver(fd, "12345678abc");
  kernel_->deliver_eof(fd);
  turn(5);
  EXPECT_EQ("CM GB(0) BU(8) GB(0) BU(3) GB(0) ER CL(ok)", protocol_->trace);
  EXPECT_EQ("12345678abc", protocol_->received);
}

// W-159, W-156
TEST_F(ReadingIntoItsOwn, AnEmptyBufferLosesTheConnection) {
  const int fd = open_buffered();
  protocol_->memory.clear();
  kernel_->deliver(fd, "x");
  turn(3);
  EXPECT_EQ("CM GB(0) CL(callback_failed)", protocol_->trace);
  EXPECT_EQ(Texts{"Fatal error: protocol.get_buffer() call failed.: "
                  "get_buffer() returned an empty buffer"},
            reports_);
}

// W-156
TEST_F(ReadingIntoItsOwn, WhatGetBufferThrowsLosesTheConnection) {
  const int fd = open_buffered();
  protocol_->on_get_buffer = [] { throw std::runtime_error("oops"); };
  kernel_->deliver(fd, "x");
  turn(3);
  EXPECT_EQ("CM GB(0) CL(callback_failed)", protocol_->trace);
  EXPECT_EQ(Texts{"Fatal error: protocol.get_buffer() call failed.: oops"}, reports_);
}

// W-156
TEST_F(ReadingIntoItsOwn, WhatBufferUpdatedThrowsLosesTheConnection) {
  const int fd = open_buffered();
  protocol_->on_updated = [] { throw std::runtime_error("oops"); };
  kernel_->deliver(fd, "x");
  turn(3);
  EXPECT_EQ("CM GB(0) BU(1) CL(callback_failed)", protocol_->trace);
  EXPECT_EQ(Texts{"Fatal error: protocol.buffer_updated() call failed.: oops"}, reports_);
}

// W-158
TEST_F(ReadingIntoItsOwn, APauseInGetBufferReadsNothing) {
  const int fd = open_stream();
  duplex().set_protocol(protocol_);
  bool once = true;
  protocol_->on_get_buffer = [&] {
    if (std::exchange(once, false)) {
      duplex().pause_reading();
    }
  };
  kernel_->deliver(fd, "x");
  turn(2);
  EXPECT_EQ("GB(0)", protocol_->trace);
  duplex().resume_reading();
  turn(2);
  EXPECT_TRUE(protocol_->trace.starts_with("GB(0) GB(0) BU(1)")) << protocol_->trace;
}

// W-159, W-78
TEST_F(ReadingIntoItsOwn, AProtocolOfTheOtherKindIsInForceFromTheNextReadOn) {
  const int fd = open_stream();
  record_->on_data_received = [this](Bytes) { duplex().set_protocol(protocol_); };
  kernel_->deliver(fd, "first");
  turn();
  EXPECT_EQ("CM DR", trace());
  EXPECT_EQ("", protocol_->trace);
  kernel_->deliver(fd, "second");
  turn();
  EXPECT_EQ("GB(0) BU(6)", protocol_->trace);
  record_->on_data_received = nullptr;
  protocol_->on_updated = [this] {
    duplex().set_protocol(std::make_shared<RecordingProtocol>(record_));
  };
  kernel_->deliver(fd, "third");
  turn();
  kernel_->deliver(fd, "fourth");
  turn();
  EXPECT_EQ("CM DR DR", trace());
  EXPECT_EQ("firstfourth", record_->received());
  EXPECT_EQ("secondthird", protocol_->received);
}

// ---- Read pipes ----

class ReadPipes : public TransportTest {
 protected:
  void begin(int fd) {
    loop_->connect_read_pipe([record = read_] { return std::make_shared<ReadProbe>(record); },
                             Fd(fd));
    turn(3);
  }
  void TearDown() override {
    read_->transport.reset();
    TransportTest::TearDown();
  }
  std::shared_ptr<ReadRecord> read_ = std::make_shared<ReadRecord>();
};

// W-160
TEST_F(ReadPipes, AtTheEndBothCallsAreQueuedInOrder) {
  const int fd = kernel_->open_read_pipe();
  begin(fd);
  read_->on_eof = [] { return true; };
  kernel_->deliver(fd, "data");
  kernel_->deliver_eof(fd);
  turn(2);
  EXPECT_EQ("CM DR(4)", read_->trace);
  EXPECT_TRUE(read_->transport->is_closing());
  turn();
  // The result of eof_received is ignored.
  EXPECT_EQ("CM DR(4) ER CL(ok)", read_->trace);
  EXPECT_FALSE(kernel_->is_open(fd));
}

// W-156
TEST_F(ReadPipes, WhatDataReceivedThrowsLosesThePipe) {
  const int fd = kernel_->open_read_pipe();
  begin(fd);
  read_->on_data = [] { throw std::runtime_error("oops"); };
  kernel_->deliver(fd, "data");
  turn(3);
  EXPECT_EQ("CM DR(4) CL(callback_failed)", read_->trace);
  EXPECT_EQ(Texts{"Fatal error: protocol.data_received() call failed.: oops"}, reports_);
}

// W-156
TEST_F(ReadPipes, WhatEofReceivedThrowsGoesToTheExceptionHandlerOnly) {
  const int fd = kernel_->open_read_pipe();
  begin(fd);
  read_->on_eof = []() -> bool { throw std::runtime_error("oops"); };
  kernel_->deliver_eof(fd);
  turn(3);
  EXPECT_EQ("CM ER CL(ok)", read_->trace);
  EXPECT_EQ(Texts{"Exception in callback protocol.eof_received(): oops"}, reports_);
}

// W-58
TEST_F(ReadPipes, ATerminalWhoseOtherEndIsGoneIsQuiet) {
  const int fd = kernel_->open_device();
  begin(fd);
  kernel_->hang_up(fd);
  turn(3);
  EXPECT_EQ("CM CL(EIO)", read_->trace);
  EXPECT_EQ(Texts{}, reports_);
}

// W-58
TEST_F(ReadPipes, AnyOtherErrorIsReportedBeforeTheLoss) {
  const int fd = kernel_->open_read_pipe();
  begin(fd);
  kernel_->fail_reads(fd, ENXIO);
  turn(3);
  EXPECT_EQ("CM CL(ENXIO)", read_->trace);
  ASSERT_EQ(1U, reports_.size());
  EXPECT_TRUE(reports_.front().starts_with("Fatal read error on pipe transport: "));
}

// W-152, W-153
TEST_F(ReadPipes, MayBePausedAndResumed) {
  const int fd = kernel_->open_read_pipe();
  begin(fd);
  EXPECT_TRUE(read_->transport->is_reading());
  read_->transport->pause_reading();
  kernel_->deliver(fd, testing::pattern(0, 2 * most));
  kernel_->deliver_eof(fd);
  turn(3);
  EXPECT_EQ("CM", read_->trace);
  read_->transport->resume_reading();
  turn(5);
  EXPECT_EQ("CM DR(262144) DR(262144) ER CL(ok)", read_->trace);
}

// W-160
TEST_F(ReadPipes, ADeviceThatCannotBePolledIsReadWithoutEvents) {
  const int fd = kernel_->open_device();
  kernel_->set_unpollable(fd);
  kernel_->deliver(fd, testing::pattern(0, most + 5));
  kernel_->deliver_eof(fd);
  begin(fd);
  turn(5);
  EXPECT_EQ("CM DR(262144) DR(5) ER CL(ok)", read_->trace);
}

// W-160
TEST(ReadPipesOfTheSystem, DevNullIsAtItsEndAtOnce) {
  EventLoop loop;
  const auto read = std::make_shared<ReadRecord>();
  read->on_lost = [&] { loop.stop(); };
  loop.connect_read_pipe([&] { return std::make_shared<ReadProbe>(read); },
                         Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
  loop.run_forever();
  EXPECT_EQ("CM ER CL(ok)", read->trace);
  read->transport.reset();
}

// W-154
TEST(ReadingOfTheSystem, DataBehindAnUrgentByteDoesNotWaitForMore) {
  EventLoop loop;
  testing::FdPair pair = testing::make_tcp_pair();
  const auto record = std::make_shared<Recording>();
  record->on_data_received = [&](Bytes) {
    if (record->received() == "beforeafter") {
      loop.stop();
    }
  };
  // All of it is there before the first read, which stops at the urgent byte as if there were no
  // more.
  EXPECT_EQ(6, ::send(pair.peer.get(), "before", 6, 0));
  EXPECT_EQ(1, ::send(pair.peer.get(), "!", 1, MSG_OOB));
  EXPECT_EQ(5, ::send(pair.peer.get(), "after", 5, 0));
  loop.connect_accepted_socket([&] { return std::make_shared<RecordingProtocol>(record); },
                               std::move(pair.transport));
  loop.call_later(seconds(10), [&] { loop.stop(); });
  loop.run_forever();
  EXPECT_EQ("beforeafter", record->received());
  record->release();
}

// W-154
TEST(ReadingOfTheSystem, AMegabyteThroughASocketArrivesWhole) {
  EventLoop loop;
  testing::FdPair pair = testing::make_socket_pair();
  const auto to = std::make_shared<Recording>();
  const auto from = std::make_shared<Recording>();
  loop.connect_accepted_socket([&] { return std::make_shared<RecordingProtocol>(to); },
                               std::move(pair.peer));
  loop.connect_accepted_socket([&] { return std::make_shared<RecordingProtocol>(from); },
                               std::move(pair.transport));
  from->on_connection_made = [&] {
    from->transport().write(testing::pattern(0, 1024 * 1024));
    from->transport().close();
  };
  to->on_connection_lost = [&](std::error_code) { loop.stop(); };
  loop.run_forever();
  EXPECT_EQ(std::size_t{1024 * 1024}, to->received().size());
  EXPECT_EQ("", testing::pattern_offence(to->received()));
  to->release();
  from->release();
}

}  // namespace
}  // namespace sluice::transports
