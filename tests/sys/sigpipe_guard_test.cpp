// P-1: the disposition of SIGPIPE is the default one here, so a signal that got through would end
// the program.
#include "sys/sigpipe_guard.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <array>

#include "sluice/fd.hpp"

namespace sluice::sys {
namespace {

sigset_t only_sigpipe() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGPIPE);
  return set;
}

bool blocked() {
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return ::sigismember(&mask, SIGPIPE) == 1;
}

bool pending() {
  sigset_t set;
  ::sigpending(&set);
  return ::sigismember(&set, SIGPIPE) == 1;
}

class Sigpipe : public ::testing::Test {
 protected:
  Sigpipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(0, ::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK));
    ::close(ends[0]);
    broken_.reset(ends[1]);
  }
  int write_guarded() {
    SigpipeGuard guard;
    const ssize_t count = ::write(broken_.get(), "x", 1);
    return guard.watch(count < 0 ? Result<std::size_t>{0, errno} : Result<std::size_t>{1}, 1).error;
  }
  Fd broken_;
};

TEST_F(Sigpipe, AWriteToABrokenPipeNeitherKillsNorLeavesASignal) {
  EXPECT_EQ(EPIPE, write_guarded());
  EXPECT_FALSE(pending());
  EXPECT_FALSE(blocked());
  EXPECT_EQ(EPIPE, write_guarded());
}

TEST_F(Sigpipe, AMaskThatBlockedItBlocksItAfterwards) {
  const sigset_t set = only_sigpipe();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  EXPECT_EQ(EPIPE, write_guarded());
  EXPECT_TRUE(blocked());
  EXPECT_FALSE(pending()) << "ours was taken back";
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

TEST_F(Sigpipe, OneThatWasPendingBeforeStays) {
  const sigset_t set = only_sigpipe();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::pthread_kill(::pthread_self(), SIGPIPE);
  ASSERT_TRUE(pending());
  EXPECT_EQ(EPIPE, write_guarded());
  EXPECT_TRUE(pending());
  const timespec at_once{};
  EXPECT_EQ(SIGPIPE, ::sigtimedwait(&set, nullptr, &at_once));
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

// As sendfile(2) does when the connection is reset after a part of the file.
TEST_F(Sigpipe, OneThatComesWithASuccessIsTakenBack) {
  {
    SigpipeGuard guard;
    ::pthread_kill(::pthread_self(), SIGPIPE);
    EXPECT_EQ(3U, guard.watch({3, 0}, 10).value);
    EXPECT_FALSE(pending());
  }
  EXPECT_FALSE(blocked());
}

TEST_F(Sigpipe, AWriteThatSucceedsTouchesNothing) {
  std::array<int, 2> ends{};
  ASSERT_EQ(0, ::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK));
  const Fd reading(ends[0]);
  const Fd writing(ends[1]);
  {
    SigpipeGuard guard;
    EXPECT_TRUE(blocked());
    EXPECT_EQ(1U,
              guard.watch({static_cast<std::size_t>(::write(writing.get(), "x", 1)), 0}, 1).value);
  }
  EXPECT_FALSE(blocked());
}

}  // namespace
}  // namespace sluice::sys
