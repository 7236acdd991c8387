// The receiving end: what asyncio's StreamReader does, and the reader's half of W-208.

#include "streams/stream_fixture.hpp"

#include <cerrno>

namespace sluice::streams {
namespace {

class Readers : public StreamTest {
 protected:
  Future<std::string> read(std::size_t count) {
    return start([this, count] { return reader().read(count); });
  }
  Future<std::string> readexactly(std::size_t count) {
    return start([this, count] { return reader().readexactly(count); });
  }
  Future<std::string> readuntil(std::string separator) {
    return start([this, separator] { return reader().readuntil(separator); });
  }
  Future<std::string> readline() {
    return start([this] { return reader().readline(); });
  }
  Future<std::string> read_all() {
    return start([this] { return reader().read(); });
  }
  [[nodiscard]] bool reading() {
    return dynamic_cast<ReadTransport&>(*writer().transport()).is_reading();
  }
  /// What a read that is ready gives.
  std::string now(const Future<std::string>& future) {
    turn();
    return state(future);
  }
};

TEST_F(Readers, ReadTakesWhatIsThereUpToTheCount) {
  open();
  deliver("abcdef");
  EXPECT_EQ("= abc", now(read(3)));
  EXPECT_EQ("= def", now(read(100)));
  EXPECT_EQ("= ", now(read(0)));
}

TEST_F(Readers, ReadWaitsForAtLeastOneByte) {
  open();
  const Future<std::string> reading = read(10);
  EXPECT_EQ("pending", now(reading));
  deliver("x");
  EXPECT_EQ("= x", now(reading));
}

TEST_F(Readers, ReadGivesNothingAtTheEndOfTheStream) {
  open();
  deliver("x");
  kernel_->deliver_eof(fd_);
  turn();
  EXPECT_FALSE(reader().at_eof());
  EXPECT_EQ("= x", now(read(10)));
  EXPECT_TRUE(reader().at_eof());
  EXPECT_EQ("= ", now(read(10)));
  EXPECT_EQ("= ", now(read_all()));
}

// W-208: the connection stays half-open.
TEST_F(Readers, TheEndOfThePeersDataLeavesTheStreamOpenForWriting) {
  open();
  kernel_->deliver_eof(fd_);
  turn(2);
  EXPECT_FALSE(writer().is_closing());
  writer().write("answer");
  turn();
  EXPECT_EQ("answer", kernel_->sent(fd_));
}

TEST_F(Readers, WhatIsThereIsTakenWithoutSuspending) {
  open();
  deliver("a line\nrest");
  const auto body = [this]() -> Task<> {
    loop_->call_soon([this] { note("next turn"); });
    note(co_await reader().readline());
    note(co_await reader().readexactly(4));
  };
  loop_->run_until_complete(body());
  EXPECT_EQ((Texts{"a line\n", "rest", "next turn"}), trace_);
}

TEST_F(Readers, ReadToTheEndIsNotLimited) {
  open(10);
  const Future<std::string> reading = read_all();
  turn();
  for (int i = 0; i < 10; ++i) {
    deliver(std::string(100, 'x'));
  }
  EXPECT_EQ("pending", now(reading));
  kernel_->deliver_eof(fd_);
  turn();
  EXPECT_EQ("= " + std::string(1000, 'x'), now(reading));
}

TEST_F(Readers, ReadexactlyWaitsForAllOfIt) {
  open();
  const Future<std::string> reading = readexactly(5);
  turn();
  deliver("abc");
  EXPECT_EQ("pending", now(reading));
  deliver("defg");
  EXPECT_EQ("= abcde", now(reading));
  EXPECT_EQ("= fg", now(readexactly(2)));
  EXPECT_EQ("= ", now(readexactly(0)));
}

TEST_F(Readers, ReadexactlyThatIsCutShortTellsWhatWasThere) {
  open();
  deliver("abc");
  kernel_->deliver_eof(fd_);
  turn();
  const Future<std::string> reading = readexactly(5);
  EXPECT_EQ("3 bytes read on a total of 5 expected bytes", now(reading));
  try {
    static_cast<void>(reading.get());
  } catch (const IncompleteReadError& error) {
    EXPECT_EQ("abc", error.partial());
    EXPECT_EQ(5U, error.expected());
  }
  EXPECT_TRUE(reader().at_eof());
}

TEST_F(Readers, ReadexactlyMayWantMoreThanTheLimit) {
  open(10);
  deliver(std::string(21, 'a'));
  EXPECT_FALSE(reading());
  const Future<std::string> wanted = readexactly(1000);
  turn();
  EXPECT_TRUE(reading());
  deliver(std::string(979, 'a'));
  EXPECT_EQ("= " + std::string(1000, 'a'), now(wanted));
}

TEST_F(Readers, ReaduntilFindsASeparatorThatComesInPieces) {
  open();
  const Future<std::string> reading = readuntil("--end");
  for (const char* piece : {"data-", "-en", "x--e"}) {
    deliver(piece);
    EXPECT_EQ("pending", state(reading));
  }
  deliver("nd");
  EXPECT_EQ("= data--enx--end", now(reading));
}

TEST_F(Readers, ReaduntilLeavesTheRest) {
  open();
  deliver("one;two;three");
  EXPECT_EQ("= one;", now(readuntil(";")));
  EXPECT_EQ("= two;", now(readuntil(";")));
  kernel_->deliver_eof(fd_);
  turn();
  const Future<std::string> reading = readuntil(";");
  EXPECT_EQ("5 bytes read on a total of undefined expected bytes", now(reading));
  try {
    static_cast<void>(reading.get());
  } catch (const IncompleteReadError& error) {
    EXPECT_EQ("three", error.partial());
    EXPECT_EQ(std::nullopt, error.expected());
  }
}

TEST_F(Readers, ReaduntilOfALineLongerThanTheLimitLeavesItInTheBuffer) {
  open(8);
  deliver("0123456789");
  const Future<std::string> searching = readuntil("\r\n");
  EXPECT_EQ("Separator is not found, and chunk exceed the limit", now(searching));
  try {
    static_cast<void>(searching.get());
  } catch (const LimitOverrunError& error) {
    // The last byte could be half a separator.
    EXPECT_EQ(9U, error.consumed());
  }
  deliver("\r\n");
  const Future<std::string> found = readuntil("\r\n");
  EXPECT_EQ("Separator is found, but chunk is longer than limit", now(found));
  try {
    static_cast<void>(found.get());
  } catch (const LimitOverrunError& error) {
    EXPECT_EQ(10U, error.consumed());
  }
  EXPECT_EQ("= 0123456789\r\n", now(readexactly(12)));
}

TEST_F(Readers, ReaduntilTakesALineAsLongAsTheLimit) {
  open(8);
  deliver("01234567\n");
  EXPECT_EQ("= 01234567\n", now(readuntil("\n")));
}

TEST_F(Readers, ReaduntilNeedsASeparator) {
  open();
  EXPECT_EQ("Separator should be at least one-byte string",
            thrown_by([&] { static_cast<void>(reader().readuntil("")); }));
}

// Searching from the start for each piece would take minutes.
TEST_F(Readers, ReaduntilSearchesNothingTwice) {
  const auto input = std::make_shared<StreamInput>(64 << 20);
  detail::ReadRequest request{.kind = detail::ReadRequest::Kind::until, .separator = "\r\n"};
  for (int i = 0; i < 200'000; ++i) {
    input->feed_data(as_bytes(std::string_view("0123456789012345678901234567890123456789")));
    EXPECT_FALSE(input->ready(request));
    ASSERT_EQ(static_cast<std::size_t>(i) * 40 + 39, request.searched);
  }
}

TEST_F(Readers, ReadlineGivesTheLastLineWithoutItsEnd) {
  open();
  deliver("one\ntwo");
  kernel_->deliver_eof(fd_);
  turn();
  EXPECT_EQ("= one\n", now(readline()));
  EXPECT_EQ("= two", now(readline()));
  EXPECT_EQ("= ", now(readline()));
}

TEST_F(Readers, ReadlineThrowsALineThatIsTooLongAway) {
  open(8);
  deliver("0123456789\nnext\n");
  EXPECT_EQ("Separator is found, but chunk is longer than limit", now(readline()));
  EXPECT_EQ("= next\n", now(readline()));
  deliver("0123456789");
  EXPECT_EQ("Separator is not found, and chunk exceed the limit", now(readline()));
  deliver("abc\n");
  EXPECT_EQ("= abc\n", now(readline()));
}

TEST_F(Readers, AboveTwiceTheLimitTheTransportIsPausedAndAtTheLimitItGoesOn) {
  open(10);
  deliver(std::string(20, 'x'));
  EXPECT_TRUE(reading());
  deliver("x");
  EXPECT_FALSE(reading());
  EXPECT_EQ("= " + std::string(10, 'x'), now(read(10)));
  EXPECT_FALSE(reading());
  EXPECT_EQ("= x", now(read(1)));
  EXPECT_TRUE(reading());
}

TEST_F(Readers, ASecondReaderIsRefused) {
  open();
  const Future<std::string> first = read(1);
  const Future<std::string> second = read(1);
  turn();
  EXPECT_EQ("a read was called while another coroutine is already waiting for incoming data",
            state(second));
  deliver("x");
  EXPECT_EQ("= x", now(first));
}

TEST_F(Readers, TwoReadsMayStandInOneExpression) {
  open();
  const auto body = [this]() -> Task<std::string> {
    co_return co_await reader().readexactly(2) + "|" + co_await reader().readexactly(2);
  };
  const Future<std::string> both = loop_->create_task(body());
  turn();
  deliver("ab");
  turn();
  deliver("cd");
  turn();
  EXPECT_EQ("= ab|cd", state(both));
}

TEST_F(Readers, AReaderThatWasCancelledMakesRoomForAnother) {
  open();
  const Future<std::string> first = read(1);
  turn();
  first.cancel();
  turn();
  const Future<std::string> second = read(1);
  turn();
  deliver("x");
  EXPECT_EQ("= x", now(second));
}

TEST_F(Readers, ACancelledReadLosesNothing) {
  open();
  const Future<std::string> reading = read(100);
  turn();
  kernel_->deliver(fd_, "bytes");
  // The turn in which they arrive: the read is about to go on, and is cancelled.
  loop_->call_soon([this, reading] { loop_->call_soon([reading] { reading.cancel(); }); });
  turn(3);
  const Future<std::string> again = read(100);
  turn();
  EXPECT_EQ("= bytes", reading.cancelled() ? state(again) : state(reading));
  again.cancel();
  turn();
  const Future<std::string> exact = readexactly(10);
  turn();
  deliver("12345");
  turn();
  exact.cancel();
  turn();
  EXPECT_TRUE(exact.cancelled());
  EXPECT_EQ("= 12345", now(read(100)));
}

TEST_F(Readers, ACancelledReadOfALotPausesTheTransportAgain) {
  open(10);
  const Future<std::string> wanted = readexactly(1000);
  turn();
  deliver(std::string(100, 'x'));
  EXPECT_TRUE(reading());
  wanted.cancel();
  turn();
  EXPECT_FALSE(reading());
}

// W-208
TEST_F(Readers, ABrokenConnectionIsThrownByEveryRead) {
  open();
  const Future<std::string> waiting = read(10);
  turn();
  kernel_->reset(fd_);
  turn(2);
  EXPECT_EQ("reset", now(waiting));
  EXPECT_EQ("reset", now(read(10)));
  EXPECT_EQ("reset", now(readexactly(1)));
  EXPECT_EQ("reset", now(readline()));
  EXPECT_NE(nullptr, reader().exception());
}

// W-208
TEST_F(Readers, AnAbortIsTheEndOfTheStream) {
  open();
  const Future<std::string> waiting = read(10);
  turn();
  EXPECT_EQ(nullptr, reader().exception());
  writer().transport()->abort();
  turn(2);
  EXPECT_EQ("= ", now(waiting));
  EXPECT_TRUE(reader().at_eof());
}

TEST_F(Readers, TheLimitCannotBeZero) {
  EXPECT_EQ("the limit of a stream cannot be 0", thrown_by([] { StreamInput input(0); }));
}

TEST_F(Readers, TheLimitMayBeAsLargeAsCanBe) {
  open(std::numeric_limits<std::size_t>::max());
  deliver(std::string(200'000, 'x'));
  EXPECT_TRUE(reading());
}

}  // namespace
}  // namespace sluice::streams
