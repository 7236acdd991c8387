// A child's life, with real ones: the order of the calls, its end, signals, close and abort.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transports/subprocess_fixture.hpp"

namespace sluice::transports {
namespace {

// W-146
TEST_F(SubprocessTest, WithoutPipesItIsMadeExitsAndIsLost) {
  start({"true"}, without_pipes());
  run_until_lost();
  EXPECT_EQ("CM PX CL(ok)", trace());
  EXPECT_EQ(0, record_->transport->returncode());
}

// W-144, W-151
TEST_F(SubprocessTest, AChildThatHasEndedBeforeAnybodyLooksIsMadeFirst) {
  const Started started = begin({"/bin/sh", "-c", "echo gone; exec 0<&-"});
  // Everything has happened when the loop runs for the first time.
  siginfo_t info{};
  ASSERT_EQ(0, ::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT));
  run_until_lost();
  EXPECT_TRUE(trace().starts_with("CM ")) << trace();
  EXPECT_TRUE(trace().ends_with(" CL(ok)")) << trace();
  EXPECT_EQ("gone\n", record_->received[1]);
}

// W-146
TEST_F(SubprocessTest, ItIsLostAfterItsEndAndTheEndOfEveryPipe) {
  start({"cat"});
  record_->transport->stdin_transport()->write("some");
  record_->transport->stdin_transport()->write_eof();
  run_until_lost();
  for (const char* call : {" PL0(ok)", " PL1(ok)", " PL2(ok)", " PX", " DR1"}) {
    EXPECT_TRUE(record_->has(call)) << call << " in " << trace();
  }
  EXPECT_TRUE(trace().ends_with(" CL(ok)")) << trace();
  EXPECT_EQ("some", record_->received[1]);
}

// W-146: what was left behind holds the pipe open, and is heard.
TEST_F(SubprocessTest, AGrandchildThatKeepsStdoutOpenDelaysTheLossAndLosesNothing) {
  shell("(read line; echo late) <&0 & exit 3");
  run_until("the exit", [this] { return record_->has(" PX"); });
  EXPECT_EQ(3, record_->transport->returncode());
  EXPECT_FALSE(record_->lost());
  record_->transport->stdin_transport()->write("go\n");
  run_until_lost();
  EXPECT_EQ("late\n", record_->received[1]);
}

// W-149
TEST_F(SubprocessTest, TheReturncodeIsTheExitStatus) {
  record_->on_made = [this] { EXPECT_EQ(std::nullopt, record_->transport->returncode()); };
  start({"/bin/sh", "-c", "exit 42"}, without_pipes());
  run_until_lost();
  EXPECT_EQ(42, record_->transport->returncode());
}

// W-149
TEST_F(SubprocessTest, ASignalThatEndsTheChildIsANegativeReturncode) {
  shell("kill -USR1 $$", without_pipes());
  run_until_lost();
  EXPECT_EQ(-SIGUSR1, record_->transport->returncode());
}

// W-149
TEST_F(SubprocessTest, TerminateAndKillAndSendSignalReachTheChild) {
  for (const int number : {SIGTERM, SIGKILL, SIGHUP}) {
    record_ = new_record();
    SubprocessTransport& child = start({"sleep", "1000"}, without_pipes());
    const std::error_code error = number == SIGTERM   ? child.terminate()
                                  : number == SIGKILL ? child.kill()
                                                      : child.send_signal(number);
    EXPECT_FALSE(error);
    run_until_lost();
    EXPECT_EQ(-number, child.returncode());
  }
}

// W-149
TEST_F(SubprocessTest, SignalsAfterTheLossReportThatThereIsNoSuchProcess) {
  SubprocessTransport& child = start({"true"}, without_pipes());
  record_->on_lost = [&] { EXPECT_FALSE(child.kill()); };
  run_until_lost();
  turn();
  EXPECT_EQ(std::errc::no_such_process, child.send_signal(SIGTERM));
  EXPECT_EQ(std::errc::no_such_process, child.terminate());
  EXPECT_EQ(std::errc::no_such_process, child.kill());
}

// W-149: a race with the end is nobody's fault.
TEST_F(SubprocessTest, ASignalToAChildThatHasEndedUnnoticedIsSilent) {
  record_->on_made = [this] {
    siginfo_t info{};
    const auto pid = static_cast<id_t>(record_->transport->pid());
    EXPECT_EQ(0, ::waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
    EXPECT_FALSE(record_->transport->terminate());
  };
  record_->on_exit = [this] { EXPECT_FALSE(record_->transport->terminate()); };
  start({"true"}, without_pipes());
  run_until_lost();
  EXPECT_EQ(0, record_->transport->returncode());
}

TEST_F(SubprocessTest, ANumberThatIsNoSignalThrows) {
  SubprocessTransport& child = start({"sleep", "1000"}, without_pipes());
  EXPECT_THROW(child.send_signal(-1), std::invalid_argument);
  EXPECT_THROW(child.send_signal(65), std::invalid_argument);
  EXPECT_FALSE(child.send_signal(0));
  child.close();
  run_until_lost();
}

// W-149
TEST_F(SubprocessTest, ThePipesAreFoundByTheChildsDescriptors) {
  SubprocessOptions options;
  options.stderr_ = Stdio::devnull();
  SubprocessTransport& child = start({"cat"}, std::move(options));
  const auto in = child.get_pipe_transport(0);
  EXPECT_EQ(in, std::static_pointer_cast<BaseTransport>(child.stdin_transport()));
  EXPECT_NE(nullptr, child.stdout_transport());
  EXPECT_EQ(nullptr, child.stderr_transport());
  for (const int unknown : {2, 3, -1}) {
    EXPECT_EQ(nullptr, child.get_pipe_transport(unknown));
  }
  child.close();
  run_until_lost();
  EXPECT_EQ(in, child.get_pipe_transport(0));
}

// W-147
TEST_F(SubprocessTest, CloseKillsARunningChildAndItsEndIsReported) {
  SubprocessTransport& child = start({"sleep", "1000"});
  EXPECT_FALSE(child.is_closing());
  child.close();
  child.close();
  EXPECT_TRUE(child.is_closing());
  EXPECT_EQ("CM", trace());
  run_until_lost();
  EXPECT_EQ(-SIGKILL, child.returncode());
  EXPECT_TRUE(record_->has(" PX")) << trace();
  EXPECT_TRUE(trace().ends_with(" CL(ok)")) << trace();
  child.close();
  turn(3);
  EXPECT_TRUE(trace().ends_with(" CL(ok)")) << trace();
}

// W-147: the rules of flushing hold for stdin, and a killed child reads nothing.
TEST_F(SubprocessTest, CloseWithBytesForTheChildBreaksItsStdin) {
  SubprocessTransport& child = start({"sleep", "1000"});
  child.stdin_transport()->write(std::string(1 << 20, 'x'));
  child.close();
  run_until_lost();
  EXPECT_TRUE(record_->has(" PL0(EPIPE)")) << trace();
  EXPECT_GT(child.stdin_transport()->write_statistics().bytes_discarded, 0U);
}

// W-147
TEST_F(SubprocessTest, CloseInEveryCallbackIsOrdinary) {
  for (const char* where : {"made", "data", "pipe", "exit", "lost"}) {
    record_ = new_record();
    const auto close = [record = record_.get()] { record->transport->close(); };
    const std::string at(where);
    record_->on_made = at == "made" ? std::function<void()>(close) : nullptr;
    record_->on_exit = at == "exit" ? std::function<void()>(close) : nullptr;
    record_->on_lost = at == "lost" ? std::function<void()>(close) : nullptr;
    if (at == "data") {
      record_->on_data = [close](int) { close(); };
    } else if (at == "pipe") {
      record_->on_pipe_lost = [close](int) { close(); };
    }
    SubprocessOptions options;
    options.stdin_ = Stdio::devnull();
    shell("echo something", std::move(options));
    run_until_lost();
    EXPECT_TRUE(record_->has(" PX")) << at << ": " << trace();
    EXPECT_TRUE(trace().ends_with(" CL(ok)")) << at << ": " << trace();
  }
}

// W-46 in the way of a child.
TEST_F(SubprocessTest, AfterTheLossEveryMethodStaysCallable) {
  record_->on_made = [this] {
    EXPECT_GE(record_->transport->fileno(), 0);
    EXPECT_NE(nullptr, record_->transport->get_protocol());
  };
  SubprocessTransport& child = start({"true"});
  run_until_lost();
  turn();
  EXPECT_EQ(-1, child.fileno());
  EXPECT_EQ(nullptr, child.get_protocol());
  EXPECT_TRUE(child.is_closing());
  EXPECT_GT(child.pid(), 0);
  EXPECT_EQ(std::nullopt, child.peername());
  EXPECT_EQ(std::nullopt, child.sockname());
  child.set_protocol(nullptr);
  child.stdin_transport()->write("dropped");
  EXPECT_EQ(7U, child.stdin_transport()->write_statistics().bytes_dropped);
}

TEST_F(SubprocessTest, AnotherProtocolGetsTheCallsFromThenOn) {
  SubprocessTransport& child = start({"cat"});
  const auto second = new_record();
  EXPECT_THROW(child.set_protocol(std::make_shared<WriteProtocol>()), std::invalid_argument);
  EXPECT_THROW(child.set_protocol(nullptr), std::invalid_argument);
  child.set_protocol(std::make_shared<ChildProbe>(second));
  child.stdin_transport()->write("news");
  child.stdin_transport()->write_eof();
  run_until("the loss", [&] { return second->lost(); });
  EXPECT_EQ("CM", trace());
  EXPECT_EQ("news", second->received[1]);
}

// A pipe whose protocol was exchanged counts as open all the same.
TEST_F(SubprocessTest, APipeWithAProtocolOfItsOwnStillDelaysTheLoss) {
  SubprocessOptions options;
  options.stdin_ = Stdio::devnull();
  options.stderr_ = Stdio::devnull();
  const auto read = std::make_shared<ReadRecord>();
  read->on_lost = [&] { EXPECT_FALSE(record_->lost()); };
  record_->on_made = [&] {
    record_->transport->stdout_transport()->set_protocol(std::make_shared<ReadProbe>(read));
  };
  shell("echo mine", std::move(options));
  run_until_lost();
  EXPECT_EQ("DR(5) ER CL(ok)", read->trace);
  EXPECT_EQ("CM PX CL(ok)", trace());
}

TEST_F(SubprocessTest, WhatACallbackThrowsGoesToTheExceptionHandler) {
  record_->on_made = [] { throw std::runtime_error("made"); };
  record_->on_exit = [] { throw std::runtime_error("exit"); };
  record_->on_lost = [this] {
    loop_->stop();
    throw std::runtime_error("lost");
  };
  start({"true"}, without_pipes());
  run_until_lost();
  turn();
  EXPECT_EQ((Texts{"Exception in callback protocol.connection_made(): made",
                   "Exception in callback protocol.process_exited(): exit",
                   "Exception in callback protocol.connection_lost(): lost"}),
            std::exchange(reports_, {}));
}

//
TEST_F(SubprocessTest, APipeWhoseDataMadeTheProtocolThrowIsLost) {
  SubprocessOptions options;
  options.stdin_ = Stdio::devnull();
  options.stderr_ = Stdio::devnull();
  record_->on_data = [](int) { throw std::runtime_error("no more"); };
  start({"yes"}, std::move(options));
  run_until_lost();
  EXPECT_TRUE(record_->has(" PL1(callback_failed)")) << trace();
  EXPECT_EQ(-SIGPIPE, record_->transport->returncode());
  EXPECT_EQ((Texts{"Fatal error: protocol.data_received() call failed.: no more"}),
            std::exchange(reports_, {}));
}

// The future is done one turn after connection_made, and cancelling it ends the child (W-87).
TEST_F(SubprocessTest, CancellingTheFutureKillsTheChild) {
  Started future = begin({"sleep", "1000"}, without_pipes());
  future.cancel();
  run_until_lost();
  EXPECT_EQ(-SIGKILL, record_->transport->returncode());
  EXPECT_EQ("CM PX CL(ok)", trace());
}

TEST_F(SubprocessTest, AClosedLoopKillsAndCollectsItsChildren) {
  SubprocessTransport& child = start({"sleep", "1000"});
  const auto held = record_->transport;
  const auto stdin_held = child.stdin_transport();
  const int pid = child.pid();
  begin({"sleep", "1000"});
  loop_->close();
  EXPECT_EQ(-1, ::kill(pid, 0));
  EXPECT_EQ(ESRCH, errno);
  EXPECT_EQ("CM", trace());
  EXPECT_EQ(std::errc::no_such_process, held->kill());
  EXPECT_TRUE(held->is_closing());
  held->close();
  stdin_held->write("nobody");
  EXPECT_THROW(begin({"true"}), std::logic_error);
}

TEST_F(SubprocessTest, AChildWithSigchldIgnoredEndsWithReturncode255) {
  struct sigaction ignore {};
  struct sigaction before {};
  ignore.sa_handler = SIG_IGN;
  ASSERT_EQ(0, ::sigaction(SIGCHLD, &ignore, &before));
  start({"/bin/sh", "-c", "exit 7"}, without_pipes());
  run_until_lost();
  ASSERT_EQ(0, ::sigaction(SIGCHLD, &before, nullptr));
  EXPECT_EQ(255, record_->transport->returncode());
  EXPECT_EQ("CM PX CL(ok)", trace());
  ASSERT_EQ(1U, logged_.size());
  EXPECT_TRUE(logged_.front().find("taken by somebody else") != std::string::npos);
  logged_.clear();
}

TEST_F(SubprocessTest, AHundredChildrenAtOnceAreAllCollected) {
  constexpr int many = 100;
  std::vector<std::shared_ptr<ChildRecord>> records;
  for (int i = 0; i < many; ++i) {
    records.push_back(new_record());
    const auto& record = records.back();
    SubprocessOptions options;
    options.stderr_ = Stdio::inherit();
    record->on_made = [&record = *record, i] {
      record.transport->stdin_transport()->write(std::to_string(i));
      record.transport->stdin_transport()->write_eof();
    };
    loop_->subprocess_exec(factory(record), {"/bin/sh", "-c", "cat; exit " + std::to_string(i)},
                           std::move(options));
  }
  run_until("all of them", [&] {
    return std::ranges::all_of(records, [](const auto& record) { return record->lost(); });
  });
  for (int i = 0; i < many; ++i) {
    EXPECT_EQ(i, records[static_cast<std::size_t>(i)]->transport->returncode());
    EXPECT_EQ(std::to_string(i), records[static_cast<std::size_t>(i)]->received[1]);
  }
}

}  // namespace
}  // namespace sluice::transports
