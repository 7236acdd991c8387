// Section 3.3 of docs/contract.md: how a TLS connection ends.
#include <string>

#include "tls/tls_fixture.hpp"

namespace sluice::testing {
namespace {

class TlsClosing : public ScriptedTls {
 protected:
  void open_tls12() { open({.version = TLS1_2_VERSION}); }
};

// T-14, W-120, Q-18: the local closer hears no ER.
TEST_F(TlsClosing, T14_Q18_ABigWriteAndCloseDeliverEverythingThenSayFarewell) {
  open();
  peer().start_reading();
  in_turn([&] {
    transport().write(pattern(0, 3'000'000));
    transport().close();
  });
  run_until([&] {
    peer().pump();
    return peer().got_farewell();
  });
  EXPECT_EQ(peer().received().size(), 3'000'000U);
  EXPECT_EQ(pattern_offence(peer().received()), "");
  EXPECT_FALSE(record().lost()) << "the peer's farewell is awaited";
  peer().send_eof();
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().trace(), "CM PW RW CL(ok)");
}

// W-120: resume finds the buffer empty, so that close() parts at once, and the flush goes on.
TEST_F(TlsClosing, W120_AFarewellBegunInsideResumeIsAwaitedToo) {
  open();
  transport().set_write_buffer_limits(0, 0);
  record().on_resume_writing = [&] { transport().close(); };
  kernel().set_room(fd(), 0);
  in_turn([&] { transport().write(std::string(100, 'x')); });
  kernel().set_room(fd(), 1'000'000);
  run_until([&] { return record().trace() == "CM PW RW"; });
  run_some_turns();
  EXPECT_FALSE(record().lost()) << "the peer's farewell is awaited";
  peer().send_eof();
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().trace(), "CM PW RW CL(ok)");
}

// W-120
TEST_F(TlsClosing, W120_WritesAfterCloseAreDropped) {
  open();
  in_turn([&] {
    transport().close();
    transport().write("dropped");
  });
  EXPECT_EQ(transport().write_statistics().writes_dropped, 1U);
  peer().send_eof();
  run_until([&] { return record().lost(); });
}

// W-120: a peer that was faster has said its farewell already.
TEST_F(TlsClosing, W120_AFarewellThatIsThereAlreadyIsNotAwaited) {
  open();
  record().on_eof_received = [] { return true; };
  peer().send_eof();
  run_until([&] { return record().trace() == "CM ER"; });
  const TimePoint before = loop().time();
  transport().close();
  run_until_lost();
  EXPECT_EQ(loop().time(), before);
  EXPECT_EQ(record().trace(), "CM ER CL(ok)");
  peer().start_reading();
  peer().pump();
  EXPECT_TRUE(peer().got_farewell());
}

TEST_F(TlsClosing, APeerThatOnlyClosesItsSocketHasPartedToo) {
  open();
  transport().close();
  run_some_turns();
  peer().truncate();
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().trace(), "CM CL(ok)");
}

TEST_F(TlsClosing, APeerThatResetsInsteadOfAFarewellHasPartedToo) {
  open();
  transport().close();
  run_some_turns();
  raw().reset();
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().trace(), "CM CL(ok)");
}

// W-124, Q-19
TEST_F(TlsClosing, W124_Q19_WhatThePeerStillSendsAfterCloseIsThrownAway) {
  open();
  transport().close();
  turn();
  for (int i = 0; i < 20; ++i) {
    peer().send(std::string(10'000, 'x'));
    turn();
  }
  EXPECT_FALSE(record().lost());
  peer().send_eof();
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().trace(), "CM CL(ok)");
}

// W-124, Q-19: a peer that waits until it can send does not read either.
TEST_F(TlsClosing, W124_Q19_WhatThePeerSendsIsThrownAwayWhileOurBytesAreStillQueued) {
  for (const bool paused : {false, true}) {
    open();
    if (paused) {
      transport().pause_reading();
    }
    kernel().set_room(fd(), 0);
    in_turn([&] { transport().write(pattern(0, 300'000)); });
    std::size_t on_its_way = kernel().calls().size();
    for (int i = 0; i < 20; ++i) {
      peer().send(std::string(10'000, 'x'));
    }
    transport().close();
    std::size_t taken = 0;
    run_until([&] {
      for (; on_its_way < kernel().calls().size(); ++on_its_way) {
        const CallRecord& call = kernel().calls()[on_its_way];
        taken += call.name == "recv" && call.fd == fd() && call.result > 0
                     ? static_cast<std::size_t>(call.result)
                     : 0;
      }
      return taken > 200'000;
    });
    kernel().set_room(fd(), ScriptedKernel::no_limit);
    peer().start_reading();
    run_until([&] {
      peer().pump();
      return peer().got_farewell();
    });
    EXPECT_EQ(pattern_offence(peer().received()), "");
    EXPECT_EQ(peer().received().size(), 300'000U);
    peer().send_eof();
    run_until([&] { return record().lost(); });
    EXPECT_EQ(record().trace(), "CM PW RW CL(ok)");
  }
}

// W-128: who has stopped sending may still read.
TEST_F(TlsClosing, W128_APeerThatEndsWhileOurBytesAreStillQueuedGetsThemAll) {
  for (const bool farewell : {false, true}) {
    open();
    in_turn([&] {
      transport().write(pattern(0, 500'000));
      transport().close();
    });
    peer().send("no longer wanted");
    farewell ? peer().send_eof() : peer().truncate();
    run_some_turns();
    peer().start_reading();
    run_until([&] {
      peer().pump();
      return record().lost();
    });
    peer().pump();
    EXPECT_EQ(peer().received().size(), 500'000U);
    EXPECT_TRUE(peer().got_farewell());
    EXPECT_EQ(record().trace(), "CM PW RW CL(ok)");
  }
}

TEST_F(TlsClosing, APeerThatBreaksTheProtocolWhileOurBytesAreQueuedIsLost) {
  open();
  kernel().set_room(fd(), 0);
  in_turn([&] {
    transport().write(pattern(0, 300'000));
    transport().close();
  });
  peer().send_plain("nonsense");
  const TimePoint before = loop().time();
  run_until_lost();
  EXPECT_EQ(loop().time(), before);
  EXPECT_EQ(record().calls().back().error, TlsErrc::protocol_violated);
  EXPECT_EQ(transport().write_statistics().bytes_discarded, 300'000U);
}

// W-121
TEST_F(TlsClosing, W121_APeerThatSaysNoFarewellIsWaitedForAsLongAsItMay) {
  AcceptOptions options = accept_options();
  options.ssl_shutdown_timeout = seconds(7);
  open({}, options);
  const TimePoint before = loop().time();
  transport().close();
  run_until_lost();
  EXPECT_EQ(record().calls().back().error, TlsErrc::shutdown_timed_out);
  EXPECT_EQ(record().calls().back().error, std::errc::timed_out);
  EXPECT_EQ(record().trace(), "CM CL(SSL shutdown timed out)");
  EXPECT_EQ(loop().time() - before, seconds(7));
}

TEST_F(TlsClosing, W121_ThirtySecondsAreTheDefault) {
  open();
  const TimePoint before = loop().time();
  transport().close();
  run_until_lost();
  EXPECT_EQ(loop().time() - before, seconds(30));
}

TEST_F(TlsClosing, W121_APeerThatNeverReadsIsGivenUpToo) {
  open();
  in_turn([&] {
    transport().write(pattern(0, 1'000'000));
    transport().close();
  });
  const TimePoint before = loop().time();
  run_until_lost();
  EXPECT_EQ(record().trace(), "CM PW CL(SSL shutdown timed out)");
  EXPECT_EQ(loop().time() - before, seconds(30));
}

// W-121: no data is lost only because the peer is slow.
TEST_F(TlsClosing, W121_APeerThatReadsSlowlyIsGivenTimeForAllOfIt) {
  open();
  in_turn([&] {
    transport().write(pattern(0, 300'000));
    transport().close();
  });
  const TimePoint before = loop().time();
  std::function<void()> read_a_little = [&] {
    raw().read_some(20'000);
    if (transport().get_write_buffer_size() > 0) {
      kernel().after(seconds(20), read_a_little);
    }
  };
  kernel().after(seconds(20), read_a_little);
  run_until_lost();
  EXPECT_EQ(transport().write_statistics().bytes_written, 300'000U);
  EXPECT_GT(loop().time() - before, seconds(200));
  EXPECT_EQ(record().trace(), "CM PW RW CL(SSL shutdown timed out)") << "it never said farewell";
}

// W-121: the bytes have taken nearly all of the time, the farewell has its own.
TEST_F(TlsClosing, W121_APeerThatReadsLateAndAnswersInTimeHasParted) {
  open();
  in_turn([&] {
    transport().write(pattern(0, 300'000));
    transport().close();
  });
  kernel().after(seconds(29), [&] {
    peer().start_reading();
    peer().pump();
  });
  for (int i = 1; i < 20; ++i) {
    kernel().after(seconds(29) + milliseconds(10 * i), [&] { peer().pump(); });
  }
  kernel().after(seconds(31), [&] {
    peer().pump();
    peer().send_eof();
  });
  run_until_lost();
  EXPECT_EQ(record().trace(), "CM PW RW CL(ok)");
}

// W-121: sending is not reading.
TEST_F(TlsClosing, W121_APeerThatOnlySendsIsGivenNoMoreTime) {
  open();
  transport().close();
  const TimePoint before = loop().time();
  std::function<void()> send_more = [&] {
    if (kernel().is_open(fd())) {
      peer().send("still here");
      kernel().after(seconds(1), send_more);
    }
  };
  kernel().after(seconds(1), send_more);
  run_until_lost();
  EXPECT_EQ(loop().time() - before, seconds(30));
}

// W-123
TEST_F(TlsClosing, W123_CloseWhilePausedWithAPeerThatReadsLosesNothing) {
  open();
  in_turn([&] { transport().write(pattern(0, 500'000)); });
  EXPECT_EQ(record().trace(), "CM PW");
  transport().close();
  peer().start_reading();
  peer().closes_when = [&] { return peer().got_farewell(); };
  run_until([&] {
    peer().pump();
    return record().lost();
  });
  EXPECT_EQ(peer().received().size(), 500'000U);
  EXPECT_EQ(record().trace(), "CM PW RW CL(ok)");
}

// W-125, Q-4
TEST_F(TlsClosing, W125_ASecondCloseDoesNothing) {
  open();
  transport().close();
  transport().close();
  EXPECT_EQ(transport().get_write_buffer_size(), 0U);
  EXPECT_TRUE(tls_info(transport()).has_value());
  turn();
  transport().close();
  peer().send_eof();
  run_until([&] { return record().lost(); });
  transport().close();
  EXPECT_EQ(record().trace(), "CM CL(ok)");
}

// W-126
TEST_F(TlsClosing, W126_AbortWaitsForNobody) {
  open();
  in_turn([&] { transport().write(pattern(0, 500'000)); });
  transport().abort();
  transport().abort();
  turn();
  EXPECT_EQ(record().trace(), "CM PW CL(ok)");
  EXPECT_FALSE(kernel().is_open(fd()));
}

TEST_F(TlsClosing, W126_AbortEndsTheWaitForAFarewell) {
  open();
  transport().close();
  run_some_turns();
  EXPECT_EQ(record().trace(), "CM");
  transport().abort();
  turn();
  EXPECT_EQ(record().trace(), "CM CL(ok)");
}

//
TEST_F(TlsClosing, Q34_ALossThatIsForcedWhileClosingIsOrdinary) {
  open();
  in_turn([&] {
    transport().write(pattern(0, 500'000));
    transport().close();
    transport().close();
  });
  kernel().fail_writes(fd(), ECONNRESET);
  run_until_lost();
  EXPECT_EQ(record().trace(), "CM PW CL(ECONNRESET)");
}

// W-127
TEST_F(TlsClosing, W127_APeersFarewellIsAnswered) {
  open();
  peer().send_eof();
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().trace(), "CM ER CL(ok)");
  peer().start_reading();
  peer().pump();
  EXPECT_TRUE(peer().got_farewell());
}

// W-127: unlike asyncio's, with TLS 1.3.
TEST_F(TlsClosing, W127_WithTls13TheOtherHalfStaysOpenIfTheProtocolWantsIt) {
  open();
  record().on_eof_received = [] { return true; };
  peer().send_eof();
  run_until([&] { return record().trace() == "CM ER"; });
  in_turn([&] { transport().write("an answer"); });
  peer().start_reading();
  run_until([&] {
    peer().pump();
    return peer().received() == "an answer";
  });
  EXPECT_FALSE(transport().is_closing());
  transport().close();
  run_until_lost();
  EXPECT_EQ(record().trace(), "CM ER CL(ok)");
}

TEST_F(TlsClosing, W127_WithTls12TheTransportClosesAndSaysThatItDoes) {
  open_tls12();
  record().on_eof_received = [] { return true; };
  peer().send_eof();
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().trace(), "CM ER CL(ok)");
  EXPECT_EQ(warnings(),
            Strings({"returning true from eof_received() has no effect when using TLS 1.2"}));
  warnings().clear();
}

// W-128
TEST_F(TlsClosing, W127_W128_WhatIsQueuedLeavesBeforeAFarewellIsAnswered) {
  open();
  in_turn([&] { transport().write(pattern(0, 500'000)); });
  peer().send_eof();
  run_until([&] { return transport().is_closing(); });
  peer().start_reading();
  run_until([&] {
    peer().pump();
    return record().lost();
  });
  peer().pump();
  EXPECT_EQ(peer().received().size(), 500'000U);
  EXPECT_TRUE(peer().got_farewell());
}

// W-128, Q-20
TEST_F(TlsClosing, W128_Q20_AnEndWithoutAFarewellIsAnError) {
  open();
  peer().send("the beginning of");
  run_until([&] { return !record().received().empty(); });
  peer().truncate();
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().calls().back().error, TlsErrc::truncated);
  EXPECT_EQ(record().count(ProtocolCall::Kind::eof_received), 0U);
}

TEST_F(TlsClosing, Q20_AnEndInsideARecordIsAnErrorEvenWhenBothComeInOneEvent) {
  open();
  kernel().deliver(fd(), std::string("\x17\x03\x03\x00\x40half", 9));
  kernel().deliver_eof(fd());
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().calls().back().error, TlsErrc::truncated);
}

TEST_F(TlsClosing, Q20_AContextMayAllowIt) {
  AcceptOptions options;
  options.ssl = serving({.allow_truncation = true});
  open({}, options);
  peer().send("all of it");
  peer().truncate();
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().received(), "all of it");
  EXPECT_EQ(record().trace(), "CM DR ER CL(ok)");
}

// W-128: asyncio sends what is pending, too.
TEST_F(TlsClosing, W128_Q20_WhereAnEndWithoutAFarewellIsAllowedWhatIsQueuedStillLeaves) {
  AcceptOptions options;
  options.ssl = serving({.allow_truncation = true});
  open({}, options);
  in_turn([&] { transport().write(pattern(0, 500'000)); });
  peer().truncate();
  run_until([&] { return transport().is_closing(); });
  peer().start_reading();
  run_until([&] {
    peer().pump();
    return record().lost();
  });
  peer().pump();
  EXPECT_EQ(peer().received().size(), 500'000U);
  EXPECT_EQ(pattern_offence(peer().received()), "");
  EXPECT_TRUE(peer().got_farewell());
  EXPECT_EQ(record().trace(), "CM PW ER RW CL(ok)");
}

TEST_F(TlsClosing, W127_Q20_WhereItIsAllowedTheOtherHalfStaysOpenIfTheProtocolWantsIt) {
  AcceptOptions options;
  options.ssl = serving({.allow_truncation = true});
  open({}, options);
  record().on_eof_received = [] { return true; };
  peer().truncate();
  run_until([&] { return record().trace() == "CM ER"; });
  in_turn([&] { transport().write("an answer"); });
  peer().start_reading();
  run_until([&] {
    peer().pump();
    return peer().received() == "an answer";
  });
  EXPECT_FALSE(transport().is_closing());
}

// W-32, W-33: no asyncio loop can do this.
TEST_F(TlsClosing, WithTls13WriteEofSaysFarewellAndReadingGoesOn) {
  open();
  EXPECT_TRUE(transport().can_write_eof());
  in_turn([&] {
    transport().write(pattern(0, 100'000));
    transport().write_eof();
  });
  peer().start_reading();
  run_until([&] {
    peer().pump();
    return peer().at_end();
  });
  EXPECT_EQ(peer().received().size(), 100'000U);
  EXPECT_TRUE(peer().got_farewell());
  EXPECT_FALSE(kernel().write_shut(fd()));
  peer().send("an answer to all of it");
  run_until([&] { return record().received() == "an answer to all of it"; });
  peer().send_eof();
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().trace(), "CM PW RW DR ER CL(ok)");
}

TEST_F(TlsClosing, AFarewellThatFindsNoRoomLeavesWhenThereIsSome) {
  open();
  kernel().set_room(fd(), 0);
  transport().write_eof();
  run_some_turns();
  peer().start_reading();
  peer().pump();
  EXPECT_FALSE(peer().got_farewell());
  kernel().set_room(fd(), ScriptedPeer::capacity);
  run_until([&] {
    peer().pump();
    return peer().got_farewell();
  });
  EXPECT_FALSE(transport().is_closing());
}

TEST_F(TlsClosing, WithTls12WriteEofIsAMistake) {
  open_tls12();
  EXPECT_FALSE(transport().can_write_eof());
  EXPECT_THROW(transport().write_eof(), std::logic_error);
  transport().write("goes on");
  peer().start_reading();
  run_until([&] {
    peer().pump();
    return peer().received() == "goes on";
  });
  transport().close();
  EXPECT_NO_THROW(transport().write_eof());
  peer().send_eof();
  run_until([&] { return record().lost(); });
}

// W-130
TEST_F(TlsClosing, W130_AClosingTransportIsNotReading) {
  open();
  EXPECT_TRUE(transport().is_reading());
  transport().close();
  EXPECT_FALSE(transport().is_reading());
  peer().send_eof();
  run_until([&] { return record().lost(); });
}

TEST_F(TlsClosing, ALoopThatClosesWhileAFarewellIsAwaitedLeavesNothing) {
  open();
  transport().close();
  run_some_turns();
  loop().close();
  EXPECT_FALSE(kernel().is_open(fd()));
  EXPECT_EQ(record().trace(), "CM");
}

}  // namespace
}  // namespace sluice::testing
