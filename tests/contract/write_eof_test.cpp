// Section 2.3 of docs/contract.md: write_eof and can_write_eof.
#include <string>

#include "contract/suites.hpp"

namespace sluice::testing {
namespace {

TEST_P(Contract, W32_EveryTransportButTls12CanWriteEof) {
  start();
  EXPECT_EQ(transport().can_write_eof(), traits().half_close || !traits().reads);
}

TEST_P(OpenHalfCloseContract, W33_AnEmptyQueueIsHalfClosedBeforeTheCallReturns) {
  start();
  put(10);
  transport().write_eof();
  peer().start_reading();
  peer().pump();
  EXPECT_TRUE(peer().at_end());
  EXPECT_EQ(peer().received(), pattern(0, 10));
  EXPECT_FALSE(transport().is_closing());
}

TEST_P(HalfCloseContract, W33_BytesQueuedLeaveBeforeTheHalfClose) {
  start();
  in_turn([&] {
    put(big);
    transport().write_eof();
  });
  EXPECT_GT(size(), 0U);
  EXPECT_FALSE(peer().at_end());
  expect_delivered_then_end();
  EXPECT_FALSE(transport().is_closing());
}

TEST_P(HalfCloseContract, W34_WriteEofMayBeRepeatedAndLeavesTheTransportOpen) {
  start();
  record().on_eof_received = [] { return true; };
  in_turn([&] {
    put(10);
    transport().write_eof();
    transport().write_eof();
  });
  expect_delivered_then_end();
  transport().write_eof();
  EXPECT_FALSE(transport().is_closing());
  peer().send("still read");
  run_until("the peer's bytes arrive", [&] { return record().received() == "still read"; });
  transport().close();
  run_until_lost();
  EXPECT_EQ(record().write_trace(), "CM CL(ok)");
  transport().write_eof();
}

TEST_P(HalfCloseContract, W34_WriteEofOnAClosingTransportDoesNothing) {
  start();
  in_turn([&] {
    put(10);
    transport().close();
    transport().write_eof();
  });
  expect_delivered_then_end();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(HalfCloseContract, W35_WriteEofWhilePausedChangesNothingAboutFlowControl) {
  start();
  block_and_pause(0);
  in_turn([&] { transport().write_eof(); });
  EXPECT_EQ(trace(), "CM PW");
  expect_delivered_then_end();
  EXPECT_EQ(trace(), "CM PW RW");
  EXPECT_FALSE(transport().is_closing());
}

TEST_P(HalfCloseContract, W36_WriteEofThenCloseDeliversEverything) {
  start();
  block();
  in_turn([&] {
    put(5000);
    transport().write_eof();
    transport().close();
  });
  expect_delivered_then_end();
  run_until_lost();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(ScriptedStreamContract, W37_AHalfCloseThatFailsAtOnceLosesTheConnection) {
  start();
  kernel().fail_shutdown(scripted_fd(), ENOTCONN);
  in_turn([&] {
    EXPECT_NO_THROW(transport().write_eof());
    EXPECT_TRUE(transport().is_closing());
  });
  run_until_lost();
  EXPECT_EQ(trace(), "CM CL(ENOTCONN)");
}

TEST_P(ScriptedStreamContract, W37_ADeferredHalfCloseThatFailsLosesTheConnection) {
  start();
  block();
  kernel().fail_shutdown(scripted_fd(), ENOTCONN);
  in_turn([&] { transport().write_eof(); });
  EXPECT_FALSE(transport().is_closing());
  expect_delivered();
  run_until_lost();
  EXPECT_EQ(trace(), "CM CL(ENOTCONN)");
}

TEST_P(PipeContract, W38_WriteEofIsCloseOnAnIdlePipe) {
  start();
  std::string order;
  record().on_connection_lost = [&](std::error_code) { order += "CL "; };
  in_turn([&] {
    loop().call_soon([&] { order += "earlier "; });
    transport().write_eof();
    EXPECT_TRUE(transport().is_closing());
    EXPECT_EQ(order, "");
  });
  turn();
  EXPECT_EQ(order, "earlier CL ");
  expect_delivered_then_end();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(PipeContract, W38_WriteEofOnAPipeWithBytesQueuedDeliversThemFirst) {
  start();
  block();
  in_turn([&] {
    put(5000);
    transport().write_eof();
  });
  EXPECT_TRUE(transport().is_closing());
  EXPECT_GT(size(), 0U);
  expect_delivered_then_end();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

}  // namespace
}  // namespace sluice::testing
