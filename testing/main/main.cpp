#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/fd_guard.hpp"

int main(int argc, char** argv) {
  ::testing::InitGoogleMock(&argc, argv);
  // GoogleTest owns the listener.
  ::testing::UnitTest::GetInstance()->listeners().Append(new sluice::testing::FdGuard);
  return RUN_ALL_TESTS();
}
