#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "testing/child_guard.hpp"
#include "testing/fd_guard.hpp"

int main(int argc, char** argv) {
  // Whoever started us may ignore it, and how children end would be lost.
  std::signal(SIGCHLD, SIG_DFL);
  ::testing::InitGoogleMock(&argc, argv);
  // GoogleTest owns the listeners.
  ::testing::UnitTest::GetInstance()->listeners().Append(new sluice::testing::ChildGuard);
  ::testing::UnitTest::GetInstance()->listeners().Append(new sluice::testing::FdGuard);
  return RUN_ALL_TESTS();
}
