// Section 2.5 of docs/contract.md: abort.
#include <string>

#include "contract/suites.hpp"

namespace sluice::testing {
namespace {

TEST_P(Contract, W48_AbortDiscardsTheQueueAndQueuesTheLoss) {
  start();
  block();
  std::string order;
  record().on_connection_lost = [&](std::error_code) { order += "CL "; };
  const std::size_t queued = size();
  in_turn([&] {
    loop().call_soon([&] { order += "earlier "; });
    transport().abort();
    EXPECT_TRUE(transport().is_closing());
    EXPECT_EQ(size(), 0U);
    EXPECT_EQ(statistics().bytes_discarded, queued);
  });
  EXPECT_EQ(order, "");
  turn();
  EXPECT_EQ(order, "earlier CL ");
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(Contract, W48_AbortEndsADrainingTransport) {
  start();
  block();
  in_turn([&] {
    transport().close();
    transport().abort();
  });
  EXPECT_EQ(size(), 0U);
  turn();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(StreamContract, W48_AbortEndsReading) {
  start();
  turn();
  peer().send("never read");
  in_turn([&] { transport().abort(); });
  run_until_lost();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(Contract, W49_ASecondAbortDoesNothing) {
  start();
  block();
  in_turn([&] {
    transport().abort();
    transport().abort();
  });
  transport().abort();
  run_some_turns();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(Contract, W49_AbortAfterACloseThatQueuedTheLossDoesNothing) {
  start();
  in_turn([&] {
    transport().close();
    transport().abort();
  });
  run_some_turns();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(Contract, W50_AbortAfterTheLossDoesNothing) {
  start();
  block();
  in_turn([&] { transport().close(); });
  expect_delivered_then_end();
  run_until_lost();
  transport().abort();
  run_some_turns();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(Contract, W51_AbortWhilePausedDoesNotResume) {
  start();
  in_turn([&] { put(big); });
  in_turn([&] { transport().abort(); });
  run_some_turns();
  EXPECT_EQ(trace(), "CM PW CL(ok)");
}

TEST_P(Contract, W52_AfterAbortThePeerGetsWhatTheKernelHadAndACleanEnd) {
  start();
  in_turn([&] { put(big); });
  in_turn([&] { transport().abort(); });
  EXPECT_EQ(statistics().bytes_written + statistics().bytes_discarded, big);
  peer().start_reading();
  run_until("the peer is at the end", [&] { return peer().at_end(); });
  // A thread that is writing cannot be called back: only now is it known what it has written.
  EXPECT_EQ(peer().received().size(), statistics().bytes_written);
  EXPECT_EQ(statistics().bytes_written + statistics().bytes_discarded, big);
  EXPECT_EQ(pattern_offence(peer().received()), "");
  EXPECT_EQ(name_of(peer().end_error()), "ok");
}

TEST_P(Contract, W53_AbortInsidePauseEmptiesTheQueueAtOnce) {
  start();
  record().on_pause_writing = [&] {
    transport().abort();
    EXPECT_EQ(size(), 0U);
  };
  in_turn([&] {
    put(big);
    EXPECT_EQ(trace(), "CM PW");
    EXPECT_EQ(size(), 0U);
  });
  EXPECT_EQ(trace(), "CM PW");
  turn();
  EXPECT_EQ(trace(), "CM PW CL(ok)");
}

}  // namespace
}  // namespace sluice::testing
