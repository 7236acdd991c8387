// Child processes as streams: W-200, W-207, W-209, W-210, and rules C-27 to C-30 of
// docs/coroutines.md.

#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "sluice/sluice.hpp"

namespace sluice::streams {
namespace {

using Texts = std::vector<std::string>;
using Argv = std::vector<std::string>;
using namespace std::chrono_literals;

class Processes : public ::testing::Test {
 protected:
  /// Long enough for the slowest machine; a test that waits as long has failed.
  static constexpr auto patience = 30s;

  Processes() {
    LoopOptions options;
    options.log = [this](LogLevel level, std::string_view message) {
      if (level >= LogLevel::warning) {
        logged_.emplace_back(message);
      }
    };
    loop_ = std::make_unique<EventLoop>(std::move(options));
    loop_->set_exception_handler([this](const ExceptionContext& context) {
      reports_.push_back(context.message + ": " + context.what());
    });
  }
  void TearDown() override {
    loop_.reset();
    EXPECT_EQ(Texts{}, reports_);
    EXPECT_EQ(Texts{}, logged_);
  }

  template <class T>
  T run(Task<T> task) {
    return loop_->run_until_complete(wait_for(std::move(task), patience));
  }
  static ProcessOptions all_pipes() {
    return {.stdin_ = Stdio::pipe(), .stdout_ = Stdio::pipe(), .stderr_ = Stdio::pipe()};
  }
  static ProcessOptions only_output() {
    return {.stdin_ = Stdio::devnull(), .stdout_ = Stdio::pipe(), .limit = 1024};
  }
  Process start(Argv argv, ProcessOptions options = all_pipes()) {
    return run(create_subprocess_exec(std::move(argv), std::move(options)));
  }
  Process shell(std::string command, ProcessOptions options = all_pipes()) {
    return run(create_subprocess_shell(std::move(command), std::move(options)));
  }
  int wait(const Process& process) {
    const auto waiting = [](Process child) -> Task<int> { co_return co_await child.wait(); };
    return run(waiting(process));
  }
  std::string read(StreamReader from, std::size_t count) {
    const auto reading = [](StreamReader reader, std::size_t bytes) -> Task<std::string> {
      co_return co_await reader.readexactly(bytes);
    };
    return run(reading(std::move(from), count));
  }
  void turn(int count = 1) {
    for (int i = 0; i < count; ++i) {
      loop_->stop();
      loop_->run_forever();
    }
  }
  /// Turns until `condition` holds.
  template <class Condition>
  void run_until(Condition condition) {
    const auto reached = [](Condition holds) -> Task<> {
      while (!holds()) {
        co_await sleep(1ms);
      }
    };
    run(reached(std::move(condition)));
  }
  static std::string megabyte() { return std::string(1 << 20, 'x'); }

  Texts logged_;
  Texts reports_;
  std::unique_ptr<EventLoop> loop_;
};

TEST_F(Processes, W210_CommunicateFeedsStdinAndGivesBothOutputs) {
  const Process process = shell("cat; echo oops >&2; exit 3");
  auto [output, errors] = run(process.communicate("hello"));
  EXPECT_EQ("hello", output);
  EXPECT_EQ("oops\n", errors);
  EXPECT_EQ(3, process.returncode());
  EXPECT_TRUE(process.stdin_()->is_closing());
}

// W-210: more than the pipes and the marks hold, in both directions at a time.
TEST_F(Processes, W210_CommunicateDoesNotStandStillHoweverMuchGoesBothWays) {
  const Process process = start({"cat"});
  EXPECT_EQ(megabyte() + megabyte(), run(process.communicate(megabyte() + megabyte())).stdout_);
  EXPECT_EQ(0, process.returncode());
}

TEST_F(Processes, W210_AChildThatDoesNotTakeAllOfItsInputIsNoError) {
  const Process process = start({"head", "-c", "1"});
  EXPECT_EQ("x", run(process.communicate(megabyte())).stdout_);
  EXPECT_EQ(0, process.returncode());
}

TEST_F(Processes, W210_AChildThatHasEndedBeforeIsNoErrorEither) {
  const Process process = start({"true"});
  EXPECT_EQ(0, wait(process));
  EXPECT_EQ("", run(process.communicate(megabyte())).stdout_);
}

TEST_F(Processes, W210_CommunicateWithoutInputClosesStdin) {
  const Process process = start({"cat"});
  EXPECT_EQ("", run(process.communicate()).stdout_);
  EXPECT_EQ(0, process.returncode());
}

TEST_F(Processes, CommunicateGivesWhatGzipMakesAndGunzipMakesItBack) {
  const std::string packed = run(start({"gzip", "-c"}).communicate(megabyte())).stdout_;
  EXPECT_GT(megabyte().size() / 100, packed.size());
  EXPECT_EQ(megabyte(), run(start({"gzip", "-dc"}).communicate(packed)).stdout_);
}

TEST_F(Processes, CommunicateWithoutPipesWaitsForTheEnd) {
  ProcessOptions options;
  options.stdin_ = Stdio::devnull();
  const Process process = start({"sh", "-c", "exit 7"}, std::move(options));
  const ProcessOutput output = run(process.communicate());
  EXPECT_EQ("", output.stdout_ + output.stderr_);
  EXPECT_EQ(7, process.returncode());
}

TEST_F(Processes, CommunicateRefusesInputThatHasNowhereToGo) {
  ProcessOptions options;
  options.stdin_ = Stdio::devnull();
  const Process process = start({"true"}, std::move(options));
  EXPECT_THROW(run(process.communicate("text")), std::logic_error);
  EXPECT_EQ(0, wait(process));
}

// asyncio's default, other than that of subprocess_exec.
TEST_F(Processes, NothingIsAPipeUnlessAskedFor) {
  const Process process = start({"true"}, {});
  EXPECT_FALSE(process.stdin_().has_value());
  EXPECT_FALSE(process.stdout_().has_value());
  EXPECT_FALSE(process.stderr_().has_value());
  EXPECT_EQ(0, wait(process));
}

// W-200
TEST_F(Processes, W200_AChildIsTalkedToLineByLine) {
  const auto talk = []() -> Task<std::string> {
    Task<Process> starting =
        create_subprocess_exec({"cat"}, {.stdin_ = Stdio::pipe(), .stdout_ = Stdio::pipe()});
    const Process process = co_await std::move(starting);
    std::string said;
    for (int i = 1; i <= 2; ++i) {
      const std::string line = "line " + std::to_string(i) + "\n";
      process.stdin_()->write(line);
      co_await process.stdin_()->drain();
      said += co_await process.stdout_()->readline();
    }
    process.stdin_()->close();
    co_await process.stdin_()->wait_closed();
    said += std::to_string(co_await process.wait());
    co_return said;
  };
  EXPECT_EQ("line 1\nline 2\n0", run(talk()));
}

TEST_F(Processes, W207_WaitClosedOfStdinThrowsEpipeWhenTheChildDidNotTakeEverything) {
  const Process process = start({"head", "-c", "1"});
  process.stdin_()->write(megabyte());
  const auto closed = [](StreamWriter writer) -> Task<> { co_await writer.wait_closed(); };
  try {
    run(closed(*process.stdin_()));
    ADD_FAILURE() << "it was closed without an error";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::broken_pipe);
  }
  EXPECT_EQ(0, wait(process));
}

TEST_F(Processes, W207_WaitClosedOfStdinGoesOnWhenTheChildTookEverything) {
  const Process process = start({"cat"});
  process.stdin_()->write("text");
  process.stdin_()->close();
  const auto closed = [](StreamWriter writer) -> Task<> { co_await writer.wait_closed(); };
  run(closed(*process.stdin_()));
  EXPECT_EQ("text", read(*process.stdout_(), 4));
  EXPECT_EQ(0, wait(process));
}

// W-202
TEST_F(Processes, W202_DrainWaitsForAChildThatDoesNotReadAndThrowsWhenItDies) {
  const Process process = start({"sleep", "1000"});
  process.stdin_()->write(megabyte());
  const auto drain = [](StreamWriter writer) -> Task<> { co_await writer.drain(); };
  const Future<void> draining = loop_->create_task(drain(*process.stdin_()));
  turn(3);
  EXPECT_FALSE(draining.done());
  EXPECT_FALSE(process.kill());
  run_until([&] { return draining.done(); });
  try {
    draining.get();
    ADD_FAILURE() << "there was room";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::broken_pipe);
  }
  EXPECT_EQ(-SIGKILL, wait(process));
}

TEST_F(Processes, AReaderThatIsNotReadHoldsUpTheChild) {
  ProcessOptions options = all_pipes();
  options.limit = 1024;
  const Process process = start({"head", "-c", "1000000", "/dev/zero"}, std::move(options));
  run_until([&] { return !process.transport()->stdout_transport()->is_reading(); });
  turn(10);
  EXPECT_EQ(std::nullopt, process.returncode());
  const auto rest = [](StreamReader reader) -> Task<std::string> {
    co_return co_await reader.read();
  };
  EXPECT_EQ(1'000'000U, run(rest(*process.stdout_())).size());
  EXPECT_EQ(0, wait(process));
}

// asyncio had wait() hang as long as a grandchild held a pipe.
TEST_F(Processes, WaitGoesOnAtTheChildsEndThoughAGrandchildHoldsItsPipes) {
  const Process process = shell("sleep 1000 & echo $!");
  EXPECT_EQ(0, wait(process));
  const auto line = [](StreamReader reader) -> Task<std::string> {
    co_return co_await reader.readline();
  };
  const int grandchild = std::stoi(run(line(*process.stdout_())));
  EXPECT_FALSE(process.stdout_()->at_eof());
  EXPECT_EQ(0, ::kill(grandchild, SIGKILL));
  const ProcessOutput rest = run(process.communicate());
  EXPECT_EQ("", rest.stdout_);
}

TEST_F(Processes, AnyNumberOfTasksMayWaitAndOneThatIsCancelledLeavesTheOthers) {
  const Process process = start({"cat"});
  const auto waiting = [](Process child) -> Task<int> { co_return co_await child.wait(); };
  const Future<int> first = loop_->create_task(waiting(process));
  const Future<int> second = loop_->create_task(waiting(process));
  turn(2);
  EXPECT_TRUE(first.cancel());
  turn();
  EXPECT_TRUE(first.cancelled());
  EXPECT_FALSE(process.terminate());
  EXPECT_EQ(-SIGTERM, wait(process));
  EXPECT_EQ(-SIGTERM, second.get());
  EXPECT_EQ(-SIGTERM, wait(process));
}

TEST_F(Processes, SignalsGoToTheChildAndItsNumberIsKnown) {
  const Process process = start({"cat"});
  EXPECT_EQ(0, ::kill(process.pid(), 0));
  EXPECT_EQ(std::nullopt, process.returncode());
  EXPECT_FALSE(process.send_signal(SIGINT));
  EXPECT_EQ(-SIGINT, wait(process));
}

TEST_F(Processes, ACommunicateThatIsCancelledLeavesTheChildAndLosesNoByte) {
  const Process process = shell("echo first; cat; echo last");
  const Future<ProcessOutput> first = loop_->create_task(process.communicate(megabyte()));
  turn(3);
  EXPECT_FALSE(first.done());
  EXPECT_TRUE(first.cancel());
  run_until([&] { return first.done(); });
  EXPECT_TRUE(first.cancelled());
  EXPECT_EQ(std::nullopt, process.returncode());
  const std::string all = run(process.communicate()).stdout_;
  EXPECT_TRUE(all == "first\n" + megabyte() + "last\n") << all.size() << " bytes";
}

TEST_F(Processes, AfterACancelledCommunicateWhatWasReadIsStillThere) {
  const Process process = shell("echo first; exec sleep 1000");
  const Future<ProcessOutput> talking = loop_->create_task(process.communicate("text"));
  turn(2);
  EXPECT_TRUE(talking.cancel());
  run_until([&] { return talking.done(); });
  EXPECT_EQ("first\n", read(*process.stdout_(), 6));
  EXPECT_FALSE(process.kill());
  EXPECT_EQ(-SIGKILL, wait(process));
}

// C-30: the end of one output is not the end of communicate().
TEST_F(Processes, ACancelledCommunicateKeepsAnOutputThatHasEndedAlready) {
  const Process process = shell("echo first; exec sleep 1000 >&-");
  const Future<ProcessOutput> talking = loop_->create_task(process.communicate());
  run_until([&] { return process.transport()->stdout_transport()->is_closing(); });
  // Whoever waits for the end hears of it.
  turn(5);
  EXPECT_FALSE(process.transport()->stderr_transport()->is_closing());
  EXPECT_TRUE(talking.cancel());
  run_until([&] { return talking.done(); });
  EXPECT_TRUE(talking.cancelled());
  EXPECT_FALSE(process.kill());
  EXPECT_EQ("first\n", run(process.communicate()).stdout_);
}

TEST_F(Processes, ACommunicateThatIsCancelledWhileItWaitsForTheChildsEndKeepsBothOutputs) {
  const Process process = shell("echo first; echo second >&2; exec sleep 1000 >&- 2>&-");
  const Future<ProcessOutput> talking = loop_->create_task(process.communicate());
  run_until([&] {
    return process.transport()->stdout_transport()->is_closing() &&
           process.transport()->stderr_transport()->is_closing();
  });
  turn(5);
  EXPECT_EQ(std::nullopt, process.returncode());
  EXPECT_TRUE(talking.cancel());
  run_until([&] { return talking.done(); });
  EXPECT_TRUE(talking.cancelled());
  EXPECT_FALSE(process.kill());
  const auto [output, errors] = run(process.communicate());
  EXPECT_EQ("first\n", output);
  EXPECT_EQ("second\n", errors);
}

TEST_F(Processes, CommunicateThrowsWhenSomebodyElseReadsAndTakesNothing) {
  const Process process = shell("echo first; exec cat");
  const auto reading = [](StreamReader reader) -> Task<std::string> {
    co_return co_await reader.readexactly(1000);
  };
  const Future<std::string> other = loop_->create_task(reading(*process.stderr_()));
  turn();
  EXPECT_THROW(run(process.communicate()), std::logic_error);
  EXPECT_TRUE(other.cancel());
  run_until([&] { return process.returncode().has_value(); });
  turn(5);
  EXPECT_EQ("first\n", run(process.communicate()).stdout_);
}

TEST_F(Processes, ACancelledStartKillsWhatWasStarted) {
  std::array<int, 2> ends{};
  ASSERT_EQ(0, ::pipe2(ends.data(), O_CLOEXEC));
  ProcessOptions options = all_pipes();
  options.stderr_ = Stdio(Fd(ends[1]));
  const Future<Process> starting =
      loop_->create_task(create_subprocess_exec({"sleep", "1000"}, std::move(options)));
  turn();
  EXPECT_FALSE(starting.done());
  EXPECT_TRUE(starting.cancel());
  run_until([&] { return starting.done(); });
  EXPECT_TRUE(starting.cancelled());
  // The end of this pipe is that of the child.
  const auto end = [](Fd fd) -> Task<std::string> {
    const ReadPipeStream pipe = co_await open_read_pipe(std::move(fd));
    co_return co_await StreamReader(pipe.reader).read();
  };
  EXPECT_EQ("", run(end(Fd(ends[0]))));
}

TEST_F(Processes, WhatCannotBeStartedIsThrown) {
  try {
    start({"/nonexistent/program"});
    ADD_FAILURE() << "it was started";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
    EXPECT_NE(std::string(error.what()).find("/nonexistent/program"), std::string::npos);
  }
}

TEST_F(Processes, OptionsReachTheChild) {
  ProcessOptions options = all_pipes();
  options.cwd = "/";
  options.env = Environment{{"NAME", "value"}, {"PATH", "/usr/bin:/bin"}};
  options.start_new_session = true;
  const Process process = shell("pwd; echo $NAME", std::move(options));
  EXPECT_EQ("/\nvalue\n", run(process.communicate()).stdout_);
}

// W-209
TEST_F(Processes, W209_AProcessThatIsDroppedClosesItsPipesWithAWarningAndTheChildIsCollected) {
  int pid = 0;
  {
    const Process process = start({"cat"});
    pid = process.pid();
    const Process copy = process;
  }
  EXPECT_EQ(1U, logged_.size());
  logged_.clear();
  // Gone, and no zombie: only one that was collected cannot be signalled.
  run_until([&] { return ::kill(pid, 0) == -1; });
}

TEST_F(Processes, AProcessThatIsDroppedAfterItsEndSaysNothing) {
  {
    const Process process = shell("exec 3<&0; sleep 1000 <&3 & echo $!");
    EXPECT_EQ(0, wait(process));
    const auto line = [](StreamReader reader) -> Task<std::string> {
      co_return co_await reader.readline();
    };
    EXPECT_EQ(0, ::kill(std::stoi(run(line(*process.stdout_()))), SIGKILL));
    EXPECT_FALSE(process.stdin_()->is_closing());
  }
  turn(3);
}

TEST_F(Processes, AStreamOutlivesItsProcess) {
  std::optional<Process> process = shell("echo text", {.stdout_ = Stdio::pipe()});
  const StreamReader reader = *process->stdout_();
  process.reset();
  EXPECT_EQ("text\n", read(reader, 5));
}

// C-31
TEST_F(Processes, AnOutputThatNobodyCanReadAnyMoreIsClosed) {
  int pid = 0;
  {
    const Process process = start({"yes"}, only_output());
    pid = process.pid();
    read(*process.stdout_(), 4);
  }
  run_until([&] { return ::kill(pid, 0) == -1; });
}

// The child is held up: no data comes that would tell that there is nobody to take it.
TEST_F(Processes, AnOutputThatIsPausedIsClosedWithItsLastReader) {
  std::optional<Process> process = start({"yes"}, only_output());
  const int pid = process->pid();
  const std::shared_ptr<ReadTransport> pipe = process->transport()->stdout_transport();
  std::optional<StreamReader> reader = process->stdout_();
  run_until([&] { return !pipe->is_reading(); });
  process.reset();
  EXPECT_FALSE(pipe->is_closing());
  EXPECT_EQ("y\n", read(*reader, 2));
  reader.reset();
  EXPECT_TRUE(pipe->is_closing());
  run_until([&] { return ::kill(pid, 0) == -1; });
}

TEST_F(Processes, TheOutputOfAQuietChildIsClosedWithItsLastReader) {
  std::optional<Process> process = start({"sleep", "1000"}, only_output());
  const std::shared_ptr<SubprocessTransport> transport = process->transport();
  std::optional<StreamReader> reader = process->stdout_();
  process.reset();
  reader.reset();
  run_until([&] { return transport->stdout_transport()->fileno() == -1; });
  EXPECT_EQ(std::nullopt, transport->returncode());
}

// The reader is the task's, and goes with it.
TEST_F(Processes, AReadThatIsCancelledAfterItsProcessWasDroppedClosesTheOutput) {
  std::optional<Process> process = start({"sleep", "1000"}, only_output());
  const std::shared_ptr<ReadTransport> pipe = process->transport()->stdout_transport();
  const auto reading = [](StreamReader reader) -> Task<std::string> {
    co_return co_await reader.read();
  };
  const Future<std::string> future = loop_->create_task(reading(*process->stdout_()));
  turn(2);
  process.reset();
  turn(2);
  EXPECT_FALSE(pipe->is_closing());
  EXPECT_TRUE(future.cancel());
  run_until([&] { return pipe->is_closing(); });
}

TEST_F(Processes, AReaderThatOutlivesItsLoopIsDroppedInPeace) {
  std::optional<Process> process = start({"yes"}, only_output());
  std::optional<StreamReader> reader = process->stdout_();
  process.reset();
  loop_.reset();
  reader.reset();
}

TEST_F(Processes, ALoopThatIsDestroyedKillsTheChildAndEndsItsTasks) {
  const Process process = start({"sleep", "1000"});
  const auto guard = std::make_shared<int>();
  // The guard is a local of the task from its first step on.
  const auto talk = [](Process child, const std::shared_ptr<int>& shared) -> Task<ProcessOutput> {
    const std::shared_ptr<int> local = shared;
    Task<ProcessOutput> talking = child.communicate(megabyte());
    co_return co_await std::move(talking);
  };
  const Future<ProcessOutput> talking = loop_->create_task(talk(process, guard));
  turn(3);
  EXPECT_EQ(2, guard.use_count());
  EXPECT_EQ(0, ::kill(process.pid(), 0));
  loop_.reset();
  EXPECT_EQ(1, guard.use_count());
  EXPECT_FALSE(talking.done());
  // Gone, and no zombie.
  EXPECT_EQ(-1, ::kill(process.pid(), 0));
  EXPECT_EQ(ESRCH, errno);
}

}  // namespace
}  // namespace sluice::streams
