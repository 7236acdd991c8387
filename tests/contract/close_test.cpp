// Sections 1 and 2.4 of docs/contract.md: the states of a transport, close and is_closing.
#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "contract/suites.hpp"

namespace sluice::testing {
namespace {

TEST_P(Contract, W1_IsClosingIsFalseOnlyWhileOpen) {
  start();
  EXPECT_FALSE(transport().is_closing());
  block();
  in_turn([&] {
    EXPECT_FALSE(transport().is_closing());
    transport().close();
    EXPECT_TRUE(transport().is_closing());
  });
  record().on_connection_lost = [&](std::error_code) { EXPECT_TRUE(transport().is_closing()); };
  expect_delivered_then_end();
  run_until_lost();
  EXPECT_TRUE(transport().is_closing());
}

TEST_P(HalfCloseContract, W2_TheWriteHalfAndPausedAreIndependentOfTheLifecycle) {
  start();
  block_and_pause(0);
  in_turn([&] { transport().write_eof(); });
  EXPECT_FALSE(transport().is_closing());
  in_turn([&] { transport().close(); });
  EXPECT_TRUE(transport().is_closing());
  expect_delivered_then_end();
  EXPECT_EQ(trace(), "CM PW RW CL(ok)");
}

TEST_P(Contract, W3_ALifeIsMadeThenPausesAndResumesThenLost) {
  start();
  for (int i = 0; i < 3; ++i) {
    in_turn([&] { put(big); });
    expect_delivered();
    run_until("all is taken", [&] { return size() == 0; });
    peer().stop_reading();
  }
  in_turn([&] { transport().close(); });
  run_until_lost();
  run_some_turns();
  EXPECT_EQ(trace(), "CM PW RW PW RW PW RW CL(ok)");
  EXPECT_EQ(grammar_offence(record().calls(), true), "");
}

TEST_P(Contract, W4_EveryMethodMayBeCalledFromEveryCallback) {
  const auto call_all = [&] {
    WriteTransport& mine = transport();
    if (!mine.is_closing()) {
      put(10);
      const std::array pieces{next(5), next(5)};
      mine.writelines(pieces);
    }
    mine.set_write_buffer_limits(mine.get_write_buffer_limits().high,
                                 mine.get_write_buffer_limits().low);
    static_cast<void>(mine.get_write_buffer_size());
    static_cast<void>(mine.is_closing());
    static_cast<void>(mine.can_write_eof());
    static_cast<void>(mine.write_statistics());
  };
  record().on_connection_made = call_all;
  record().on_pause_writing = call_all;
  record().on_resume_writing = call_all;
  record().on_connection_lost = [&](std::error_code) {
    call_all();
    transport().write_eof();
    transport().close();
    transport().abort();
  };
  start();
  in_turn([&] { put(big); });
  peer().start_reading();
  run_until("writing was resumed", [&] { return trace() == "CM PW RW"; });
  in_turn([&] { transport().close(); });
  expect_delivered_then_end();
  EXPECT_EQ(trace(), "CM PW RW CL(ok)");
}

TEST_P(Contract, W5_NoMethodCallsLostOnTheCallersStack) {
  start();
  in_turn([&] {
    put(big);
    transport().close();
    transport().abort();
    transport().write_eof();
    transport().writelines(std::array{std::string("late")});
    EXPECT_FALSE(record().lost());
  });
  run_until_lost();
}

TEST_P(PromptContract, W40_CloseOnAnEmptyQueueQueuesTheLoss) {
  start();
  std::string order;
  record().on_connection_lost = [&](std::error_code) { order += "CL "; };
  in_turn([&] {
    loop().call_soon([&] { order += "earlier "; });
    transport().close();
    EXPECT_TRUE(transport().is_closing());
    loop().call_soon([&] { order += "later "; });
  });
  EXPECT_EQ(order, "");
  turn();
  EXPECT_EQ(order, "earlier CL later ");
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(Contract, W40_CloseWithBytesQueuedWaitsForTheLastOne) {
  start();
  block(20'000);
  in_turn([&] { transport().close(); });
  EXPECT_TRUE(transport().is_closing());
  record().on_connection_lost = [&](std::error_code) {
    EXPECT_EQ(statistics().bytes_written, put_so_far());
  };
  run_some_turns();
  EXPECT_EQ(trace(), "CM");
  expect_delivered_then_end();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(StreamContract, W40_AReadEventCollectedInTheSameTurnIsDiscarded) {
  start();
  turn();
  peer().send("too late");
  in_turn([&] { transport().close(); });
  run_until_lost();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(Contract, W41_CloseOnAClosingTransportDoesNothing) {
  start();
  block();
  in_turn([&] {
    transport().close();
    transport().close();
  });
  transport().close();
  expect_delivered_then_end();
  transport().close();
  run_some_turns();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(StreamContract, W42_NothingIsReadAfterCloseButResumeStillComes) {
  start();
  block_and_pause(0);
  in_turn([&] { transport().close(); });
  peer().send("never read");
  peer().send_eof();
  run_some_turns();
  // The peer of a TCP connection may see a reset instead of the end, because its bytes were not
  // read.
  peer().start_reading();
  run_until_lost();
  EXPECT_EQ(trace(), "CM PW RW CL(ok)");
}

TEST_P(Contract, W43_CloseWaitsWithoutLimitAndAbortEndsIt) {
  start();
  block();
  in_turn([&] { transport().close(); });
  for (int i = 0; i < 10; ++i) {
    run_some_turns();
  }
  EXPECT_EQ(trace(), "CM");
  transport().abort();
  turn();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(Contract, W44_CloseInsideMadeDeliversWhatWasWrittenThere) {
  record().on_connection_made = [&] {
    put(3000);
    transport().close();
  };
  start();
  expect_delivered_then_end();
  run_until_lost();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(StreamContract, W44_CloseInsideMadeKeepsReadingFromStarting) {
  record().on_connection_made = [&] {
    peer().send("never read");
    transport().close();
  };
  start();
  run_until_lost();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(PlainContract, W45_TheDescriptorIsOpenDuringLostAndClosedAfterIt) {
  start();
  const int fd = transport().fileno();
  bool open_during = false;
  record().on_connection_lost = [&](std::error_code) { open_during = maker().is_open(fd); };
  in_turn([&] { transport().close(); });
  EXPECT_TRUE(maker().is_open(fd));
  turn();
  EXPECT_TRUE(open_during);
  EXPECT_FALSE(maker().is_open(fd));
}

TEST_P(PlainContract, W45_AnExceptionFromLostIsReportedAndChangesNothingElse) {
  start();
  const int fd = transport().fileno();
  record().on_connection_lost = [](std::error_code) { throw std::runtime_error("from CL"); };
  in_turn([&] { transport().close(); });
  turn();
  EXPECT_FALSE(maker().is_open(fd));
  EXPECT_EQ(transport().get_protocol(), nullptr);
  const std::vector<std::string> reports = take_reports();
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_TRUE(reports[0].starts_with("Exception in callback")) << reports[0];
  EXPECT_TRUE(reports[0].ends_with("from CL")) << reports[0];
}

TEST_P(Contract, W46_EveryMethodAnswersAfterTheLoss) {
  start();
  const auto sockname = transport().sockname();
  const auto peername = transport().peername();
  EXPECT_NE(transport().get_protocol(), nullptr);
  in_turn([&] { transport().close(); });
  run_until_lost();
  turn();
  EXPECT_EQ(transport().get_protocol(), nullptr);
  EXPECT_EQ(transport().fileno(), -1);
  EXPECT_EQ(transport().sockname(), sockname);
  EXPECT_EQ(transport().peername(), peername);
  EXPECT_EQ(size(), 0U);
  transport().set_write_buffer_limits(100, 10);
  EXPECT_EQ(transport().get_write_buffer_limits(), (WriteBufferLimits{10, 100}));
}

TEST_P(Contract, W47_IsClosingIsTrueFromAbortOn) {
  start();
  in_turn([&] {
    transport().abort();
    EXPECT_TRUE(transport().is_closing());
  });
  run_until_lost();
}

TEST_P(BreakingContract, W47_IsClosingIsTrueFromAFatalErrorOn) {
  start();
  peer().close();
  put(10);
  EXPECT_TRUE(transport().is_closing());
  run_until_lost();
}

TEST_P(PipeContract, W47_IsClosingIsTrueFromWriteEofOnAPipe) {
  start();
  transport().write_eof();
  EXPECT_TRUE(transport().is_closing());
  run_until_lost();
}

}  // namespace
}  // namespace sluice::testing
