#include "sys/signal_relay.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <thread>
#include <vector>

#include "sluice/fd.hpp"

namespace sluice::sys {
namespace {

class Relay : public ::testing::Test {
 protected:
  Relay() {
    std::array<int, 2> ends{};
    EXPECT_EQ(0, ::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK));
    reading_.reset(ends[0]);
    writing_.reset(ends[1]);
  }
  ~Relay() override {
    static_cast<void>(SignalRelay::unwatch(SIGUSR1, writing_.get()));
    static_cast<void>(SignalRelay::unwatch(SIGUSR2, writing_.get()));
  }
  std::vector<int> received() {
    std::array<unsigned char, 64> bytes{};
    const ssize_t count = ::read(reading_.get(), bytes.data(), bytes.size());
    return {bytes.begin(), bytes.begin() + (count > 0 ? count : 0)};
  }
  void fill() {
    std::array<char, 4096> filling{};
    while (::write(writing_.get(), filling.data(), filling.size()) > 0) {
    }
  }
  static std::uint64_t bit_of(int number) { return std::uint64_t{1} << (number - 1); }
  Fd reading_;
  Fd writing_;
};

TEST_F(Relay, EachDeliveryBecomesOneByte) {
  ASSERT_TRUE(SignalRelay::watch(SIGUSR1, writing_.get()).ok());
  ASSERT_TRUE(SignalRelay::watch(SIGUSR2, writing_.get()).ok());
  ::raise(SIGUSR1);
  ::raise(SIGUSR2);
  ::raise(SIGUSR1);
  EXPECT_EQ((std::vector{SIGUSR1, SIGUSR2, SIGUSR1}), received());
}

TEST_F(Relay, ALaterWatchReplacesTheEarlier) {
  std::array<int, 2> ends{};
  ASSERT_EQ(0, ::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK));
  const Fd other_reading(ends[0]);
  const Fd other_writing(ends[1]);
  ASSERT_TRUE(SignalRelay::watch(SIGUSR1, other_writing.get()).ok());
  ASSERT_TRUE(SignalRelay::watch(SIGUSR1, writing_.get()).ok());
  ::raise(SIGUSR1);
  EXPECT_EQ(std::vector{SIGUSR1}, received());
}

TEST_F(Relay, UnwatchRestoresTheDefaultAction) {
  ASSERT_TRUE(SignalRelay::watch(SIGUSR1, writing_.get()).ok());
  ASSERT_TRUE(SignalRelay::unwatch(SIGUSR1, writing_.get()).ok());
  struct sigaction now {};
  ASSERT_EQ(0, ::sigaction(SIGUSR1, nullptr, &now));
  EXPECT_EQ(SIG_DFL, now.sa_handler);
}

// W-192
TEST_F(Relay, InterruptedCallsAreRestarted) {
  ASSERT_TRUE(SignalRelay::watch(SIGUSR1, writing_.get()).ok());
  struct sigaction now {};
  ASSERT_EQ(0, ::sigaction(SIGUSR1, nullptr, &now));
  EXPECT_NE(0, now.sa_flags & SA_RESTART);
}

TEST_F(Relay, UnwatchLeavesASignalAloneThatSomebodyElseWatchesByNow) {
  ASSERT_TRUE(SignalRelay::watch(SIGUSR1, writing_.get()).ok());
  EXPECT_TRUE(SignalRelay::unwatch(SIGUSR1, reading_.get()).ok());
  ::raise(SIGUSR1);
  EXPECT_EQ(std::vector{SIGUSR1}, received());
}

TEST_F(Relay, ASignalThatFindsThePipeFullIsKeptOnceAndErrnoIsNotTouched) {
  fill();
  ASSERT_TRUE(SignalRelay::watch(SIGUSR1, writing_.get()).ok());
  ASSERT_TRUE(SignalRelay::watch(SIGUSR2, writing_.get()).ok());
  errno = 42;
  ::raise(SIGUSR1);
  EXPECT_EQ(42, errno);
  ::raise(SIGUSR1);
  ::raise(SIGUSR2);
  EXPECT_EQ(0U, SignalRelay::take_missed(reading_.get())) << "that is somebody else";
  EXPECT_EQ(bit_of(SIGUSR1) | bit_of(SIGUSR2), SignalRelay::take_missed(writing_.get()));
  EXPECT_EQ(0U, SignalRelay::take_missed(writing_.get()));
}

TEST_F(Relay, WhatWasMissedIsForgottenWhenNobodyWatchesAnyMore) {
  fill();
  ASSERT_TRUE(SignalRelay::watch(SIGUSR1, writing_.get()).ok());
  ::raise(SIGUSR1);
  ASSERT_TRUE(SignalRelay::unwatch(SIGUSR1, writing_.get()).ok());
  ASSERT_TRUE(SignalRelay::watch(SIGUSR1, writing_.get()).ok());
  EXPECT_EQ(0U, SignalRelay::take_missed(writing_.get()));
}

TEST_F(Relay, AThreadOfOursCanLeaveSignalsToTheProgramsThreads) {
  int blocked = 0;
  std::thread([&] {
    SignalRelay::block_in_this_thread();
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    blocked = ::sigismember(&mask, SIGINT) + ::sigismember(&mask, SIGUSR1);
  }).join();
  EXPECT_EQ(2, blocked);
}

TEST_F(Relay, AThreadStartedWhileSignalsAreBlockedHasThemBlockedAndTheStarterHasItsOwnAgain) {
  const auto is_blocked = [](int number) {
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return ::sigismember(&mask, number) == 1;
  };
  bool blocked = false;
  std::thread thread;
  {
    const SignalsBlocked scope;
    thread = std::thread([&] { blocked = is_blocked(SIGUSR1); });
  }
  EXPECT_FALSE(is_blocked(SIGUSR1));
  thread.join();
  EXPECT_TRUE(blocked);
}

TEST_F(Relay, WhatCannotBeWatchedIsRefused) {
  EXPECT_EQ(EINVAL, SignalRelay::watch(SIGKILL, writing_.get()).error);
  EXPECT_EQ(EINVAL, SignalRelay::watch(SIGSTOP, writing_.get()).error);
  EXPECT_EQ(EINVAL, SignalRelay::watch(0, writing_.get()).error);
  EXPECT_EQ(EINVAL, SignalRelay::watch(-1, writing_.get()).error);
  EXPECT_EQ(EINVAL, SignalRelay::watch(NSIG, writing_.get()).error);
  EXPECT_EQ(EINVAL, SignalRelay::unwatch(NSIG, writing_.get()).error);
}

}  // namespace
}  // namespace sluice::sys
