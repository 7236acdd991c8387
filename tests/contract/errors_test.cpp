// Section 2.7 of docs/contract.md: fatal errors and dropped writes.
#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <vector>

#include "contract/suites.hpp"

namespace sluice::testing {
namespace {

TEST_P(BreakingContract, W57_ASystemErrorIsToldToLostOnly) {
  start();
  block_and_pause(0);
  peer().close();
  run_until_lost();
  EXPECT_EQ(take_reports(), std::vector<std::string>());
  EXPECT_EQ(size(), 0U);
  EXPECT_EQ(statistics().bytes_written + statistics().bytes_discarded, put_so_far());
}

TEST_P(StreamContract, W57_AnExceptionOfTheProtocolIsReportedAndLosesTheConnection) {
  start();
  record().on_data_received = [](Bytes) { throw std::runtime_error("from DR"); };
  in_turn([&] { put(big); });
  peer().send("x");
  run_until_lost();
  EXPECT_EQ(trace(), "CM PW DR CL(callback_failed)");
  EXPECT_EQ(take_reports(), std::vector<std::string>(
                                {"Fatal error: protocol.data_received() call failed.: from DR"}));
  EXPECT_EQ(statistics().bytes_written + statistics().bytes_discarded, big);
}

TEST_P(ScriptedContract, W59_AFatalWriteErrorIsLoggedInDebugMode) {
  use_debug_loop();
  start();
  kernel().fail_writes(scripted_fd(), EIO);
  in_turn([&] { put(10); });
  run_until_lost();
  const std::string wanted = traits().reads ? "Fatal write error on socket transport"
                                            : "Fatal write error on pipe transport";
  EXPECT_TRUE(std::ranges::any_of(
      notes(), [&](const std::string& note) { return note.find(wanted) != std::string::npos; }));
}

TEST_P(ScriptedStreamContract, W59_AFatalReadErrorIsLoggedInDebugMode) {
  use_debug_loop();
  start();
  kernel().fail_reads(scripted_fd(), EIO);
  run_until_lost();
  EXPECT_TRUE(std::ranges::any_of(notes(), [](const std::string& note) {
    return note.find("Fatal read error on socket transport") != std::string::npos;
  }));
  EXPECT_EQ(trace(), "CM CL(EIO)");
}

TEST_P(Contract, W60_EveryDroppedWriteIsCountedWarnedAboutOrNot) {
  start();
  block();
  in_turn([&] { transport().close(); });
  for (int i = 0; i < 10; ++i) {
    transport().write("four");
    transport().write("");
  }
  EXPECT_EQ(statistics().writes_dropped, 10U);
  EXPECT_EQ(statistics().bytes_dropped, 40U);
  EXPECT_EQ(statistics().bytes_written + statistics().bytes_discarded + size(), put_so_far());
  EXPECT_FALSE(take_warnings().empty());
  transport().abort();
  EXPECT_EQ(statistics().bytes_written + statistics().bytes_discarded, put_so_far());
}

// How many of ten writes after a loss are dropped in silence.
#define EXPECT_SILENT_DROPS(silent)                                            \
  for (int i = 0; i < 10; ++i) {                                               \
    transport().write("x");                                                    \
    EXPECT_EQ(take_warnings().size(), i < (silent) ? 0U : 1U) << "drop " << i; \
  }

TEST_P(PromptStreamContract, W61_FourDropsAreSilentAfterClose) {
  start();
  transport().close();
  EXPECT_SILENT_DROPS(4)
}

TEST_P(StreamContract, W61_FourDropsAreSilentWhileItDrainsToo) {
  start();
  block();
  in_turn([&] { transport().close(); });
  EXPECT_SILENT_DROPS(4)
}

TEST_P(StreamContract, W61_DropsBeforeTheLossAndAfterItAreOneCount) {
  start();
  block();
  in_turn([&] { transport().close(); });
  for (int i = 0; i < 3; ++i) {
    transport().write("x");
  }
  transport().abort();
  EXPECT_SILENT_DROPS(1)
}

TEST_P(StreamContract, W61_FourDropsAreSilentAfterAbort) {
  start();
  block();
  transport().abort();
  EXPECT_SILENT_DROPS(4)
}

TEST_P(BreakingContract, W62_TheWriteThatFailsIsNoDrop) {
  start();
  peer().close();
  put(10);
  EXPECT_TRUE(transport().is_closing());
  EXPECT_EQ(statistics().writes_dropped, 0U);
  EXPECT_SILENT_DROPS(4)
}

TEST_P(PipeContract, W63_FiveDropsAreSilentAfterClosingAPipe) {
  start();
  transport().close();
  EXPECT_SILENT_DROPS(5)
}

TEST_P(PipeContract, W63_FiveDropsAreSilentAfterWriteEofOnAPipe) {
  start();
  transport().write_eof();
  EXPECT_SILENT_DROPS(5)
}

TEST_P(PipeContract, W63_FiveDropsAreSilentAfterAbortingAPipe) {
  start();
  block();
  transport().abort();
  EXPECT_SILENT_DROPS(5)
}

TEST_P(WatchedPipeContract, W63_FiveDropsAreSilentAfterThePeerOfAPipeCloses) {
  start();
  peer().close();
  run_until_lost();
  EXPECT_SILENT_DROPS(5)
}

TEST_P(PipeContract, W63_FourDropsAreSilentAfterAWriteErrorOnAPipe) {
  start();
  peer().close();
  put(10);
  run_until_lost();
  EXPECT_SILENT_DROPS(4)
}

TEST_P(Contract, W65_CountingAndWarningGoOnAfterTheLoss) {
  start();
  transport().close();
  for (int i = 0; i < 3; ++i) {
    transport().write("x");
  }
  run_until_lost();
  turn();
  for (int i = 0; i < 5; ++i) {
    transport().write("x");
  }
  EXPECT_EQ(statistics().writes_dropped, 8U);
  EXPECT_EQ(take_warnings().size(), traits().reads ? 4U : 3U);
}

#undef EXPECT_SILENT_DROPS

}  // namespace
}  // namespace sluice::testing
