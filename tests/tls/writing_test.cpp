// Section 3.3 of docs/contract.md: how bytes leave through TLS. The rules that all transports share
// are in tests/contract/.
#include <algorithm>
#include <string>

#include "tls/tls_channel.hpp"
#include "tls/tls_fixture.hpp"

namespace sluice::testing {
namespace {

constexpr std::size_t full_record = tls::TlsChannel::record_bytes;

class TlsWriting : public ScriptedTls {
 protected:
  // Writes the next bytes of the pattern.
  void put(std::size_t count) {
    transport().write(pattern(put_, count));
    put_ += count;
  }
  void expect_delivered() {
    peer().start_reading();
    run_until([&] {
      peer().pump();
      return peer().received().size() >= put_;
    });
    EXPECT_EQ(peer().received().size(), put_);
    EXPECT_EQ(pattern_offence(peer().received()), "");
  }
  [[nodiscard]] std::size_t size() { return transport().get_write_buffer_size(); }
  // What the kernel has taken since the handshake.
  [[nodiscard]] std::size_t sent() { return kernel().sent(fd()).size() - sent_before_; }
  void forget_sent() { sent_before_ = kernel().sent(fd()).size(); }

 private:
  std::size_t put_ = 0;
  std::size_t sent_before_ = 0;
};

// T-15, Q-16: one number over all layers, so that the first huge write pauses.
TEST_F(TlsWriting, T15_W115_Q16_OneHugeWriteToAStalledPeerPausesAtOnce) {
  open();
  in_turn([&] {
    put(5'000'000);
    EXPECT_EQ(record().trace(), "CM PW");
  });
  EXPECT_EQ(size() + transport().write_statistics().bytes_written, 5'000'000U);
  EXPECT_GT(size(), 5'000'000U - ScriptedPeer::capacity);
  expect_delivered();
  EXPECT_EQ(record().trace(), "CM PW RW");
  EXPECT_EQ(size(), 0U);
}

// W-113: the marks are those of every transport.
TEST_F(TlsWriting, W113_TheMarksAreThoseOfEveryTransport) {
  open();
  EXPECT_EQ(transport().get_write_buffer_limits(), default_write_buffer_limits);
}

// Q-9, W-116
TEST_F(TlsWriting, W116_Q9_PausingIsStrictAndWithAHighMarkOfZeroAnIdleTransportIsNotPaused) {
  open();
  transport().set_write_buffer_limits(0);
  transport().set_write_buffer_limits(0);
  in_turn([&] { put(10); });
  EXPECT_EQ(record().trace(), "CM");
  kernel().set_room(fd(), 0);
  in_turn([&] { put(100); });
  EXPECT_EQ(record().trace(), "CM PW");
  transport().set_write_buffer_limits(100, 0);
  transport().set_write_buffer_limits(99, 0);
  EXPECT_EQ(record().trace(), "CM PW");
  raw().start_reading();
  expect_delivered();
  EXPECT_EQ(record().trace(), "CM PW RW");
}

// W-114: what is ahead of the kernel was encrypted for one call that it did not take whole.
TEST_F(TlsWriting, W114_FourRecordsAtMostAreEncryptedAheadOfTheKernel) {
  open();
  kernel().set_room(fd(), 3 * full_record);
  forget_sent();
  in_turn([&] { put(1'000'000); });
  // Two whole records have left, the third is partly there, and no fifth was begun.
  EXPECT_EQ(transport().write_statistics().bytes_written, 2 * full_record);
  EXPECT_EQ(sent(), 3 * full_record);
  kernel().set_room(fd(), 0);
  const auto calls = transport().write_statistics().send_calls;
  run_some_turns();
  EXPECT_EQ(transport().write_statistics().send_calls, calls);
  EXPECT_EQ(size(), 1'000'000U - 2 * full_record);
}

TEST_F(TlsWriting, FourRecordsLeaveInOneCall) {
  open();
  kernel().set_room(fd(), ScriptedKernel::no_limit);
  forget_sent();
  const auto before = kernel().count_calls("send") + kernel().count_calls("sendmsg");
  in_turn([&] { put(4 * full_record); });
  EXPECT_EQ(kernel().count_calls("send") + kernel().count_calls("sendmsg"), before + 1);
  EXPECT_EQ(transport().write_statistics().bytes_written, 4 * full_record);
}

TEST_F(TlsWriting, ARecordThatDoesNotFitIsOfferedOnce) {
  open();
  kernel().set_room(fd(), full_record / 2);
  const auto before = kernel().count_calls("send") + kernel().count_calls("sendmsg");
  in_turn([&] { put(full_record); });
  EXPECT_EQ(kernel().count_calls("send") + kernel().count_calls("sendmsg"), before + 1);
  expect_delivered();
}

TEST_F(TlsWriting, RecordsAreFullUnderLoad) {
  open();
  in_turn([&] {
    for (int i = 0; i < 2000; ++i) {
      put(100);
    }
  });
  expect_delivered();
  // But for a fiftieth: a record is not filled up by a copy. The last one has what is left.
  const auto& records = peer().records();
  EXPECT_LE(records.size(), 200'000 / full_record + 2);
  EXPECT_GE(std::ranges::count_if(records,
                                  [](std::size_t size) { return size >= full_record * 49 / 50; }),
            static_cast<std::ptrdiff_t>(200'000 / full_record - 1));
}

// 65 writes of 1 KiB pass the high mark and leave, one more than fills four records.
TEST_F(TlsWriting, WhatDoesNotFillARecordWaitsForWhatIsWrittenNextInTheTurn) {
  open();
  kernel().set_room(fd(), ScriptedKernel::no_limit);
  const auto before = kernel().count_calls("send") + kernel().count_calls("sendmsg");
  in_turn([&] {
    for (int i = 0; i < 4 * 65; ++i) {
      put(1024);
    }
  });
  EXPECT_EQ(size(), 0U);
  EXPECT_LE(kernel().count_calls("send") + kernel().count_calls("sendmsg"), before + 5);
  expect_delivered();
  const auto& records = peer().records();
  EXPECT_EQ(
      std::ranges::count_if(records, [](std::size_t size) { return size < full_record * 15 / 16; }),
      1);
}

TEST_F(TlsWriting, ARestThatDoesNotFillARecordLeavesInItsTurn) {
  open();
  kernel().set_room(fd(), ScriptedKernel::no_limit);
  in_turn([&] { put(4 * full_record + 1); });
  EXPECT_EQ(size(), 0U);
  expect_delivered();
}

TEST_F(TlsWriting, TheWritesOfATurnShareARecordAndACall) {
  open();
  const auto before = kernel().count_calls("send") + kernel().count_calls("sendmsg");
  in_turn([&] {
    for (int i = 0; i < 64; ++i) {
      put(64);
    }
  });
  EXPECT_EQ(kernel().count_calls("send") + kernel().count_calls("sendmsg"), before + 1);
  expect_delivered();
  EXPECT_EQ(peer().records(), std::vector<std::size_t>({64 * 64}));
}

TEST_F(TlsWriting, AKernelThatTakesEverythingIsServedSoMuchATurn) {
  open();
  kernel().set_room(fd(), ScriptedKernel::no_limit);
  transport().set_write_buffer_limits(unlimited);
  in_turn([&] { put(2'000'000); });
  EXPECT_GT(size(), 0U);
  std::size_t turns = 1;
  for (std::size_t before = size(); size() > 0; before = size()) {
    turn();
    ++turns;
    // A turn, and the last flush with which the loop stops.
    EXPECT_LE(before - size(), 2 * tls::TlsChannel::most_bytes_at_once);
    ASSERT_LT(size(), before);
  }
  EXPECT_GE(turns, 2'000'000 / tls::TlsChannel::most_bytes_at_once / 2);
  expect_delivered();
}

TEST_F(TlsWriting, ARecordThatLeavesByteByByteArrivesWhole) {
  open();
  kernel().set_room(fd(), 0);
  in_turn([&] {
    put(20);
    put(700);
  });
  for (int i = 0; i < 1000 && size() > 0; ++i) {
    EXPECT_EQ(size(), 720U) << "no byte is gone before its record is";
    kernel().add_room(fd(), 1);
    turn();
  }
  EXPECT_EQ(size(), 0U);
  expect_delivered();
}

TEST_F(TlsWriting, ManySmallPiecesBehindABlockedRecordArriveInOrder) {
  open();
  kernel().set_room(fd(), 100);
  for (std::size_t i = 0; i < 3000; ++i) {
    in_turn([&] { put(i % 37 + 1); });
  }
  transport().writelines(std::vector<Buffer>(2000, Buffer::copy_of("")));
  expect_delivered();
}

// W-114
TEST_F(TlsWriting, AFailingKernelLosesTheConnectionWithItsError) {
  open();
  in_turn([&] { put(1'000'000); });
  kernel().fail_writes(fd(), EPIPE);
  run_until_lost();
  EXPECT_EQ(record().trace(), "CM PW CL(EPIPE)");
  EXPECT_EQ(
      transport().write_statistics().bytes_written + transport().write_statistics().bytes_discarded,
      1'000'000U);
}

TEST_F(TlsWriting, WhatLeftBeforeTheKernelFailedIsCountedAsWritten) {
  open();
  kernel().script_write(fd(), {accept(ScriptedKernel::no_limit), fail(EPIPE)});
  in_turn([&] { put(8 * full_record); });
  run_until_lost();
  EXPECT_EQ(record().trace(), "CM CL(EPIPE)");
  EXPECT_EQ(transport().write_statistics().bytes_written, 4 * full_record);
  EXPECT_EQ(transport().write_statistics().bytes_discarded, 4 * full_record);
}

// W-129, W-47
TEST_F(TlsWriting, W129_AfterAWriteErrorTheTransportIsClosingAtOnceAndWritesAreDropped) {
  open();
  kernel().fail_writes(fd(), EPIPE);
  in_turn([&] { put(30'000); });
  EXPECT_TRUE(transport().is_closing());
  transport().write("dropped");
  EXPECT_EQ(transport().write_statistics().writes_dropped, 1U);
  run_until_lost();
  EXPECT_EQ(record().trace(), "CM CL(EPIPE)");
}

// The engine answers before the next record: more leaves than was written.
TEST_F(TlsWriting, AKeyUpdateThatThePeerWantsAnsweredIsAnsweredWhenThereIsRoom) {
  open();
  // Tickets that the peer takes later would make room.
  static_cast<void>(peer().read_some(1));
  kernel().set_room(fd(), 0);
  SSL_key_update(peer().native(), SSL_KEY_UPDATE_REQUESTED);
  peer().send("under new keys");
  run_until([&] { return record().received() == "under new keys"; });
  in_turn([&] { put(100); });
  EXPECT_EQ(size(), 100U);
  kernel().set_room(fd(), ScriptedPeer::capacity);
  expect_delivered();
  EXPECT_EQ(size(), 0U);
}

// W-117: PW inside the write, RW inside the flush.
TEST_F(TlsWriting, W117_PauseComesInsideTheWrite) {
  open();
  std::string order;
  record().on_pause_writing = [&] { order += "PW "; };
  in_turn([&] {
    order += "write ";
    put(1'000'000);
    order += "written ";
  });
  EXPECT_EQ(order, "write PW written ");
}

// W-131, Q-21
TEST_F(TlsWriting, W131_Q21_EmptyPiecesOfAListAreSkipped) {
  open();
  in_turn([&] {
    transport().writelines({std::string_view(), "some", std::string_view(), "thing"});
    transport().writelines(std::vector<std::string>{"", ""});
  });
  peer().start_reading();
  run_until([&] {
    peer().pump();
    return peer().received() == "something";
  });
}

class TlsReading : public ScriptedTls {};

TEST_F(TlsReading, ALongStreamArrivesInPiecesOfAtMost256Kib) {
  open();
  std::string sent;
  record().on_data_received = [](Bytes data) {
    EXPECT_LE(data.size(), 256U * 1024U);
    EXPECT_FALSE(data.empty());
  };
  for (int i = 0; i < 100; ++i) {
    const std::string piece = pattern(sent.size(), 10'000);
    peer().send(piece);
    sent += piece;
  }
  run_until([&] { return record().received().size() == sent.size(); });
  EXPECT_EQ(record().received(), sent);
}

TEST_F(TlsReading, AMessageCostsTwoReadsOfASocketWhoseShortReadsProveNothing) {
  open();
  const auto before = kernel().count_calls("recv");
  peer().send("message");
  run_until([&] { return record().received() == "message"; });
  run_some_turns();
  EXPECT_EQ(kernel().count_calls("recv"), before + 2);
}

TEST_F(TlsReading, AMessageCostsOneReadOfATcpSocket) {
  local_ = SocketAddress::from_numeric("127.0.0.1", 1).value();
  open();
  const auto before = kernel().count_calls("recv");
  peer().send("message");
  run_until([&] { return record().received() == "message"; });
  run_some_turns();
  EXPECT_EQ(kernel().count_calls("recv"), before + 1);
}

// W-132: we hold one record at most, so pausing stops the peer in the kernel.
TEST_F(TlsReading, W132_WhilePausedNothingIsReadFromTheSocket) {
  open();
  transport().pause_reading();
  peer().send("waiting");
  run_some_turns();
  const auto before = kernel().count_calls("recv");
  peer().send(std::string(100'000, 'x'));
  run_some_turns();
  EXPECT_EQ(kernel().count_calls("recv"), before);
  EXPECT_EQ(record().trace(), "CM");
  transport().resume_reading();
  run_until([&] { return record().received().size() == 100'007; });
}

TEST_F(TlsReading, ARecordInSingleBytesIsReceivedWhole) {
  open();
  kernel().set_room(fd(), ScriptedKernel::no_limit);
  peer().send("whole");
  run_until([&] { return record().received() == "whole"; });
  EXPECT_EQ(record().trace(), "CM DR");
}

TEST_F(TlsReading, ABrokenRecordLosesTheConnection) {
  open();
  peer().send_plain("this is no record at all");
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().calls().back().error, TlsErrc::protocol_violated);
}

TEST_F(TlsReading, WhatCameBeforeABrokenRecordIsReceived) {
  open();
  peer().send("good");
  peer().send_plain("this is no record at all");
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().received(), "good");
}

TEST_F(TlsReading, AReadErrorOfTheKernelIsToldAsThat) {
  open();
  kernel().fail_reads(fd(), ETIMEDOUT);
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().trace(), "CM CL(ETIMEDOUT)");
}

}  // namespace
}  // namespace sluice::testing
