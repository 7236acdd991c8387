// The golden traces of docs/contract.md: whole lives, as the protocol sees them.
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include "contract/suites.hpp"

namespace sluice::testing {
namespace {

TEST_P(Contract, T1_BigWriteThenClose) {
  start();
  in_turn([&] {
    put(big);
    transport().close();
  });
  expect_delivered_then_end();
  run_until_lost();
  EXPECT_EQ(trace(), "CM PW RW CL(ok)");
}

TEST_P(Contract, T2_BigWriteThenAbort) {
  start();
  in_turn([&] { put(big); });
  in_turn([&] {
    transport().abort();
    EXPECT_EQ(size(), 0U);
  });
  EXPECT_EQ(trace(), "CM PW");
  turn();
  EXPECT_EQ(trace(), "CM PW CL(ok)");
  peer().start_reading();
  run_until("the peer is at the end", [&] { return peer().at_end(); });
  EXPECT_EQ(peer().received().size(), statistics().bytes_written);
  EXPECT_EQ(pattern_offence(peer().received()), "");
}

TEST_P(Contract, T3_BigWriteThenCloseThenAbort) {
  start();
  in_turn([&] {
    put(big);
    transport().close();
    transport().abort();
  });
  run_until_lost();
  run_some_turns();
  EXPECT_EQ(trace(), "CM PW CL(ok)");
}

TEST_P(HalfCloseContract, T4_BigWriteThenWriteEof) {
  start();
  in_turn([&] {
    put(big);
    transport().write_eof();
  });
  expect_delivered_then_end();
  EXPECT_EQ(trace(), "CM PW RW");
  EXPECT_FALSE(transport().is_closing());
  in_turn([&] { transport().close(); });
  run_until_lost();
  EXPECT_EQ(trace(), "CM PW RW CL(ok)");
}

TEST_P(Contract, T5_BigWriteThenCloseThenSmallWrite) {
  start();
  in_turn([&] {
    put(big);
    transport().close();
    transport().write("dropped");
  });
  EXPECT_EQ(statistics().writes_dropped, 1U);
  expect_delivered_then_end();
  run_until_lost();
  EXPECT_EQ(trace(), "CM PW RW CL(ok)");
}

TEST_P(Contract, T6_FillUpToHighThenOneByteMore) {
  start();
  block();
  const std::size_t n = size();
  transport().set_write_buffer_limits(n + 10);
  in_turn([&] { put(10); });
  EXPECT_EQ(trace(), "CM");
  in_turn([&] { put(1); });
  EXPECT_EQ(trace(), "CM PW");
  in_turn([&] { put(100); });
  EXPECT_EQ(trace(), "CM PW");
}

TEST_P(Contract, T7_LimitsRaisedWhilePaused) {
  start();
  in_turn([&] { put(big); });
  in_turn([&] {
    transport().set_write_buffer_limits(unlimited, big);
    EXPECT_EQ(trace(), "CM PW RW");
  });
  expect_delivered();
  EXPECT_EQ(trace(), "CM PW RW");
}

TEST_P(Contract, T8_PauseThrows) {
  start();
  record().on_pause_writing = [] { throw std::runtime_error("from PW"); };
  in_turn([&] { put(big); });
  EXPECT_EQ(take_reports().size(), 1U);
  expect_delivered();
  EXPECT_EQ(trace(), "CM PW RW");
}

TEST_P(Contract, T9_ResumeWritesBigTwice) {
  start();
  int writes = 2;
  record().on_resume_writing = [&] {
    if (writes-- > 0) {
      put(big + 16384);
    }
  };
  in_turn([&] { put(big); });
  peer().start_reading();
  run_until("the third resume", [&] { return writes < 0; });
  expect_delivered();
  EXPECT_EQ(trace(), "CM PW RW PW RW PW RW");
  EXPECT_EQ(record().nested_trace(), "CM PW RW[PW] RW[PW] RW");
}

TEST_P(Contract, T10_ResumeCloses) {
  start();
  record().on_resume_writing = [&] { transport().close(); };
  in_turn([&] { put(big); });
  expect_delivered_then_end();
  run_until_lost();
  run_some_turns();
  EXPECT_EQ(trace(), "CM PW RW CL(ok)");
}

TEST_P(Contract, T11_ResumeWritesMoreThanFitsAndCloses) {
  start();
  record().on_resume_writing = [&] {
    if (!transport().is_closing()) {
      put(400'000);
      transport().close();
    }
  };
  in_turn([&] { put(big); });
  peer().start_reading();
  run_until_lost();
  expect_delivered_then_end();
  EXPECT_EQ(put_so_far(), big + 400'000);
  EXPECT_EQ(trace(), "CM PW RW PW RW CL(ok)");
}

TEST_P(WatchedPipeContract, T12_TheReaderOfAnIdlePipeCloses) {
  start();
  peer().close();
  run_until_lost();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(WatchedPipeContract, T12_TheReaderOfAPipeClosesAfterABigWrite) {
  start();
  in_turn([&] { put(big); });
  peer().close();
  run_until_lost();
  EXPECT_EQ(trace(), "CM PW CL(EPIPE)");
}

TEST_P(AnyImmediateContract, T13_EightWritesToAPeerThatHasClosed) {
  start();
  if (!traits().breaks_at_once) {
    // TCP learns by its first write that the peer is gone, and fails the next.
    peer().reset();
  } else {
    peer().close();
  }
  in_turn([&] {
    const std::string before = trace();
    for (int i = 0; i < 8; ++i) {
      transport().write("x");
    }
    EXPECT_EQ(trace(), before);
    EXPECT_TRUE(transport().is_closing());
    EXPECT_EQ(statistics().writes_dropped, 7U);
    EXPECT_EQ(take_warnings().size(), 3U);
  });
  run_until_lost();
  EXPECT_TRUE(trace().starts_with("CM CL(E")) << trace();
}

TEST_P(AnyCoalesceContract, T13_EightCoalescedWritesAreDiscardedTogether) {
  start();
  in_turn([&] {
    peer().close();
    for (int i = 0; i < 8; ++i) {
      transport().write("x");
    }
    EXPECT_EQ(size(), 8U);
    EXPECT_EQ(trace(), "CM");
  });
  if (traits().breaks_at_once) {
    run_until_lost();
    EXPECT_EQ(trace(), "CM " + broken_loss());
    EXPECT_EQ(statistics().bytes_discarded, 8U);
  }
  EXPECT_EQ(statistics().writes_dropped, 0U);
}

TEST_P(Contract, T17_MadeWritesAndCloses) {
  record().on_connection_made = [&] {
    put(1000);
    transport().close();
  };
  start();
  expect_delivered_then_end();
  run_until_lost();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

}  // namespace
}  // namespace sluice::testing
