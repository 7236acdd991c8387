// How a child is started, and how it is not: what it finds, and what is said when it cannot run.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "core/allocation_probe.hpp"
#include "testing/fd_guard.hpp"
#include "transports/subprocess_fixture.hpp"

namespace sluice::transports {
namespace {

using testing::TempDirectory;

// A file with these permissions.
std::string make_file(const TempDirectory& directory, std::string_view name,
                      std::string_view content, mode_t mode) {
  std::string path = directory.file(name);
  std::ofstream(path) << content;
  EXPECT_EQ(0, ::chmod(path.c_str(), mode));
  return path;
}

constexpr mode_t readable = 0644;
constexpr mode_t executable = 0755;

// ---- What cannot be started ----

// W-150
TEST_F(SubprocessTest, ACommandThatIsNotFoundFailsTheFutureByItsName) {
  EXPECT_EQ("starting 'no-such-command': No such file or directory",
            failure_of({"no-such-command", "argument"}));
  EXPECT_EQ("starting '/no/such/command': No such file or directory",
            failure_of({"/no/such/command"}));
  const Started failed = begin({"no-such-command"});
  turn(2);
  EXPECT_EQ(std::errc::no_such_file_or_directory, code_of(failed));
}

// W-150
TEST_F(SubprocessTest, ACommandThatMayNotBeRunFailsTheFuture) {
  const TempDirectory directory;
  const std::string path = make_file(directory, "plain", "#!/bin/sh\n", readable);
  EXPECT_EQ("starting '" + path + "': Permission denied", failure_of({path}));
  EXPECT_EQ("starting '/etc': Permission denied", failure_of({"/etc"}));
  EXPECT_EQ("starting '/etc/passwd/cat': Not a directory", failure_of({"/etc/passwd/cat"}));
}

// W-150
TEST_F(SubprocessTest, AFileThatIsNoProgramFailsTheFuture) {
  const TempDirectory directory;
  const std::string path = make_file(directory, "text", "neither\n", executable);
  EXPECT_EQ("starting '" + path + "': Exec format error", failure_of({path}));
}

TEST_F(SubprocessTest, AWorkingDirectoryThatCannotBeEnteredIsNamedItself) {
  const auto at = [](std::string cwd) {
    SubprocessOptions options;
    options.cwd = std::move(cwd);
    return options;
  };
  EXPECT_EQ("entering the working directory '/no/such' of 'cat': No such file or directory",
            failure_of({"cat"}, at("/no/such")));
  EXPECT_EQ("entering the working directory '/etc/passwd' of 'cat': Not a directory",
            failure_of({"cat"}, at("/etc/passwd")));
  // The command is named where the directory is not at fault.
  EXPECT_EQ("starting './cat': No such file or directory", failure_of({"./cat"}, at("/")));
}

TEST_F(SubprocessTest, WhatNoSystemTakesIsRefusedBeforeAnythingIsStarted) {
  EXPECT_EQ("no program to start was given", failure_of({}));
  EXPECT_EQ("embedded null byte in argument 1", failure_of({"cat", std::string("a\0b", 3)}));
  SubprocessOptions options;
  options.cwd = std::string("/\0", 2);
  EXPECT_EQ("embedded null byte in the working directory", failure_of({"cat"}, std::move(options)));
  for (const char* name : {"", "A=B"}) {
    options = {};
    options.env = Environment{{name, "value"}};
    EXPECT_EQ("illegal environment variable name '" + std::string(name) + "'",
              failure_of({"cat"}, std::move(options)));
  }
  options = {};
  options.env = Environment{{"A", std::string("\0", 1)}};
  EXPECT_EQ("embedded null byte in the environment", failure_of({"cat"}, std::move(options)));
  options = {};
  options.stdin_ = Stdio::as_stdout();
  EXPECT_EQ("only stderr can go where stdout goes", failure_of({"cat"}, std::move(options)));
  options = {};
  options.stdout_ = Fd();
  EXPECT_EQ("no descriptor was given for stdout", failure_of({"cat"}, std::move(options)));
  options = {};
  options.process_group = -1;
  EXPECT_EQ("invalid process group -1", failure_of({"cat"}, std::move(options)));
  options = {};
  options.process_group = 0;
  options.start_new_session = true;
  EXPECT_EQ("a new session has a process group of its own",
            failure_of({"cat"}, std::move(options)));
}

TEST_F(SubprocessTest, AFactoryThatFailsStartsNothing) {
  const auto throwing = []() -> std::shared_ptr<ChildProbe> {
    throw std::runtime_error("no protocol today");
  };
  const auto failed = loop_->subprocess_exec(throwing, {"cat"});
  turn(2);
  EXPECT_EQ("no protocol today", outcome_of(failed));
  const auto null = loop_->subprocess_exec([] { return std::shared_ptr<ChildProbe>(); }, {"cat"});
  turn(2);
  EXPECT_EQ("a child process needs a protocol, not null", outcome_of(null));
}

// At whatever descriptor the process runs out, nothing is left behind.
TEST_F(SubprocessTest, RunningOutOfDescriptorsLeavesNothingOpenAndNobodyRunning) {
  rlimit before{};
  ASSERT_EQ(0, ::getrlimit(RLIMIT_NOFILE, &before));
  const int highest = testing::open_fds().rbegin()->first;
  // No number below the highest is free.
  std::vector<Fd> filling;
  do {
    filling.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  } while (filling.back().get() < highest);
  const auto used = static_cast<rlim_t>(std::max(highest, filling.back().get()) + 1);
  int failures = 0;
  for (rlim_t more = 0; more < 10; ++more) {
    record_ = new_record();
    const rlimit tight{used + more, before.rlim_max};
    ASSERT_EQ(0, ::setrlimit(RLIMIT_NOFILE, &tight));
    SubprocessOptions options;
    options.cwd = "/";
    const Started started = begin({"cat"}, std::move(options));
    ASSERT_EQ(0, ::setrlimit(RLIMIT_NOFILE, &before));
    turn(3);
    ASSERT_TRUE(started.done());
    if (started.exception()) {
      ++failures;
      EXPECT_EQ(std::errc::too_many_files_open, code_of(started)) << outcome_of(started);
      EXPECT_EQ("", trace());
    } else {
      record_->transport->close();
      run_until_lost();
    }
  }
  // One directory, three pipes of two ends, one pidfd.
  EXPECT_EQ(8, failures);
}

// ---- Where the program is looked for ----

TEST_F(SubprocessTest, TheProgramIsLookedForInThePathOfTheChild) {
  const TempDirectory directory;
  make_file(directory, "hello", "#!/bin/sh\necho hello $A\n", executable);
  SubprocessOptions options;
  options.env = Environment{{"PATH", "/no/such:" + directory.file("")}, {"A", "there"}};
  EXPECT_EQ("hello there\n", output_of({"hello"}, std::move(options)));
  options = {};
  options.env = Environment{{"PATH", "/no/such"}};
  record_ = new_record();
  EXPECT_EQ("starting 'cat': No such file or directory", failure_of({"cat"}, std::move(options)));
}

TEST_F(SubprocessTest, WithoutAPathTheUsualPlacesAreSearched) {
  SubprocessOptions options;
  options.env.emplace();
  EXPECT_EQ("found\n", output_of({"echo", "found"}, std::move(options)));
}

TEST_F(SubprocessTest, AFileInThePathThatMayNotBeRunIsPassedOver) {
  const TempDirectory first;
  const TempDirectory second;
  make_file(first, "tool", "#!/bin/sh\necho first\n", readable);
  const std::string path = make_file(second, "tool", "#!/bin/sh\necho second\n", executable);
  SubprocessOptions options;
  options.env = Environment{{"PATH", first.file("") + ":" + second.file("")}};
  EXPECT_EQ("second\n", output_of({"tool"}, std::move(options)));
  // If no other is found, that one is the error.
  ASSERT_EQ(0, ::chmod(path.c_str(), readable));
  options = {};
  options.env = Environment{{"PATH", first.file("") + ":/no/such"}};
  record_ = new_record();
  EXPECT_EQ("starting 'tool': Permission denied", failure_of({"tool"}, std::move(options)));
}

TEST_F(SubprocessTest, TheWorkingDirectoryIsEnteredBeforeARelativeProgramIsLookedFor) {
  const TempDirectory directory;
  make_file(directory, "here", "#!/bin/sh\necho $PWD/\n", executable);
  for (const char* program : {"./here", "here"}) {
    record_ = new_record();
    SubprocessOptions options;
    options.cwd = directory.file("");
    options.env = Environment{{"PATH", "/usr/bin::/bin"}};
    EXPECT_EQ(directory.file("") + "\n", output_of({program}, std::move(options)));
  }
}

// ---- What the child finds ----

TEST_F(SubprocessTest, TheEnvironmentIsOursOrTheOneThatIsGiven) {
  ASSERT_EQ(0, ::setenv("SLUICE_TEST", "from here", 1));
  EXPECT_EQ("from here", current_environment()["SLUICE_TEST"]);
  EXPECT_EQ("from here\n", output_of_shell("echo $SLUICE_TEST"));
  ASSERT_EQ(0, ::unsetenv("SLUICE_TEST"));
  SubprocessOptions options;
  options.env = Environment{{"ONLY", "this = all"}};
  record_ = new_record();
  EXPECT_EQ("ONLY=this = all\n", output_of({"/usr/bin/env"}, std::move(options)));
}

TEST_F(SubprocessTest, ArgumentsArriveAsTheyAre) {
  EXPECT_EQ("a b\n$HOME\n\n*\n", output_of({"printf", "%s\\n", "a b", "$HOME", "", "*"}));
}

TEST_F(SubprocessTest, AShellCommandIsTheShells) {
  SubprocessOptions options;
  options.stdin_ = Stdio::devnull();
  shell("echo $((6 * 7)) | tr 4 5", std::move(options));
  run_until_lost();
  EXPECT_EQ("52\n", record_->received[1]);
}

TEST_F(SubprocessTest, NoDescriptorOfOursIsInherited) {
  // One that anybody could have left without close-on-exec.
  const Fd forgotten(::open("/dev/null", O_RDONLY));
  ASSERT_GE(::fcntl(forgotten.get(), F_DUPFD, 50), 0);
  EXPECT_EQ("0\n1\n2\n3\n", output_of({"ls", "/proc/self/fd"}));
  ::close(50);
}

TEST_F(SubprocessTest, ThePipesOfTheChildBlock) {
  SubprocessOptions options;
  options.stderr_ = Stdio::pipe();
  start({"/bin/sh", "-c", "cat /proc/self/fdinfo/0 /proc/self/fdinfo/1 /proc/self/fdinfo/2"},
        std::move(options));
  run_until_lost();
  const std::string& text = record_->received[1];
  EXPECT_NE(std::string::npos, text.find("flags:"));
  for (std::size_t at = text.find("flags:"); at != std::string::npos;
       at = text.find("flags:", at + 1)) {
    EXPECT_EQ(0, std::strtol(text.c_str() + at + 6, nullptr, 8) & O_NONBLOCK) << text;
  }
}

TEST_F(SubprocessTest, SignalsAreAtTheirDefaultsInTheChild) {
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR1);
  ASSERT_EQ(0, ::pthread_sigmask(SIG_BLOCK, &blocked, &before));
  const auto ignored_before = ::signal(SIGHUP, SIG_IGN);
  // The last seven digits: the C library ignores two of its own, whose numbers are above.
  const Argv look{"sed", "-nE", "s/^(Sig(Blk|Ign):).*(.{7})$/\\1\\3/p", "/proc/self/status"};
  EXPECT_EQ("SigBlk:0000000\nSigIgn:0000000\n", output_of(look));
  SubprocessOptions options;
  options.restore_signals = false;
  record_ = new_record();
  EXPECT_EQ("SigBlk:0000200\nSigIgn:0000001\n", output_of(look, std::move(options)));
  ::signal(SIGHUP, ignored_before);
  ASSERT_EQ(0, ::pthread_sigmask(SIG_SETMASK, &before, nullptr));
}

// What was started before the memory ran out is ended, and nobody hears of it.
TEST_F(SubprocessTest, NoChildAndNoDescriptorIsLeftWhereverTheStartRunsOutOfMemory) {
  turn();
  const auto before = testing::open_fds();
  std::size_t failures = 0;
  while (record_->trace.empty()) {
    try {
      const testing::FailingAllocation failing(failures + 1);
      static_cast<void>(begin({"sleep", "1000"}));
    } catch (const std::bad_alloc&) {
      // Too early for a future.
    }
    loop_->set_exception_handler([](const ExceptionContext&) {});  // of futures nobody looked at
    turn(3);
    if (record_->trace.empty()) {
      ++failures;
      EXPECT_EQ(-1, ::waitpid(-1, nullptr, WNOHANG)) << "failure " << failures;
      EXPECT_EQ(ECHILD, errno);
      EXPECT_EQ(before, testing::open_fds()) << "failure " << failures;
    }
  }
  EXPECT_LT(20U, failures);
  EXPECT_EQ("CM", trace());
  record_->transport->close();
  run_until_lost();
}

TEST_F(SubprocessTest, AProcessGroupOfItsOwnCanBeKilledAsAWhole) {
  SubprocessOptions options;
  options.process_group = 0;
  options.stdin_ = Stdio::devnull();
  const SubprocessTransport& child = shell("sleep 1000 & echo ready; wait", std::move(options));
  run_until("the grandchild", [this] { return record_->received[1] == "ready\n"; });
  EXPECT_EQ(child.pid(), ::getpgid(child.pid()));
  ASSERT_EQ(0, ::kill(-child.pid(), SIGKILL));
  // stdout ends, so the grandchild is gone as well.
  run_until_lost();
  EXPECT_EQ(-SIGKILL, child.returncode());
}

TEST_F(SubprocessTest, TheProcessGroupAndTheSessionAreOursUnlessSaidOtherwise) {
  const SubprocessTransport& child = start({"sleep", "1000"}, without_pipes());
  EXPECT_EQ(::getpgid(0), ::getpgid(child.pid()));
  record_->transport->close();
  run_until_lost();
  record_ = new_record();
  SubprocessOptions options = without_pipes();
  options.start_new_session = true;
  const SubprocessTransport& leader = start({"sleep", "1000"}, std::move(options));
  EXPECT_EQ(leader.pid(), ::getsid(leader.pid()));
  record_->transport->close();
  run_until_lost();
}

}  // namespace
}  // namespace sluice::transports
