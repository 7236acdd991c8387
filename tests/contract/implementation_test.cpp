// The rules of the implementation in docs/contract.md (P), as far as a test can see them.
#include <chrono>
#include <csignal>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "contract/real_loop.hpp"
#include "contract/suites.hpp"
#include "core/check.hpp"

namespace sluice::testing {
namespace {

TEST_P(BreakingContract, P1_SigpipeNeverReachesTheProgramAndItsDispositionIsUntouched) {
  struct sigaction before {};
  ASSERT_EQ(::sigaction(SIGPIPE, nullptr, &before), 0);
  ASSERT_EQ(before.sa_handler, SIG_DFL) << "the signal would end this process";
  start();
  peer().close();
  put(10);
  run_until_lost();
  EXPECT_EQ(trace(), "CM " + broken_loss());
  struct sigaction after {};
  ASSERT_EQ(::sigaction(SIGPIPE, nullptr, &after), 0);
  EXPECT_EQ(after.sa_handler, SIG_DFL);
  sigset_t pending{};
  ASSERT_EQ(::sigpending(&pending), 0);
  EXPECT_EQ(::sigismember(&pending, SIGPIPE), 0);
}

TEST_P(ScriptedContract, P2_AnInterruptedCallLosesNothingAndRepeatsNothing) {
  start();
  block();
  kernel().script_write(scripted_fd(), {interrupt(), accept(5), interrupt()});
  kernel().make_writable(scripted_fd());
  expect_delivered();
  EXPECT_FALSE(transport().is_closing());
}

class Rules : public ScriptedLoop {};

TEST_F(Rules, P3_ADescriptorWithoutAnInterestCostsNoTurns) {
  const auto record = new_record();
  const int fd = kernel().open_stream();
  const auto connection =
      loop().run_until_complete(loop().connect_accepted_socket(stream_factory(record), Fd(fd)));
  connection.transport->pause_reading();
  kernel().deliver(fd, "unread");
  run_some_turns();
  const std::size_t before = kernel().count_calls("epoll_wait");
  loop().call_later(std::chrono::seconds(100), [&] { loop().stop(); });
  loop().run_forever();
  EXPECT_LE(kernel().count_calls("epoll_wait"), before + 3);
  EXPECT_EQ(record->trace(), "CM");
}

TEST_F(Rules, P3_AHangUpWakesAReaderThatIsPausedOnceItReadsAgain) {
  const auto record = new_record();
  const int fd = kernel().open_stream();
  const auto connection =
      loop().run_until_complete(loop().connect_accepted_socket(stream_factory(record), Fd(fd)));
  connection.transport->pause_reading();
  kernel().hang_up(fd);
  run_some_turns();
  connection.transport->resume_reading();
  run_until([&] { return record->lost(); });
}

TEST_F(RealLoop, P4_ADescriptorOfTheSameNumberGetsNoneOfItsPredecessorsEvents) {
  for (int i = 0; i < 20; ++i) {
    FdPair pair = make_socket_pair();
    FdPeer peer(std::move(pair.peer));
    const auto record = new_record();
    loop().run_until_complete(
        loop().connect_accepted_socket(stream_factory(record), std::move(pair.transport)));
    EXPECT_EQ(record->received(), "");
    peer.send("for this one only");
    record->transport().abort();
    run_until([&] { return record->lost(); });
    EXPECT_EQ(record->trace(), "CM CL(ok)");
  }
}

TEST_P(Contract, P5_ACallbackMayReleaseTheLastReferences) {
  start();
  const std::weak_ptr<WriteTransport> watched = record().shared_transport();
  record().on_pause_writing = [&] {
    transport().abort();
    record().release();
  };
  in_turn([&] { record().shared_transport()->write(std::string(big, 'x')); });
  // A thread that writes holds the transport until it has written.
  maker().let_go();
  run_until("the transport is gone", [&] { return watched.expired(); });
  EXPECT_EQ(trace(), "CM PW CL(ok)");
}

TEST_P(StreamContract, P6_WhatAnyCallbackThrowsIsReportedAndGoesNoFurther) {
  const auto failing = [] { throw std::runtime_error("thrown"); };
  record().on_connection_made = failing;
  record().on_pause_writing = failing;
  record().on_resume_writing = failing;
  record().on_data_received = [](Bytes) { throw std::runtime_error("thrown"); };
  record().on_connection_lost = [](std::error_code) { throw std::runtime_error("thrown"); };
  start();
  EXPECT_NO_THROW(in_turn([&] { put(big); }));
  expect_delivered();
  peer().send("x");
  EXPECT_NO_THROW(run_until_lost());
  EXPECT_EQ(trace(), "CM PW RW DR CL(callback_failed)");
  EXPECT_EQ(take_reports().size(), 5U);
}

TEST_P(ScriptedContract, P7_AFlushIsOneGatheringCall) {
  start();
  block();
  const Buffer large = Buffer::copy_of(next(2000));
  in_turn([&] {
    transport().writelines(std::vector<Buffer>{large.slice(0, 1000), large.slice(1000, 1000)});
  });
  kernel().clear_calls();
  kernel().set_room(scripted_fd(), ScriptedKernel::no_limit);
  run_until("all is sent", [&] { return size() == 0; });
  std::vector<CallRecord> writes;
  for (const CallRecord& call : kernel().calls()) {
    if (call.fd == scripted_fd() && call.length > 1000) {
      writes.push_back(call);
    }
  }
  ASSERT_EQ(writes.size(), 1U);
  EXPECT_EQ(writes[0].name, traits().half_close ? "sendmsg" : "writev");
  EXPECT_EQ(writes[0].pieces, 3U);
  expect_delivered();
}

TEST(Implementation, P8_ABrokenInvariantEndsTheProcessInDebugBuilds) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  if constexpr (core::debug_checks) {
    EXPECT_DEATH(core::check(false, "the test says so"), "the test says so");
  }
  core::check(true, "this holds");
}

TEST_F(Rules, Q31_TheLoopIsWokenThroughAnEventfd) {
  EXPECT_EQ(kernel().count_calls("eventfd"), 1U);
  EXPECT_EQ(kernel().count_calls("socket"), 0U);
  bool woken = false;
  std::thread other([&] { loop().call_soon_threadsafe([&] { woken = true; }); });
  other.join();
  run_until([&] { return woken; });
  const std::size_t before = kernel().count_calls("epoll_wait");
  loop().call_later(std::chrono::seconds(100), [&] { loop().stop(); });
  loop().run_forever();
  EXPECT_LE(kernel().count_calls("epoll_wait"), before + 3) << "it spins";
}

}  // namespace
}  // namespace sluice::testing
