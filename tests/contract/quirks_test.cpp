// What docs/contract.md promises where asyncio stumbles: each of these tests fails on the quirk.

#include <array>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "contract/suites.hpp"

namespace sluice::testing {
namespace {

TEST_P(Contract, Q1_WritelinesOnADrainingTransportCallsNobody) {
  start();
  block();
  in_turn([&] { transport().close(); });
  const auto calls = statistics().send_calls;
  peer().start_reading();
  // The kernel has room again, the loop does not know yet.
  peer().pump();
  in_turn([&] {
    transport().writelines(std::array{std::string("dropped")});
    EXPECT_EQ(trace(), "CM");
    EXPECT_EQ(statistics().send_calls, calls);
  });
  EXPECT_EQ(statistics().writes_dropped, 1U);
  expect_delivered_then_end();
}

TEST_P(Contract, Q2_CloseInsidePauseTearsDownOnce) {
  start();
  record().on_pause_writing = [&] { transport().close(); };
  in_turn([&] { put(big); });
  expect_delivered_then_end();
  run_until_lost();
  run_some_turns();
  EXPECT_EQ(trace(), "CM PW RW CL(ok)");
}

TEST_P(Contract, Q2_AbortInsideResumeTearsDownOnce) {
  start();
  record().on_resume_writing = [&] { transport().abort(); };
  in_turn([&] { put(big); });
  peer().start_reading();
  run_until_lost();
  run_some_turns();
  EXPECT_EQ(trace(), "CM PW RW CL(ok)");
}

TEST_P(Contract, Q3_AbortMayBeCalledInEveryState) {
  start();
  transport().abort();
  transport().abort();
  run_until_lost();
  transport().abort();
  run_some_turns();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(BreakingContract, Q3_AbortAfterAWriteErrorLosesOnce) {
  start();
  peer().close();
  put(10);
  transport().abort();
  run_some_turns();
  EXPECT_EQ(trace(), "CM " + broken_loss());
}

TEST_P(WatchedPipeContract, Q3_AbortAfterThePeerClosedLosesOnce) {
  start();
  peer().close();
  run_until("the going away is noticed", [&] { return transport().is_closing(); });
  transport().abort();
  run_some_turns();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(Contract, Q4_EveryMethodIsHarmlessAfterTheLoss) {
  start();
  block();
  in_turn([&] { transport().close(); });
  expect_delivered_then_end();
  run_until_lost();
  turn();
  transport().write("dropped");
  transport().writelines(std::array{std::string("dropped")});
  transport().abort();
  transport().close();
  transport().write_eof();
  run_some_turns();
  EXPECT_EQ(statistics().writes_dropped, 2U);
  EXPECT_EQ(size(), 0U);
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(Contract, Q5_BytesWrittenByResumeAreDeliveredBeforeACloseMadeThere) {
  start();
  record().on_resume_writing = [&] {
    if (!transport().is_closing()) {
      put(2 * big);
      transport().close();
    }
  };
  in_turn([&] { put(big); });
  peer().start_reading();
  run_until_lost();
  expect_delivered_then_end();
  EXPECT_EQ(peer().received().size(), 3 * big);
}

TEST_P(Contract, Q6_CloseInsideMadeLeavesNothingInThePoller) {
  int fd = -1;
  record().on_connection_made = [&] {
    fd = transport().fileno();
    transport().close();
  };
  start();
  run_until_lost();
  turn();
  EXPECT_FALSE(maker().is_open(fd));
  if (traits().scripted) {
    EXPECT_FALSE(kernel().registered(fd));
  }
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(Contract, Q7_EmptyPiecesHoldUpNeitherTheQueueNorAClose) {
  start();
  block();
  in_turn([&] {
    transport().writelines(std::array{std::string()});
    transport().writelines(std::array{next(10), std::string()});
    transport().write("");
    transport().close();
  });
  expect_delivered_then_end();
  run_until_lost();
  const auto calls = statistics().send_calls;
  run_some_turns();
  EXPECT_EQ(statistics().send_calls, calls);
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(Contract, Q8_WrittenBytesCannotChangeAnyMore) {
  start();
  block();
  std::vector<std::string> mine{next(10), next(20'000)};
  in_turn([&] {
    transport().write(mine[0]);
    transport().write(mine[1]);
  });
  mine[0].assign(10, '!');
  mine[1].assign(20'000, '!');
  expect_delivered();
}

TEST_P(Contract, Q10_TheLowMarkCountsBeforeTheQueueIsEmpty) {
  start();
  block();
  in_turn([&] {
    transport().set_write_buffer_limits(200'000, 150'000);
    put(200'001);
  });
  ASSERT_EQ(trace(), "CM PW");
  peer().start_reading();
  run_until("writing is resumed", [&] { return trace() == "CM PW RW"; });
  EXPECT_GT(record().calls().back().size, 0U);
  expect_delivered();
}

TEST_P(Contract, Q11_RaisedLimitsResumeWithoutAnotherFlush) {
  start();
  block_and_pause(0);
  transport().set_write_buffer_limits(unlimited, size());
  EXPECT_EQ(trace(), "CM PW RW");
  expect_delivered();
  EXPECT_EQ(trace(), "CM PW RW");
}

TEST_P(ScriptedStreamContract, Q12_AFailingShutdownLosesTheConnection) {
  start();
  kernel().fail_shutdown(scripted_fd(), ENOTCONN);
  EXPECT_NO_THROW(transport().write_eof());
  run_until_lost();
  EXPECT_EQ(trace(), "CM CL(ENOTCONN)");
}

TEST_P(WatchedPipeContract, Q17_APipeBrokenByItsPeerIsReportedAsEpipeByTheWatch) {
  start();
  block();
  peer().close();
  run_until_lost();
  EXPECT_EQ(trace(), "CM CL(EPIPE)");
}

TEST_P(WatchedPipeContract, Q17_APipeBrokenByItsPeerIsReportedAsEpipeByAWrite) {
  start();
  peer().close();
  put(10);
  run_until_lost();
  EXPECT_EQ(trace(), "CM CL(EPIPE)");
}

TEST_P(HalfCloseContract, Q25_TheEndOfTheStreamIsToldOnce) {
  start();
  record().on_eof_received = [] { return true; };
  peer().send_eof();
  run_until("the end was told", [&] { return trace() == "CM ER"; });
  EXPECT_FALSE(duplex().is_reading());
  duplex().pause_reading();
  duplex().resume_reading();
  EXPECT_FALSE(duplex().is_reading());
  run_some_turns();
  EXPECT_EQ(trace(), "CM ER");
}

TEST_P(Contract, Q30_TheWarningAboutDroppedWritesIsNeutralAndCounts) {
  start();
  transport().close();
  for (int i = 0; i < 7; ++i) {
    transport().write("x");
  }
  const std::vector<std::string> warned = take_warnings();
  ASSERT_FALSE(warned.empty());
  EXPECT_NE(warned.back().find('7'), std::string::npos) << warned.back();
  EXPECT_EQ(warned.back().find("send"), std::string::npos) << warned.back();
  EXPECT_EQ(warned.back().find("pipe"), std::string::npos) << warned.back();
  EXPECT_EQ(statistics().writes_dropped, 7U);
}

TEST_P(Contract, Q32_CloseWaitsWithoutALimitUntilATimerAborts) {
  start();
  block();
  transport().close();
  loop().call_later(std::chrono::milliseconds(2), [&] { transport().abort(); });
  if (traits().scripted) {
    run_some_turns();
    EXPECT_EQ(trace(), "CM");
    kernel().advance(std::chrono::milliseconds(3));
  }
  run_until_lost();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

}  // namespace
}  // namespace sluice::testing
