#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cerrno>

namespace sluice::testing {

/// Fails every test that ends with a child process of this one, running or not collected.
class ChildGuard : public ::testing::EmptyTestEventListener {
 public:
  void OnTestEnd(const ::testing::TestInfo& /*test*/) override {
    siginfo_t child{};
    if (::waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0) {
      ADD_FAILURE() << "the test left a child process, "
                    << (child.si_pid == 0 ? "running" : "a zombie") << ' ' << child.si_pid;
    } else {
      EXPECT_EQ(ECHILD, errno);
    }
  }
};

}  // namespace sluice::testing
