// The calls behind child processes, on the real system.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "sluice/environment.hpp"
#include "sluice/fd.hpp"
#include "sys/error_table.hpp"
#include "sys/system_calls.hpp"

namespace sluice::sys {
namespace {

class SpawnTest : public ::testing::Test {
 protected:
  SystemCalls& sys() { return *sys_; }
  // A child that does what the shell says, with no input and no output.
  Spawned shell(const std::string& script) {
    SpawnRequest request;
    request.argv = {"/bin/sh", "-c", script};
    request.stdio = {null_device, null_device, null_device};
    const Result<Spawned> result = sys().spawn(request);
    EXPECT_TRUE(result.ok()) << result.error;
    return result.value;
  }

 private:
  std::shared_ptr<SystemCalls> sys_ = linux_system_calls();
};

TEST_F(SpawnTest, AChildRunsAndIsCollectedOnce) {
  const Spawned child = shell("exit 9");
  const Fd pidfd(child.pidfd);
  const Result<std::optional<int>> end = sys().waitid(child.pidfd, ChildWait::until_end);
  EXPECT_EQ(9, end.value);
  EXPECT_EQ(ECHILD, sys().waitid(child.pidfd, ChildWait::not_at_all).error);
  EXPECT_EQ(ESRCH, sys().pidfd_send_signal(child.pidfd, SIGTERM).error);
}

TEST_F(SpawnTest, ARunningChildHasNoEndYetAndDiesOfASignal) {
  const Spawned child = shell("read nothing; exec sleep 1000");
  const Fd pidfd(child.pidfd);
  const Result<std::optional<int>> end = sys().waitid(child.pidfd, ChildWait::not_at_all);
  EXPECT_TRUE(end.ok());
  EXPECT_EQ(std::nullopt, end.value);
  EXPECT_TRUE(sys().pidfd_send_signal(child.pidfd, SIGKILL).ok());
  pollfd entry{child.pidfd, POLLIN, 0};
  EXPECT_EQ(1, ::poll(&entry, 1, -1));
  EXPECT_EQ(-SIGKILL, sys().waitid(child.pidfd, ChildWait::not_at_all).value);
}

TEST_F(SpawnTest, WhatCannotBeStartedLeavesNoChild) {
  SpawnRequest request;
  request.argv = {"/no/such/program"};
  EXPECT_EQ(ENOENT, sys().spawn(request).error);
  request.argv = {"no-such-program"};
  EXPECT_EQ(ENOENT, sys().spawn(request).error);
  request.argv = {"/etc"};
  EXPECT_EQ(EACCES, sys().spawn(request).error);
  request.argv = {"/bin/true"};
  request.stdio[1] = 1000;
  EXPECT_EQ(EBADF, sys().spawn(request).error);
}

TEST_F(SpawnTest, ADirectoryIsOpenedThatCanBeEntered) {
  const Result<int> root = sys().open_directory("/");
  ASSERT_TRUE(root.ok());
  const Fd owned(root.value);
  EXPECT_EQ(ENOENT, sys().open_directory("/no/such").error);
  EXPECT_EQ(ENOTDIR, sys().open_directory("/etc/passwd").error);
}

TEST_F(SpawnTest, TheErrorsOfTheseCallsAreInTheTable) {
  EXPECT_EQ(Verdict::operating_error, classify(Call::spawn, ENOENT));
  EXPECT_EQ(Verdict::out_of_resources, classify(Call::spawn, EAGAIN));
  EXPECT_EQ(Verdict::operating_error, classify(Call::open, EACCES));
  EXPECT_EQ(Verdict::peer_gone, classify(Call::pidfd_send_signal, ESRCH));
  EXPECT_EQ(Verdict::peer_gone, classify(Call::waitid, ECHILD));
  EXPECT_EQ(Verdict::retry, classify(Call::waitid, EINTR));
  EXPECT_EQ("open", name_of(Call::open));
  EXPECT_EQ("spawn", name_of(Call::spawn));
  EXPECT_EQ("pidfd_send_signal", name_of(Call::pidfd_send_signal));
  EXPECT_EQ("waitid", name_of(Call::waitid));
}

TEST(CurrentEnvironment, IsACopyOfTheVariables) {
  ASSERT_EQ(0, ::setenv("SLUICE_SPAWN_TEST", "a=b", 1));
  Environment variables = current_environment();
  EXPECT_EQ("a=b", variables["SLUICE_SPAWN_TEST"]);
  variables["SLUICE_SPAWN_TEST"] = "changed";
  EXPECT_STREQ("a=b", std::getenv("SLUICE_SPAWN_TEST"));
  ASSERT_EQ(0, ::unsetenv("SLUICE_SPAWN_TEST"));
  EXPECT_FALSE(current_environment().contains("SLUICE_SPAWN_TEST"));
}

}  // namespace
}  // namespace sluice::sys
