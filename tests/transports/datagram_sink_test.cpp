// The sink of datagram sockets: frames, batches, trains and refusals.
#include "transports/datagram_sink.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <list>
#include <string>
#include <vector>

#include "testing/scripted_kernel.hpp"

namespace sluice::transports {
namespace {

using core::SinkResult;
using testing::accept;
using testing::block;
using testing::fail;
using testing::ScriptedKernel;
using testing::SentDatagram;

const SocketAddress alice = *SocketAddress::from_numeric("10.0.0.1", 1111);
const SocketAddress bob = *SocketAddress::from_numeric("10.0.0.2", 2222);

// A sink, and the queue in front of it as pieces that the test lays out.
class Sink : public ::testing::Test {
 protected:
  explicit Sink(DatagramSink::Trains trains = DatagramSink::Trains::forbidden)
      : sink_(kernel_, fd_, trains) {}
  ~Sink() override { EXPECT_TRUE(kernel_.close(fd_).ok()); }

  /// One more datagram in the queue, header and bytes in one piece.
  void queue(const std::string& text, const SocketAddress* to) {
    const auto header = sink_.header_for(text.size(), to).encode();
    memory_.push_back(std::string(as_text(header)) + text);
    queued_ += memory_.back().size();
  }
  SinkResult write() {
    std::vector<Bytes> pieces;
    for (const std::string& each : memory_) {
      pieces.push_back(as_bytes(each));
    }
    return sink_.write(pieces);
  }
  [[nodiscard]] std::vector<SentDatagram> sent() const { return kernel_.sent_datagrams(fd_); }
  [[nodiscard]] std::vector<std::size_t> message_counts() const {
    std::vector<std::size_t> counts;
    for (const auto& call : kernel_.calls()) {
      if (call.name == "sendmmsg") {
        counts.push_back(call.pieces);
      }
    }
    return counts;
  }

  ScriptedKernel kernel_;
  int fd_ = kernel_.open_datagram({}, bob);
  DatagramSink sink_;
  std::list<std::string> memory_;
  std::size_t queued_ = 0;
};

class TrainSink : public Sink {
 protected:
  TrainSink() : Sink(DatagramSink::Trains::allowed) {}
};

TEST_F(Sink, AHeaderAndItsBytesMayStandInPiecesOfTheirOwn) {
  const auto first = sink_.header_for(3, &alice).encode();
  const auto second = sink_.header_for(0, nullptr).encode();
  const auto third = sink_.header_for(2, nullptr).encode();
  std::string middle = "abc" + std::string(as_text(second)) + std::string(as_text(third));
  const std::vector<Bytes> pieces{first, as_bytes(middle), as_bytes("de")};
  const SinkResult result = sink_.write(pieces);
  EXPECT_EQ(SinkResult::Kind::enough, result.kind);
  EXPECT_EQ(3U * 8 + 5, result.count);
  EXPECT_EQ((std::vector<SentDatagram>{{"abc", alice}, {"", {}}, {"de", {}}}), sent());
  EXPECT_EQ(0U, sink_.queued());
}

// The queue offers a bounded number of pieces, so the last frame may be there in part.
TEST_F(Sink, AFrameThatIsNotAllThereIsLeft) {
  queue("whole", &alice);
  const auto half = sink_.header_for(4, &alice).encode();
  memory_.emplace_back(as_text(half));
  const SinkResult result = write();
  EXPECT_EQ(SinkResult::Kind::enough, result.kind);
  EXPECT_EQ(13U, result.count);
  EXPECT_EQ(1U, sink_.queued());
}

// W-137
TEST_F(Sink, AFullKernelIsAskedAgainOnlyWhenItHasRoom) {
  for (const char* text : {"a", "b", "c"}) {
    queue(text, nullptr);
  }
  kernel_.script_write(fd_, {accept(1), accept(1), block(), block()});
  const SinkResult result = write();
  EXPECT_EQ(SinkResult::Kind::accepted, result.kind);
  EXPECT_EQ(18U, result.count);
  EXPECT_EQ(SinkResult::Kind::would_block,
            (memory_.pop_front(), memory_.pop_front(), write().kind));
  EXPECT_EQ(1U, sink_.queued());
}

TEST_F(Sink, AManyMessagesTakeAFewCalls) {
  for (int i = 0; i < 150; ++i) {
    queue(std::to_string(i), i % 2 == 0 ? &alice : &bob);
  }
  EXPECT_EQ(queued_, write().count);
  EXPECT_EQ((std::vector<std::size_t>{64, 64, 22}), message_counts());
  EXPECT_EQ(150U, sink_.totals().sent);
  EXPECT_EQ(3U, sink_.totals().calls);
}

TEST_F(Sink, OneAttemptIsBounded) {
  for (std::size_t i = 0; i < DatagramSink::max_per_attempt + 1; ++i) {
    queue("", &alice);
  }
  const SinkResult result = write();
  EXPECT_EQ(SinkResult::Kind::enough, result.kind);
  EXPECT_EQ(DatagramSink::max_per_attempt * 8, result.count);
}

TEST_F(Sink, RefusalsAreBoundedTooUntilTheyAreTaken) {
  kernel_.fail_writes(fd_, EPERM);
  for (std::size_t i = 0; i < DatagramSink::max_refused + 3; ++i) {
    queue("x", &alice);
  }
  EXPECT_EQ(DatagramSink::max_refused * 9, write().count);
  std::vector<RefusedDatagram> refused;
  sink_.take_refused(refused);
  ASSERT_EQ(DatagramSink::max_refused, refused.size());
  EXPECT_EQ(std::errc::operation_not_permitted, refused.front().error);
  EXPECT_EQ(1U, refused.front().size);
  EXPECT_EQ(alice, refused.front().to);
  EXPECT_FALSE(sink_.any_refused());
}

TEST_F(Sink, ForgettingTheQueueForgetsItsAddresses) {
  queue("x", &alice);
  queue("y", &bob);
  EXPECT_EQ(2U, sink_.queued());
  sink_.forget_queued();
  EXPECT_EQ(0U, sink_.queued());
  EXPECT_EQ(0U, sink_.header_for(1, &alice).address);
}

TEST_F(Sink, ThereIsNoEndToTell) {
  EXPECT_EQ(std::errc::operation_not_supported, sink_.shutdown());
}

// ---- Trains (UDP_SEGMENT) ----

TEST_F(TrainSink, EqualNeighboursAreOneMessage) {
  for (int i = 0; i < 10; ++i) {
    queue("same", &alice);
  }
  EXPECT_EQ(queued_, write().count);
  EXPECT_EQ(std::vector<std::size_t>{1}, message_counts());
  EXPECT_EQ(std::vector<SentDatagram>(10, {"same", alice}), sent());
  EXPECT_EQ(10U, sink_.totals().sent);
  EXPECT_EQ(1U, sink_.totals().trains);
}

// W-138: the boundaries stay where they are.
TEST_F(TrainSink, AShorterOneEndsATrainAndALongerOneBeginsANewOne) {
  for (const char* text : {"four", "four", "one", "four", "fives", "fives", "", "", "x"}) {
    queue(text, &alice);
  }
  EXPECT_EQ(queued_, write().count);
  std::vector<SentDatagram> expected;
  for (const char* text : {"four", "four", "one", "four", "fives", "fives", "", "", "x"}) {
    expected.push_back({text, alice});
  }
  EXPECT_EQ(expected, sent());
  // {four four one} {four} {fives fives} {} {} {x}
  EXPECT_EQ(std::vector<std::size_t>{6}, message_counts());
  EXPECT_EQ(2U, sink_.totals().trains);
}

TEST_F(TrainSink, AnotherAddressBeginsANewMessage) {
  queue("same", &alice);
  queue("same", &bob);
  queue("same", &alice);
  EXPECT_EQ(queued_, write().count);
  EXPECT_EQ((std::vector<SentDatagram>{{"same", alice}, {"same", bob}, {"same", alice}}), sent());
  EXPECT_EQ(0U, sink_.totals().trains);
}

TEST_F(TrainSink, ATrainKeepsTheKernelsLimits) {
  for (std::size_t i = 0; i < DatagramSink::max_train + 1; ++i) {
    queue("x", &alice);
  }
  EXPECT_EQ(queued_, write().count);
  EXPECT_EQ(std::vector<std::size_t>{2}, message_counts());
  memory_.clear();
  for (int i = 0; i < 3; ++i) {
    queue(std::string(30000, 'x'), &alice);
  }
  EXPECT_EQ(3U * 30008, write().count);
  EXPECT_EQ((std::vector<std::size_t>{2, 2}), message_counts());
}

// A device or a way that cannot take trains takes the datagrams one by one, and none is lost.
TEST_F(TrainSink, ARefusedTrainIsSentOneByOneFromThenOn) {
  for (const int error : {EIO, EINVAL, EMSGSIZE}) {
    DatagramSink sink(kernel_, fd_, DatagramSink::Trains::allowed);
    const auto first = sink.header_for(1, &alice).encode();
    const auto second = sink.header_for(1, &alice).encode();
    const std::vector<Bytes> pieces{first, as_bytes("a"), second, as_bytes("b")};
    const std::size_t before = sent().size();
    kernel_.script_write(fd_, {fail(error)});
    EXPECT_EQ(18U, sink.write(pieces).count);
    EXPECT_EQ(before + 2, sent().size());
    EXPECT_EQ(DatagramSink::Trains::forbidden, sink.trains());
    EXPECT_FALSE(sink.any_refused());
  }
}

// W-135: an error that waited in the socket costs one datagram, not a train of them.
TEST_F(TrainSink, AnErrorCostsOneDatagramOfATrain) {
  for (int i = 0; i < 5; ++i) {
    queue("same", nullptr);
  }
  kernel_.script_write(fd_, {fail(ECONNREFUSED)});
  EXPECT_EQ(queued_, write().count);
  EXPECT_EQ(4U, sent().size());
  EXPECT_EQ(1U, sink_.totals().lost);
  EXPECT_EQ(DatagramSink::Trains::allowed, sink_.trains());
}

}  // namespace
}  // namespace sluice::transports
