// What the system can refuse a child and its transport, on the scripted kernel.
#include <signal.h>

#include <thread>

#include "core/check.hpp"
#include "transports/subprocess_fixture.hpp"

namespace sluice::transports {
namespace {

class SubprocessFaultTest : public TransportTest {
 protected:
  using Started = Future<SubprocessConnection<ChildProbe>>;

  Started begin(SubprocessOptions options = {}) {
    return loop_->subprocess_exec(
        [record = child_] { return std::make_shared<ChildProbe>(record); }, {"program"},
        std::move(options));
  }
  SubprocessTransport& start(SubprocessOptions options = {}) {
    begin(std::move(options));
    turn(2);
    return *child_->transport;
  }
  std::string failure() {
    const Started failed = begin();
    EXPECT_EQ(loop_descriptors_, kernel_->open_descriptors());
    turn(3);
    EXPECT_EQ("", child_->trace);
    return outcome_of(failed);
  }
  void TearDown() override {
    child_->transport.reset();
    TransportTest::TearDown();
    EXPECT_EQ(Texts{}, reports_);
  }

  static constexpr int pid = 1000;
  std::size_t loop_descriptors_ = kernel_->open_descriptors();
  std::shared_ptr<ChildRecord> child_ = std::make_shared<ChildRecord>();
};

TEST_F(SubprocessFaultTest, EachPipeThatCannotBeMadeIsNamed) {
  int made = 0;
  for (const char* name : {"stdin", "stdout", "stderr"}) {
    for (int i = 0; i < made; ++i) {
      kernel_->fail_next("pipe", 0);
    }
    kernel_->fail_next("pipe", EMFILE);
    EXPECT_EQ("making a pipe for the " + std::string(name) + " of 'program': Too many open files",
              failure());
    ++made;
  }
  kernel_->fail_next("set_status_flags", EPERM);
  EXPECT_EQ("making a pipe for the stdin of 'program': Operation not permitted", failure());
  kernel_->fail_next("get_status_flags", EPERM);
  EXPECT_EQ("making a pipe for the stdin of 'program': Operation not permitted", failure());
  EXPECT_EQ(0U, kernel_->count_calls("spawn"));
}

TEST_F(SubprocessFaultTest, ASystemWithoutRoomForAProcessFailsTheFuture) {
  kernel_->fail_next("spawn", EAGAIN);
  EXPECT_EQ("starting 'program': Resource temporarily unavailable", failure());
}

// A child whose end nobody could hear of is not let run.
TEST_F(SubprocessFaultTest, AnEndThatCannotBeWatchedEndsTheChildAtOnce) {
  kernel_->fail_next("epoll_ctl", ENOSPC);
  EXPECT_EQ("watching for the end of child 1000: No space left on device", failure());
  EXPECT_EQ(std::vector<int>{SIGKILL}, kernel_->child(pid).signals);
  EXPECT_TRUE(kernel_->child(pid).collected);
}

// The child runs, and the pipe is lost in the ordinary way.
TEST_F(SubprocessFaultTest, APipeThatCannotBeWatchedIsLost) {
  kernel_->fail_next("epoll_ctl", 0);
  kernel_->fail_next("epoll_ctl", ENOSPC);
  start();
  turn();
  EXPECT_EQ("CM PL0(ENOSPC)", child_->trace);
  child_->transport->close();
  turn(3);
  EXPECT_EQ("CM PL0(ENOSPC) PL1(ok) PL2(ok) PX CL(ok)", child_->trace);
}

// W-149
TEST_F(SubprocessFaultTest, AStatusThatSomebodyElseHasTakenIs255) {
  start();
  kernel_->collect_child(pid, 3);
  turn();
  EXPECT_EQ(255, child_->transport->returncode());
  EXPECT_EQ((Texts{"the exit status of child 1000 was taken by somebody else: reporting returncode "
                   "255"}),
            logged_);
}

TEST_F(SubprocessFaultTest, AnInterruptedWaitIsTakenUpAgain) {
  start();
  kernel_->fail_next("waitid", EINTR);
  kernel_->end_child(pid, 3);
  turn();
  EXPECT_EQ(3, child_->transport->returncode());
}

TEST_F(SubprocessFaultTest, AnEventWithoutAnEndChangesNothing) {
  start();
  // What wakes the watcher before the child has ended.
  const int pidfd = child_->transport->fileno();
  kernel_->wake_for_nothing(pidfd);
  turn(2);
  EXPECT_EQ(std::nullopt, child_->transport->returncode());
  EXPECT_EQ(1U, kernel_->count_calls("waitid"));
  kernel_->end_child(pid, 0);
  turn();
  EXPECT_EQ(0, child_->transport->returncode());
}

// W-149
TEST_F(SubprocessFaultTest, AChildThatMayNotBeSignalledSaysSo) {
  SubprocessTransport& child = start();
  kernel_->make_immortal(pid);
  EXPECT_EQ(std::errc::operation_not_permitted, child.terminate());
  // W-147: it ends in its own time.
  child.close();
  turn(3);
  EXPECT_EQ("CM PL0(ok) PL1(ok) PL2(ok)", child_->trace);
  kernel_->end_child(pid, 0);
  turn(2);
  EXPECT_EQ("CM PL0(ok) PL1(ok) PL2(ok) PX CL(ok)", child_->trace);
}

TEST_F(SubprocessFaultTest, AClosedLoopDoesNotWaitForAChildThatMayNotBeKilled) {
  start();
  kernel_->make_immortal(pid);
  loop_->close();
  EXPECT_EQ(0U, kernel_->count_calls("waitid"));
  EXPECT_EQ((Texts{"child 1000 may not be killed, and goes on without its loop"}), logged_);
  EXPECT_EQ("CM", child_->trace);
}

TEST_F(SubprocessFaultTest, WhatIsAskedOfTheSystemIsWhatTheOptionsSay) {
  kernel_->put_path("/srv", S_IFDIR | 0755);
  SubprocessOptions options;
  options.env = Environment{{"A", "1"}, {"B", "2"}};
  options.cwd = "/srv";
  options.process_group = 7;
  options.restore_signals = false;
  options.stdin_ = Stdio::devnull();
  options.stdout_ = Stdio::inherit();
  options.stderr_ = Stdio::as_stdout();
  start(std::move(options));
  const sys::SpawnRequest& request = kernel_->child(pid).request;
  EXPECT_EQ((Texts{"A=1", "B=2"}), request.environment);
  EXPECT_GE(request.directory_fd, 0);
  EXPECT_FALSE(kernel_->is_open(request.directory_fd));
  EXPECT_EQ(7, request.process_group);
  EXPECT_FALSE(request.default_signals);
  EXPECT_EQ((std::array<sys::StdioSource, 3>{sys::null_device, sys::inherit_stdio, 1}),
            request.stdio);
  kernel_->end_child(pid, 0);
  turn(2);
  EXPECT_EQ("CM PX CL(ok)", child_->trace);
}

// W-171
TEST_F(SubprocessFaultTest, InADebugBuildSetProtocolThrowsOnAnotherThread) {
  start();
  const auto other = std::make_shared<ChildProbe>(child_);
  bool thrown = false;
  loop_->call_soon([&] {
    std::thread([&] {
      try {
        if constexpr (core::debug_checks) {
          child_->transport->set_protocol(other);
        }
      } catch (const std::logic_error&) {
        thrown = true;
      }
    }).join();
  });
  turn();
  EXPECT_EQ(core::debug_checks, thrown);
}

}  // namespace
}  // namespace sluice::transports
