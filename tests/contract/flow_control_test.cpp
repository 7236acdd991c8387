// Section 2.8 of docs/contract.md: flow control.
#include <stdexcept>
#include <string>
#include <vector>

#include "contract/suites.hpp"

namespace sluice::testing {
namespace {

TEST_P(Contract, W66_PauseComesOnceWhenTheSizePassesHigh) {
  start();
  block();
  const std::size_t queued = size();
  transport().set_write_buffer_limits(queued + 10);
  in_turn([&] { put(11); });
  EXPECT_EQ(trace(), "CM PW");
  in_turn([&] { put(100); });
  EXPECT_EQ(trace(), "CM PW");
  EXPECT_EQ(statistics().pauses, 1U);
}

TEST_P(CoalesceContract, W66_ALongTurnAloneDoesNotPause) {
  start();
  peer().start_reading();
  in_turn([&] {
    transport().set_write_buffer_limits(1000);
    for (int i = 0; i < 8; ++i) {
      put(500);
      EXPECT_LE(size(), 1000U);
    }
    EXPECT_GT(statistics().send_calls, 0U);
  });
  EXPECT_EQ(trace(), "CM");
  expect_delivered();
}

TEST_P(Contract, W67_ASizeEqualToHighDoesNotPause) {
  start();
  block();
  transport().set_write_buffer_limits(size() + 10);
  in_turn([&] { put(10); });
  EXPECT_EQ(size(), transport().get_write_buffer_limits().high);
  EXPECT_EQ(trace(), "CM");
  transport().set_write_buffer_limits(size());
  EXPECT_EQ(trace(), "CM");
}

TEST_P(Contract, W68_PauseIsCalledInsideTheWriteAndSeesItsBytes) {
  start();
  block();
  const std::size_t queued = size();
  in_turn([&] {
    transport().set_write_buffer_limits(queued);
    EXPECT_EQ(trace(), "CM");
    put(50);
    EXPECT_EQ(trace(), "CM PW");
  });
  EXPECT_EQ(record().calls().back().size, queued + 50);
}

TEST_P(Contract, W69_AWriteInsidePauseIsOnlyAppended) {
  start();
  block();
  const std::size_t queued = size();
  record().on_pause_writing = [&] {
    const auto calls = statistics().send_calls;
    put(7);
    EXPECT_EQ(size(), queued + 57);
    EXPECT_EQ(statistics().send_calls, calls);
  };
  in_turn([&] {
    transport().set_write_buffer_limits(queued);
    put(50);
  });
  EXPECT_EQ(trace(), "CM PW");
  expect_delivered();
  EXPECT_EQ(trace(), "CM PW RW");
}

TEST_P(Contract, W70_ResumeComesAfterAPartialFlushAtOrBelowLow) {
  start();
  in_turn([&] { put(big); });
  ASSERT_EQ(trace(), "CM PW");
  transport().set_write_buffer_limits(65536, 65536);
  peer().start_reading();
  run_until("writing is resumed", [&] { return trace() == "CM PW RW"; });
  EXPECT_LE(record().calls().back().size, 65536U);
  expect_delivered();
}

TEST_P(ScriptedContract, W70_ResumeComesAtExactlyLow) {
  start();
  block(10'000);
  in_turn([&] { transport().set_write_buffer_limits(9'000, 4'000); });
  ASSERT_EQ(trace(), "CM PW");
  kernel().add_room(scripted_fd(), 5'999);
  run_until("a part has left", [&] { return size() == 4'001; });
  EXPECT_EQ(trace(), "CM PW");
  kernel().add_room(scripted_fd(), 1);
  run_until("one more byte has left", [&] { return size() == 4'000; });
  EXPECT_EQ(trace(), "CM PW RW");
}

TEST_P(Contract, W71_AWriteInsideResumeMayPauseNestedInIt) {
  start();
  bool again = true;
  record().on_resume_writing = [&] {
    if (again) {
      again = false;
      put(2 * big);
    }
  };
  in_turn([&] { put(big); });
  peer().start_reading();
  run_until("writing was resumed twice", [&] { return record().trace() == "CM PW RW PW RW"; });
  EXPECT_EQ(record().nested_trace(), "CM PW RW[PW] RW");
  expect_delivered();
}

TEST_P(Contract, W72_ResumeIsCalledFromTheFlushItself) {
  start();
  in_turn([&] { put(big); });
  peer().start_reading();
  run_until("writing is resumed", [&] {
    const bool low_before = size() <= 16384;
    turn();
    // A turn that brings the size down to the low mark has told the protocol before it ends.
    EXPECT_TRUE(low_before || size() > 16384 || trace() == "CM PW RW");
    return trace() == "CM PW RW";
  });
}

TEST_P(Contract, W73_PauseAndResumeAlternate) {
  start();
  record().on_resume_writing = [&] {
    if (put_so_far() < 6 * big) {
      put(big);
    }
  };
  in_turn([&] {
    put(big);
    put(10);
    transport().set_write_buffer_limits(10'000, 5'000);
    transport().set_write_buffer_limits(20'000, 5'000);
  });
  peer().start_reading();
  run_until("all is written", [&] { return put_so_far() >= 6 * big; });
  in_turn([&] { transport().close(); });
  expect_delivered_then_end();
  run_until_lost();
  EXPECT_EQ(grammar_offence(record().calls(), true), "");
  EXPECT_EQ(record().count(ProtocolCall::Kind::pause_writing),
            record().count(ProtocolCall::Kind::resume_writing));
}

TEST_P(OpenContract, W74_WithHighZeroAWriteTakenWholeDoesNotPause) {
  start();
  in_turn([&] {
    transport().set_write_buffer_limits(0);
    put(100);
  });
  EXPECT_EQ(size(), 0U);
  EXPECT_EQ(trace(), "CM");
}

TEST_P(Contract, W74_WithLimitsOfZeroAnyByteLeftPausesAndEmptyResumes) {
  start();
  block();
  EXPECT_EQ(trace(), "CM");
  transport().set_write_buffer_limits(0);
  EXPECT_EQ(trace(), "CM PW");
  expect_delivered();
  EXPECT_EQ(trace(), "CM PW RW");
  EXPECT_EQ(record().calls().back().size, 0U);
}

TEST_P(Contract, W75_LoweringHighBelowTheSizePausesAtOnce) {
  start();
  block(20'000);
  transport().set_write_buffer_limits(20'000);
  EXPECT_EQ(trace(), "CM");
  transport().set_write_buffer_limits(19'999);
  EXPECT_EQ(trace(), "CM PW");
}

TEST_P(Contract, W75_RaisingLowToTheSizeResumesAtOnce) {
  start();
  block(20'000);
  transport().set_write_buffer_limits(19'999);
  transport().set_write_buffer_limits(30'000, 19'999);
  EXPECT_EQ(trace(), "CM PW");
  transport().set_write_buffer_limits(30'000, 20'000);
  EXPECT_EQ(trace(), "CM PW RW");
}

TEST_P(Contract, W75_InsidePauseTheResumeCheckIsMadeInTheNextTurn) {
  start();
  block(20'000);
  record().on_pause_writing = [&] {
    transport().set_write_buffer_limits(unlimited, 30'000);
    EXPECT_EQ(trace(), "CM PW");
  };
  transport().set_write_buffer_limits(20'000);
  in_turn([&] { put(1); });
  EXPECT_EQ(trace(), "CM PW");
  turn();
  EXPECT_EQ(record().nested_trace(), "CM PW RW");
}

TEST_P(Contract, W76_ADrainingTransportResumesAndThenIsLost) {
  start();
  in_turn([&] {
    put(big);
    transport().close();
  });
  expect_delivered_then_end();
  run_until_lost();
  EXPECT_EQ(trace(), "CM PW RW CL(ok)");
}

// Resume finds the queue empty, so close() is the end itself, and the flush that goes on is no
// second.
TEST_P(Contract, W76_ATransportClosedInsideResumeIsLostOnceAndInOrder) {
  start();
  block(20'000);
  record().on_resume_writing = [&] { transport().close(); };
  transport().set_write_buffer_limits(0, 0);
  expect_delivered_then_end();
  run_until_lost();
  EXPECT_EQ(trace(), "CM PW RW CL(ok)");
}

TEST_P(BreakingContract, W76_AFatalErrorInPauseDoesNotResume) {
  start();
  in_turn([&] { put(big); });
  peer().close();
  run_until_lost();
  EXPECT_EQ(record().count(ProtocolCall::Kind::resume_writing), 0U);
  EXPECT_TRUE(record().write_trace().starts_with("CM PW CL(E")) << trace();
}

TEST_P(Contract, W77_ExceptionsFromPauseAndResumeAreReportedAndForgotten) {
  start();
  record().on_pause_writing = [] { throw std::runtime_error("from PW"); };
  record().on_resume_writing = [] { throw std::runtime_error("from RW"); };
  in_turn([&] { EXPECT_NO_THROW(put(big)); });
  EXPECT_EQ(take_reports(), std::vector<std::string>({"protocol.pause_writing() failed: from PW"}));
  EXPECT_FALSE(transport().is_closing());
  expect_delivered();
  EXPECT_EQ(take_reports(),
            std::vector<std::string>({"protocol.resume_writing() failed: from RW"}));
  EXPECT_EQ(trace(), "CM PW RW");
  EXPECT_FALSE(transport().is_closing());
}

TEST_P(Contract, W77_TheReportNamesTheTransportAndTheProtocol) {
  start();
  record().on_pause_writing = [] { throw std::runtime_error("from PW"); };
  bool named = false;
  loop().set_exception_handler([&](const ExceptionContext& context) {
    named = context.transport == static_cast<BaseTransport*>(&transport()) &&
            context.protocol == transport().get_protocol().get() && context.exception;
  });
  in_turn([&] { put(big); });
  EXPECT_TRUE(named);
}

TEST_P(Contract, W78_AProtocolInstalledWhilePausedGetsTheResume) {
  start();
  in_turn([&] { put(big); });
  const auto second = std::make_shared<Recording>();
  if (traits().reads) {
    transport().set_protocol(std::make_shared<RecordingProtocol>(second));
  } else {
    transport().set_protocol(std::make_shared<RecordingWriteProtocol>(second));
  }
  expect_delivered();
  EXPECT_EQ(trace(), "CM PW");
  EXPECT_EQ(second->trace(), "RW");
}

TEST_P(Contract, W78_AProtocolThatCannotServeIsRefused) {
  class OfAnotherKind : public ReadProtocol {};
  start();
  EXPECT_THROW(transport().set_protocol(nullptr), std::invalid_argument);
  EXPECT_THROW(transport().set_protocol(std::make_shared<OfAnotherKind>()), std::invalid_argument);
  EXPECT_NE(transport().get_protocol(), nullptr);
}

TEST_P(Contract, W79_AQueueEmptiedByAbortDoesNotResume) {
  start();
  in_turn([&] { put(big); });
  in_turn([&] {
    transport().abort();
    transport().set_write_buffer_limits();
  });
  run_some_turns();
  EXPECT_EQ(trace(), "CM PW CL(ok)");
}

TEST_P(Contract, W80_WhateverPauseThrowsIsReported) {
  start();
  record().on_pause_writing = [] { throw 42; };  // NOLINT(hicpp-exception-baseclass): on purpose
  in_turn([&] { put(big); });
  EXPECT_EQ(take_reports().size(), 1U);
  EXPECT_FALSE(transport().is_closing());
}

}  // namespace
}  // namespace sluice::testing
