// relay() and relay_both() over a scripted kernel: which way the bytes take, what each end is told,
// what is refused.
#include "sluice/relay.hpp"

#include <cerrno>
#include <optional>
#include <stdexcept>

#include "testing/peers.hpp"
#include "transport_fixture.hpp"

namespace sluice::transports {
namespace {

using testing::pattern;

class Relaying : public TransportTest {
 protected:
  ~Relaying() override { other_record_->release(); }
  void TearDown() override {
    other_record_->release();
    TransportTest::TearDown();
  }
  // Two adopted streams: from_ with record_, to_ with other_record_.
  void open() {
    record_->on_eof_received = other_record_->on_eof_received = [] { return true; };
    from_ = kernel_->open_stream();
    to_ = kernel_->open_stream();
    adopt(from_);
    loop_->connect_accepted_socket(
        [this] { return std::make_shared<RecordingProtocol>(other_record_); }, Fd(to_));
    turn(3);
    kernel_->clear_calls();
  }
  std::shared_ptr<Transport> from() { return shared_duplex(); }
  std::shared_ptr<Transport> to() {
    return std::dynamic_pointer_cast<Transport>(other_record_->shared_transport());
  }
  // No pipe to be had: the bytes go through memory.
  void without_splice() { kernel_->fail_next("pipe", EMFILE, 2); }

  std::shared_ptr<Recording> other_record_ = std::make_shared<Recording>();
  int from_ = -1;
  int to_ = -1;
};

// Both ways that bytes can take.
class RelayingEitherWay : public Relaying, public ::testing::WithParamInterface<bool> {
 protected:
  void open() {
    Relaying::open();
    if (!GetParam()) {
      without_splice();
    }
  }
};

TEST_P(RelayingEitherWay, WhatIsReceivedIsWrittenAndTheEndIsCarriedOver) {
  open();
  const auto future = relay(from(), to());
  kernel_->deliver(from_, pattern(0, 1000));
  turn(4);
  kernel_->deliver(from_, pattern(1000, 500));
  kernel_->deliver_eof(from_);
  EXPECT_FALSE(future.done());
  turn(6);
  EXPECT_EQ(pattern(0, 1500), kernel_->sent(to_));
  EXPECT_TRUE(kernel_->write_shut(to_));
  EXPECT_EQ(1500U, future.get().bytes);
  EXPECT_FALSE(future.get().read_error);
  EXPECT_FALSE(future.get().write_error);
  EXPECT_EQ("", record_->received());
  EXPECT_EQ(1500U, to()->write_statistics().bytes_written);
  EXPECT_EQ(GetParam(), kernel_->count_calls("recv") == 0);
}

TEST_P(RelayingEitherWay, WhatWasWrittenBeforeComesFirst) {
  open();
  kernel_->set_room(to_, 3);
  to()->write("before ");
  const auto future = relay(from(), to());
  kernel_->deliver(from_, "relayed");
  turn(3);
  to()->write(" behind");
  kernel_->set_room(to_, 100);
  turn(4);
  EXPECT_EQ("before relayed behind", kernel_->sent(to_));
  EXPECT_FALSE(future.done());
}

TEST_P(RelayingEitherWay, AFullWriterStopsTheReading) {
  open();
  kernel_->set_room(to_, 0);
  const auto future = relay(from(), to());
  constexpr std::size_t all = 2'000'000;
  kernel_->deliver(from_, pattern(0, all));
  turn(20);
  EXPECT_FALSE(from()->is_reading());
  EXPECT_LE(to()->get_write_buffer_size(), 256U * 1024);
  EXPECT_EQ("", kernel_->sent(to_));
  kernel_->set_room(to_, testing::ScriptedKernel::no_limit);
  turn(60);
  EXPECT_TRUE(pattern(0, all) == kernel_->sent(to_));
  EXPECT_TRUE(from()->is_reading());
}

// W-66: a pause that an earlier protocol was told is not told again.
TEST_P(RelayingEitherWay, AWriterThatIsFullAlreadyIsWaitedFor) {
  open();
  kernel_->set_room(to_, 0);
  to()->set_write_buffer_limits(10);
  to()->write("more than ten bytes");
  turn();
  const auto future = relay(from(), to());
  kernel_->deliver(from_, "relayed");
  turn(3);
  EXPECT_FALSE(from()->is_reading());
  EXPECT_EQ(19U, to()->get_write_buffer_size());
  kernel_->set_room(to_, 100);
  turn(5);
  EXPECT_EQ("more than ten bytesrelayed", kernel_->sent(to_));
}

// The peer of the reading end breaks the connection.
TEST_P(RelayingEitherWay, AnErrorOfTheReaderAbortsTheWriter) {
  open();
  kernel_->set_room(to_, 4);
  const auto future = relay(from(), to());
  kernel_->deliver(from_, "relayed");
  turn(3);
  kernel_->reset(from_);
  kernel_->set_room(to_, 0);
  turn(1);
  turn(8);
  if (!future.done()) {
    // Paused: the reset is found when there is room again.
    kernel_->set_room(to_, 100);
    turn(8);
  }
  EXPECT_EQ(std::errc::connection_reset, future.get().read_error);
  EXPECT_FALSE(future.get().write_error);
  EXPECT_TRUE(other_record_->lost());
  EXPECT_FALSE(kernel_->is_open(to_));
  EXPECT_FALSE(kernel_->is_open(from_));
}

TEST_P(RelayingEitherWay, AnErrorOfTheWriterAbortsTheReader) {
  open();
  const auto future = relay(from(), to());
  kernel_->fail_writes(to_, ECONNRESET);
  kernel_->deliver(from_, "relayed");
  turn(5);
  EXPECT_EQ(std::errc::connection_reset, future.get().write_error);
  EXPECT_FALSE(future.get().read_error);
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_FALSE(kernel_->is_open(from_));
  EXPECT_EQ(7U, to()->write_statistics().bytes_discarded);
}

TEST_P(RelayingEitherWay, ClosingTheWriterClosesTheReader) {
  open();
  const auto future = relay(from(), to());
  to()->close();
  turn(4);
  EXPECT_TRUE(future.done());
  EXPECT_EQ("CM CL(ok)", trace());
}

TEST_P(RelayingEitherWay, ClosingTheReaderClosesTheWriterWhenAllIsSent) {
  open();
  kernel_->set_room(to_, 3);
  const auto future = relay(from(), to());
  kernel_->deliver(from_, "relayed");
  turn(3);
  from()->close();
  turn(3);
  EXPECT_TRUE(future.done());
  EXPECT_FALSE(other_record_->lost());
  kernel_->set_room(to_, 100);
  turn(3);
  EXPECT_EQ("relayed", kernel_->sent(to_));
  EXPECT_TRUE(other_record_->lost());
}

TEST_P(RelayingEitherWay, WhatIsReadAfterTheWriterWasClosedIsCounted) {
  open();
  kernel_->set_room(to_, 0);
  to()->write("in the way");
  const auto future = relay(from(), to());
  to()->close();
  kernel_->deliver(from_, "too late");
  turn(3);
  kernel_->set_room(to_, 100);
  turn(3);
  EXPECT_EQ("in the way", kernel_->sent(to_));
  EXPECT_EQ(0U, future.get().bytes);
  EXPECT_EQ(8U, future.get().discarded);
}

TEST_P(RelayingEitherWay, CancellingGivesBothBackWithNothingLost) {
  open();
  kernel_->set_room(to_, 3);
  const auto future = relay(from(), to());
  kernel_->deliver(from_, "relayed");
  turn(3);
  EXPECT_TRUE(future.cancel());
  kernel_->deliver(from_, "for the earlier one");
  kernel_->deliver(to_, "for the other");
  kernel_->set_room(to_, 100);
  turn(5);
  EXPECT_EQ("relayed", kernel_->sent(to_));
  EXPECT_EQ("for the earlier one", record_->received());
  EXPECT_EQ("for the other", other_record_->received());
  EXPECT_TRUE(future.cancelled());
}

TEST_P(RelayingEitherWay, TheWriterIsNotReadUntilTheRelayHasEnded) {
  open();
  const auto future = relay(from(), to());
  kernel_->deliver(to_, "answer");
  turn(3);
  EXPECT_EQ("", other_record_->received());
  kernel_->deliver_eof(from_);
  turn(5);
  EXPECT_TRUE(future.done());
  EXPECT_EQ("answer", other_record_->received());
}

TEST_P(RelayingEitherWay, AReaderThatHasEndedBeforeEndsTheRelayAtOnce) {
  open();
  kernel_->deliver_eof(from_);
  turn(2);
  const auto future = relay(from(), to());
  turn();
  EXPECT_EQ(0U, future.get().bytes);
  EXPECT_TRUE(kernel_->write_shut(to_));
}

TEST_P(RelayingEitherWay, APausedReaderIsReadFrom) {
  open();
  from()->pause_reading();
  const auto future = relay(from(), to());
  kernel_->deliver(from_, "relayed");
  turn(3);
  EXPECT_EQ("relayed", kernel_->sent(to_));
}

// W-78, W-196: whoever swaps protocols tells them what they have missed.
TEST_P(RelayingEitherWay, AResumeThatWasOwedToTheEarlierProtocolIsToldWhenItIsBack) {
  open();
  kernel_->set_room(to_, 0);
  to()->set_write_buffer_limits(10);
  to()->write("more than ten bytes");
  const auto future = relay(from(), to());
  kernel_->set_room(to_, 100);
  turn(3);
  EXPECT_EQ("CM PW", other_record_->trace());
  EXPECT_TRUE(future.cancel());
  EXPECT_EQ("CM PW RW", other_record_->trace());
  turn(3);
  EXPECT_EQ("CM PW RW", other_record_->trace());
}

// W-78, W-196
TEST_P(RelayingEitherWay, APauseDuringTheRelayIsToldToTheEarlierProtocolWhenItIsBack) {
  open();
  kernel_->set_room(to_, 0);
  to()->set_write_buffer_limits(10);
  const auto future = relay(from(), to());
  to()->write("more than ten bytes");
  EXPECT_EQ("CM", other_record_->trace());
  kernel_->deliver_eof(from_);
  EXPECT_TRUE(future.cancel());
  EXPECT_EQ("CM PW", other_record_->trace());
  kernel_->set_room(to_, 100);
  turn(3);
  EXPECT_EQ("CM PW RW", other_record_->trace());
}

// W-78: a pause that lasts is not told again.
TEST_P(RelayingEitherWay, WhatHasNotChangedIsNotToldAgain) {
  open();
  kernel_->set_room(to_, 0);
  to()->set_write_buffer_limits(10);
  to()->write("more than ten bytes");
  const auto future = relay(from(), to());
  turn();
  EXPECT_TRUE(future.cancel());
  EXPECT_EQ("CM PW", other_record_->trace());
  EXPECT_EQ("CM", trace());
}

TEST_P(RelayingEitherWay, AProtocolThatIsToldToResumeMayRelayAgain) {
  open();
  kernel_->set_room(to_, 0);
  to()->set_write_buffer_limits(10);
  to()->write("more than ten bytes");
  const auto first = relay(from(), to());
  std::optional<Future<RelayResult>> second;
  other_record_->on_resume_writing = [&] { second = relay(from(), to()); };
  kernel_->set_room(to_, 100);
  turn(3);
  EXPECT_TRUE(first.cancel());
  kernel_->deliver(from_, ", relayed");
  kernel_->deliver_eof(from_);
  turn(6);
  EXPECT_EQ("more than ten bytes, relayed", kernel_->sent(to_));
  EXPECT_EQ(9U, second->get().bytes);
  other_record_->on_resume_writing = nullptr;
}

// Reading is as it was before, on both sides.
TEST_P(RelayingEitherWay, WhoDidNotReadBeforeDoesNotReadAfterwards) {
  open();
  from()->pause_reading();
  to()->pause_reading();
  auto one_way = relay(from(), to());
  turn();
  EXPECT_TRUE(from()->is_reading());
  EXPECT_TRUE(one_way.cancel());
  EXPECT_FALSE(from()->is_reading());
  EXPECT_FALSE(to()->is_reading());
  to()->resume_reading();
  auto both_ways = relay_both(from(), to());
  turn();
  EXPECT_TRUE(both_ways.cancel());
  EXPECT_FALSE(from()->is_reading());
  EXPECT_TRUE(to()->is_reading());
}

TEST_P(RelayingEitherWay, ALoopClosedInTheMiddleLeavesNothing) {
  open();
  kernel_->set_room(to_, 3);
  const auto one_way = relay(from(), to());
  kernel_->deliver(from_, "relayed");
  turn(3);
  loop_->close();
  EXPECT_FALSE(one_way.done());
  // TearDown looks for descriptors that are left.
}

// What is read for a writer that may not write any more is counted, and ends the relay.
TEST_P(RelayingEitherWay, WriteEofDuringTheRelayEndsItWithTheNextBytes) {
  open();
  const auto future = relay(from(), to());
  to()->write_eof();
  turn(3);
  EXPECT_FALSE(future.done());
  kernel_->deliver(from_, "too late");
  turn(3);
  EXPECT_EQ(0U, future.get().bytes);
  EXPECT_EQ(8U, future.get().discarded);
  EXPECT_EQ(std::errc::broken_pipe, future.get().write_error);
  EXPECT_EQ(Texts{}, reports_);
  kernel_->deliver(from_, "for the earlier one");
  turn(3);
  EXPECT_EQ("for the earlier one", record_->received());
  EXPECT_EQ("CM DR", trace());
  EXPECT_EQ("CM", other_record_->trace());
}

TEST_P(RelayingEitherWay, TheEndOfTheReaderIsNoErrorAfterWriteEof) {
  open();
  const auto future = relay(from(), to());
  to()->write_eof();
  kernel_->deliver_eof(from_);
  turn(3);
  EXPECT_EQ(0U, future.get().discarded);
  EXPECT_FALSE(future.get().write_error);
}

// ---- Both directions ----

TEST_P(RelayingEitherWay, WriteEofEndsOneDirectionAndTheOtherGoesOn) {
  open();
  const auto future = relay_both(from(), to());
  to()->write_eof();
  kernel_->deliver(from_, "too late");
  turn(3);
  EXPECT_FALSE(future.done());
  kernel_->deliver(to_, "the answer");
  kernel_->deliver_eof(to_);
  turn(6);
  EXPECT_EQ("the answer", kernel_->sent(from_));
  EXPECT_EQ(8U, future.get().forth.discarded);
  EXPECT_EQ(std::errc::broken_pipe, future.get().forth.write_error);
  EXPECT_EQ(10U, future.get().back.bytes);
  EXPECT_FALSE(kernel_->is_open(from_));
  EXPECT_FALSE(kernel_->is_open(to_));
}

TEST_P(RelayingEitherWay, BothDirectionsEndOneAfterTheOther) {
  open();
  const auto future = relay_both(from(), to());
  kernel_->deliver(from_, "question");
  kernel_->deliver_eof(from_);
  turn(6);
  EXPECT_EQ("question", kernel_->sent(to_));
  EXPECT_TRUE(kernel_->write_shut(to_));
  EXPECT_FALSE(future.done());
  EXPECT_FALSE(from()->is_closing());
  kernel_->deliver(to_, "the answer");
  kernel_->deliver_eof(to_);
  turn(6);
  EXPECT_EQ("the answer", kernel_->sent(from_));
  EXPECT_EQ(8U, future.get().forth.bytes);
  EXPECT_EQ(10U, future.get().back.bytes);
  EXPECT_FALSE(kernel_->is_open(from_));
  EXPECT_FALSE(kernel_->is_open(to_));
}

TEST_P(RelayingEitherWay, ALossEndsBothDirections) {
  open();
  const auto future = relay_both(from(), to());
  turn();
  kernel_->reset(to_);
  turn(6);
  EXPECT_FALSE(future.get().forth.read_error);
  EXPECT_EQ(std::errc::connection_reset, future.get().forth.write_error);
  EXPECT_EQ(std::errc::connection_reset, future.get().back.read_error);
  EXPECT_FALSE(kernel_->is_open(from_));
  EXPECT_FALSE(kernel_->is_open(to_));
}

TEST_P(RelayingEitherWay, CancellingBothGivesBothBack) {
  open();
  const auto future = relay_both(from(), to());
  turn();
  EXPECT_TRUE(future.cancel());
  kernel_->deliver(from_, "1");
  kernel_->deliver(to_, "2");
  turn(3);
  EXPECT_EQ("1", record_->received());
  EXPECT_EQ("2", other_record_->received());
}

INSTANTIATE_TEST_SUITE_P(Ways, RelayingEitherWay, ::testing::Values(true, false),
                         [](const auto& spliced) {
                           return spliced.param ? std::string("Spliced") : std::string("Copied");
                         });

// ---- The way through the kernel ----

TEST_F(Relaying, BytesOfPlainSocketsAreSplicedAndNeverBuffered) {
  open();
  const auto future = relay(from(), to());
  kernel_->deliver(from_, pattern(0, 100'000));
  turn(10);
  EXPECT_EQ(pattern(0, 100'000), kernel_->sent(to_));
  EXPECT_EQ(0U, kernel_->count_calls("recv"));
  EXPECT_EQ(0U, kernel_->count_calls("send"));
  EXPECT_EQ(0U, to()->write_statistics().peak_buffer_size);
}

// EPERM: a sandbox.
TEST_F(Relaying, WhereSpliceIsRefusedTheBytesGoThroughMemory) {
  open();
  std::size_t refusals = 0;
  std::string all;
  for (const int error : {EINVAL, ENOSYS, EPERM}) {
    auto future = relay(from(), to());
    kernel_->fail_next("splice", error);
    kernel_->deliver(from_, "relayed");
    turn(5);
    EXPECT_EQ(all += "relayed", kernel_->sent(to_));
    EXPECT_EQ(++refusals, kernel_->count_calls("splice"));
    EXPECT_TRUE(future.cancel());
  }
}

TEST_F(Relaying, WhatIsInThePipeGoesThroughMemoryWhereItMayNotBeSpliced) {
  open();
  const auto future = relay(from(), to());
  kernel_->fail_next("splice", 0);
  kernel_->fail_next("splice", EPERM);
  kernel_->deliver(from_, "relayed");
  turn(5);
  EXPECT_EQ("relayed", kernel_->sent(to_));
  EXPECT_FALSE(future.done());
}

TEST_F(Relaying, AnInterruptedSpliceIsMadeAgain) {
  open();
  const auto future = relay(from(), to());
  kernel_->fail_next("splice", EINTR, 2);
  kernel_->deliver(from_, "relayed");
  turn(5);
  EXPECT_EQ("relayed", kernel_->sent(to_));
}

TEST_F(Relaying, BytesInThePipeAreCountedWhenTheWriterIsAborted) {
  open();
  kernel_->set_room(to_, 3);
  const auto future = relay(from(), to());
  kernel_->deliver(from_, "relayed");
  turn(3);
  to()->abort();
  turn(3);
  EXPECT_EQ(3U, to()->write_statistics().bytes_written);
  EXPECT_EQ(4U, to()->write_statistics().bytes_discarded);
  EXPECT_EQ(7U, future.get().bytes);
}

TEST_F(Relaying, FromAPipeToADeviceTheBytesGoThroughMemory) {
  const int source = kernel_->open_read_pipe();
  const int device = kernel_->open_device();
  const auto probe = std::make_shared<ReadRecord>();
  loop_->connect_read_pipe([&] { return std::make_shared<ReadProbe>(probe); }, Fd(source));
  loop_->connect_write_pipe(write_factory(), Fd(device));
  turn(3);
  const auto future = relay(probe->transport, record_->shared_transport());
  kernel_->deliver(source, "relayed");
  kernel_->deliver_eof(source);
  turn(8);
  EXPECT_EQ("relayed", kernel_->sent(device));
  EXPECT_EQ(7U, future.get().bytes);
  EXPECT_EQ(0U, kernel_->count_calls("splice"));
  // There is no half-close of a device.
  EXPECT_FALSE(kernel_->is_open(device));
  probe->transport.reset();
}

// ---- What is refused ----

TEST_F(Relaying, ClosingTransportsAndNonsenseAreRefused) {
  open();
  EXPECT_THROW(static_cast<void>(relay(nullptr, to())), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(relay(from(), nullptr)), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(relay(from(), from())), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(relay_both(from(), from())), std::invalid_argument);
  to()->close();
  EXPECT_THROW(static_cast<void>(relay(from(), to())), std::logic_error);
  EXPECT_THROW(static_cast<void>(relay_both(from(), to())), std::logic_error);
  turn(3);
  EXPECT_EQ("CM", trace());
}

TEST_F(Relaying, AWriterAfterWriteEofIsRefused) {
  open();
  to()->write_eof();
  EXPECT_THROW(static_cast<void>(relay(from(), to())), std::logic_error);
  EXPECT_THROW(static_cast<void>(relay_both(from(), to())), std::logic_error);
  EXPECT_THROW(static_cast<void>(relay_both(to(), from())), std::logic_error);
  kernel_->deliver(from_, "not for a relay");
  turn(3);
  EXPECT_EQ("not for a relay", record_->received());
}

TEST_F(Relaying, TransportsOfDifferentLoopsAreRefused) {
  open();
  EventLoop other({.system_calls = kernel_});
  const auto record = std::make_shared<Recording>();
  other.connect_accepted_socket([&] { return std::make_shared<RecordingProtocol>(record); },
                                Fd(kernel_->open_stream()));
  other.stop();
  other.run_forever();
  EXPECT_THROW(static_cast<void>(relay(from(), record->shared_transport())), std::invalid_argument);
  record->release();
}

}  // namespace
}  // namespace sluice::transports
