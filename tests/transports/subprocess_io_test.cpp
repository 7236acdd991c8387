// What goes through a child's pipes, with real ones: cat, gzip, tar, the shell.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <functional>
#include <optional>

#include "testing/fd_guard.hpp"
#include "transports/subprocess_fixture.hpp"

namespace sluice::transports {
namespace {

// FNV-1a, to compare what is too long to keep.
class Hash {
 public:
  void add(std::string_view bytes) {
    for (const char byte : bytes) {
      value_ = (value_ ^ static_cast<unsigned char>(byte)) * 1099511628211U;
    }
    size_ += bytes.size();
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  friend bool operator==(const Hash&, const Hash&) = default;

 private:
  std::uint64_t value_ = 14695981039346656037U;
  std::size_t size_ = 0;
};

SubprocessOptions stdin_and_stdout() {
  SubprocessOptions options;
  options.stderr_ = Stdio::inherit();
  return options;
}

// ---- stdin: a WriteTransport ----

// W-143
TEST_F(SubprocessTest, StdinHasTheDefaultLimitsAndPausesTheChildsProtocol) {
  SubprocessTransport& child = start({"sleep", "1000"}, stdin_and_stdout());
  WriteTransport& in = *child.stdin_transport();
  EXPECT_EQ(default_write_buffer_limits, in.get_write_buffer_limits());
  EXPECT_TRUE(in.can_write_eof());
  in.write(std::string(300'000, 'x'));
  EXPECT_EQ("CM PW", trace());
  child.close();
  run_until_lost();
}

// W-143
TEST_F(SubprocessTest, AChildThatReadsOnResumesTheProtocol) {
  SubprocessTransport& child = shell("read line; exec cat >/dev/null", stdin_and_stdout());
  record_->on_resume = [&] { child.stdin_transport()->write_eof(); };
  child.stdin_transport()->write(std::string(300'000, 'x'));
  EXPECT_EQ("CM PW", trace());
  child.stdin_transport()->write("\n");
  run_until_lost();
  EXPECT_TRUE(trace().starts_with("CM PW RW ")) << trace();
  EXPECT_TRUE(record_->has(" PL0(ok)")) << trace();
}

// W-145
TEST_F(SubprocessTest, AChildThatClosesItsStdinWithNothingPendingIsNoError) {
  SubprocessTransport& child = shell("exec sleep 1000 0<&-", stdin_and_stdout());
  run_until("the pipe's loss", [this] { return record_->has(" PL0"); });
  EXPECT_EQ("CM PL0(ok)", trace());
  EXPECT_EQ(std::nullopt, child.returncode());
  child.close();
  run_until_lost();
}

// W-145, Q-17
TEST_F(SubprocessTest, AChildThatClosesItsStdinWithBytesPendingBreaksIt) {
  SubprocessTransport& child = shell("read line; exec sleep 1000 0<&-", stdin_and_stdout());
  child.stdin_transport()->write(std::string(300'000, '\n'));
  run_until("the pipe's loss", [this] { return record_->has(" PL0"); });
  EXPECT_EQ("CM PW PL0(EPIPE)", trace());
  child.close();
  run_until_lost();
}

// W-148
TEST_F(SubprocessTest, WriteEofGivesTheChildTheEndAfterEverything) {
  SubprocessTransport& child = start({"wc", "-c"}, stdin_and_stdout());
  child.stdin_transport()->write(std::string(1'000'000, 'x'));
  child.stdin_transport()->write_eof();
  run_until_lost();
  EXPECT_EQ("1000000\n", record_->received[1]);
}

// W-148
TEST_F(SubprocessTest, AbortGivesTheChildTheEndAtOnceAndDropsTheRest) {
  SubprocessTransport& child = shell("read line; wc -c", stdin_and_stdout());
  WriteTransport& in = *child.stdin_transport();
  in.write("\n");
  turn();
  in.write(std::string(1'000'000, 'x'));
  in.abort();
  run_until_lost();
  EXPECT_TRUE(record_->has(" PL0(ok)")) << trace();
  const WriteStatistics statistics = in.write_statistics();
  EXPECT_GT(statistics.bytes_discarded, 0U);
  EXPECT_EQ(1'000'001U, statistics.bytes_written + statistics.bytes_discarded);
  EXPECT_LT(std::stoul(record_->received[1]), 1'000'000U);
}

// T-18
TEST_F(SubprocessTest, T18_AChildKilledWhileItsStdinIsPausedIsNeverResumed) {
  SubprocessTransport& child = start({"sleep", "1000"}, stdin_and_stdout());
  record_->on_pause = [&] { EXPECT_FALSE(child.kill()); };
  child.stdin_transport()->write(std::string(1'000'000, 'x'));
  run_until_lost();
  EXPECT_TRUE(trace().starts_with("CM PW ")) << trace();
  EXPECT_TRUE(record_->has(" PL0(EPIPE)")) << trace();
  EXPECT_TRUE(record_->has(" PX")) << trace();
  EXPECT_FALSE(record_->has(" RW")) << trace();
  EXPECT_TRUE(trace().ends_with(" CL(ok)")) << trace();
  EXPECT_EQ(-SIGKILL, child.returncode());
}

// ---- Real programs ----

// Both pipes are full again and again: the protocol writes until it is paused, and reads now and
// then.
TEST_F(SubprocessTest, SixtyFourMebibytesThroughCatArriveUnchanged) {
  constexpr std::size_t total = 64UL << 20U;
  const std::string block = testing::pattern(0, 1'000'003);
  SubprocessTransport& child = start({"cat"}, stdin_and_stdout());
  WriteTransport& in = *child.stdin_transport();
  Hash sent;
  Hash received;
  bool paused = false;
  const auto produce = [&] {
    while (!paused && sent.size() < total) {
      const std::string_view part =
          std::string_view(block).substr(0, std::min(block.size(), total - sent.size()));
      sent.add(part);
      in.write(part);
    }
    if (sent.size() == total) {
      in.write_eof();
    }
  };
  record_->on_pause = [&] { paused = true; };
  record_->on_resume = [&] {
    paused = false;
    produce();
  };
  std::size_t reads = 0;
  record_->on_data = [&](int) {
    received.add(std::exchange(record_->received[1], {}));
    if (++reads % 16 == 0) {
      child.stdout_transport()->pause_reading();
      loop_->call_soon([&] { child.stdout_transport()->resume_reading(); });
    }
  };
  produce();
  run_until_lost();
  EXPECT_EQ(total, received.size());
  EXPECT_TRUE(sent == received);
  EXPECT_GT(in.write_statistics().pauses, 10U);
}

TEST_F(SubprocessTest, WhatGzipPacksGzipUnpacks) {
  const std::string plain = testing::pattern(0, 3'000'000);
  const auto through = [this](Argv argv, const std::string& input) {
    record_ = new_record();
    start(std::move(argv), stdin_and_stdout()).stdin_transport()->write(input);
    record_->transport->stdin_transport()->write_eof();
    run_until_lost();
    EXPECT_EQ(0, record_->transport->returncode());
    return record_->received[1];
  };
  const std::string packed = through({"gzip", "-c"}, plain);
  EXPECT_LT(packed.size(), plain.size());
  EXPECT_TRUE(plain == through({"gzip", "-dc"}, packed));
}

TEST_F(SubprocessTest, AnArchiveOfTarIsUnpackedByTar) {
  const testing::TempDirectory from;
  const testing::TempDirectory to;
  std::ofstream(from.file("one")) << "first";
  std::ofstream(from.file("two")) << testing::pattern(0, 500'000);
  const std::string archive = output_of({"tar", "-C", from.file(""), "-cf", "-", "."});
  EXPECT_EQ(0, record_->transport->returncode());
  record_ = new_record();
  start({"tar", "-C", to.file(""), "-xf", "-"}).stdin_transport()->write(archive);
  record_->transport->stdin_transport()->close();
  run_until_lost();
  EXPECT_EQ(0, record_->transport->returncode());
  std::ifstream two(to.file("two"));
  EXPECT_TRUE(testing::pattern(0, 500'000) == std::string(std::istreambuf_iterator<char>(two), {}));
}

TEST_F(SubprocessTest, AReaderThatPausesInConnectionMadeHearsNothingUntilItResumes) {
  record_->on_made = [this] { record_->transport->stdout_transport()->pause_reading(); };
  SubprocessOptions options;
  options.stdin_ = Stdio::devnull();
  options.stderr_ = Stdio::devnull();
  SubprocessTransport& child = shell("echo early", std::move(options));
  run_until("the exit", [this] { return record_->has(" PX"); });
  turn(3);
  EXPECT_EQ("CM PX", trace());
  child.stdout_transport()->resume_reading();
  run_until_lost();
  EXPECT_EQ("early\n", record_->received[1]);
}

// ---- Where 0, 1 and 2 go ----

TEST_F(SubprocessTest, StdoutAndStderrAreToldApart) {
  output_of_shell("echo out; echo err >&2");
  EXPECT_EQ("out\n", record_->received[1]);
  EXPECT_EQ("err\n", record_->received[2]);
}

TEST_F(SubprocessTest, StderrCanGoWhereStdoutGoes) {
  SubprocessOptions options;
  options.stderr_ = Stdio::as_stdout();
  EXPECT_EQ("out\nerr\n", output_of_shell("echo out; echo err >&2", std::move(options)));
  EXPECT_EQ(nullptr, record_->transport->stderr_transport());
  options = {};
  options.stdout_ = Stdio::devnull();
  options.stderr_ = Stdio::as_stdout();
  record_ = new_record();
  EXPECT_EQ("", output_of_shell("echo out; echo err >&2", std::move(options)));
}

TEST_F(SubprocessTest, ADescriptorThatIsGivenIsTheChildsAndIsClosedHere) {
  testing::FdPair in = testing::make_pipe_pair();
  testing::FdPair out = testing::make_pipe_pair();
  const int given = in.peer.get();
  ASSERT_EQ(5, ::write(in.transport.get(), "given", 5));
  in.transport.reset();
  SubprocessOptions options;
  options.stdin_ = std::move(in.peer);
  options.stdout_ = std::move(out.transport);
  options.stderr_ = Stdio::devnull();
  start({"cat"}, std::move(options));
  EXPECT_FALSE(testing::open_fds().contains(given));
  run_until_lost();
  EXPECT_EQ("CM PX CL(ok)", trace());
  std::array<char, 16> text{};
  ASSERT_EQ(5, ::read(out.peer.get(), text.data(), text.size()));
  EXPECT_EQ("given", std::string(text.data()));
  EXPECT_EQ(0, ::read(out.peer.get(), text.data(), text.size()));
}

TEST_F(SubprocessTest, ADescriptorThatIsGivenIsClosedAlsoWhenNothingIsStarted) {
  testing::FdPair pair = testing::make_pipe_pair();
  const int given = pair.transport.get();
  SubprocessOptions options;
  options.stdout_ = std::move(pair.transport);
  const Started failed = begin({"no-such-command"}, std::move(options));
  EXPECT_FALSE(testing::open_fds().contains(given));
  turn(2);
  EXPECT_EQ(std::errc::no_such_file_or_directory, code_of(failed));
}

TEST_F(SubprocessTest, ANumberThatIsNotOpenFailsTheFuture) {
  constexpr int never_open = 1000;
  SubprocessOptions options;
  options.stdout_ = Fd(never_open);
  EXPECT_EQ("starting 'cat': Bad file descriptor", failure_of({"cat"}, std::move(options)));
}

// Takes 0, 1 and 2 away from the process, and gives them back.
class WithoutStdio {
 public:
  WithoutStdio() {
    for (int fd = 0; fd < 3; ++fd) {
      constexpr int out_of_the_way = 100;
      kept_[static_cast<std::size_t>(fd)] = ::fcntl(fd, F_DUPFD_CLOEXEC, out_of_the_way);
      ::close(fd);
    }
  }
  WithoutStdio(const WithoutStdio&) = delete;
  WithoutStdio& operator=(const WithoutStdio&) = delete;
  ~WithoutStdio() {
    for (int fd = 0; fd < 3; ++fd) {
      const int kept = kept_[static_cast<std::size_t>(fd)];
      ::close(fd);
      if (kept >= 0) {
        ::dup2(kept, fd);
        ::close(kept);
      }
    }
  }

 private:
  std::array<int, 3> kept_{};
};

// The ends of the pipes have the numbers 0, 1 and 2 themselves, and must not overwrite each other.
TEST_F(SubprocessTest, PipesThatLandOnTheStandardNumbersArriveWhereTheyBelong) {
  std::string out;
  std::string err;
  {
    const WithoutStdio without;
    shell("cat; echo wrong >&2").stdin_transport()->write("right");
    record_->transport->stdin_transport()->write_eof();
    run_until_lost();
    out = record_->received[1];
    err = record_->received[2];
    turn(2);
  }
  EXPECT_EQ("right", out);
  EXPECT_EQ("wrong\n", err);
}

// The child's stdin is our 1, its stdout our 0; its stderr is our 2 already.
TEST_F(SubprocessTest, GivenDescriptorsMayBeCrossed) {
  testing::FdPair in = testing::make_pipe_pair();
  testing::FdPair out = testing::make_pipe_pair();
  testing::FdPair err = testing::make_pipe_pair();
  ASSERT_EQ(7, ::write(in.transport.get(), "crossed", 7));
  in.transport.reset();
  bool on_exec_closed = false;
  {
    const WithoutStdio without;
    ::dup2(out.transport.get(), 0);
    ::dup2(in.peer.get(), 1);
    ::dup3(err.transport.get(), 2, O_CLOEXEC);
    on_exec_closed = ::fcntl(2, F_GETFD) == FD_CLOEXEC;
    SubprocessOptions options;
    options.stdin_ = Fd(1);
    options.stdout_ = Fd(0);
    options.stderr_ = Fd(2);
    shell("cat; echo same >&2", std::move(options));
    run_until_lost();
    turn(2);
  }
  EXPECT_TRUE(on_exec_closed);
  in.peer.reset();
  out.transport.reset();
  err.transport.reset();
  std::array<char, 16> text{};
  EXPECT_EQ(7, ::read(out.peer.get(), text.data(), text.size()));
  EXPECT_EQ("crossed", std::string(text.data()));
  EXPECT_EQ(5, ::read(err.peer.get(), text.data(), text.size()));
  EXPECT_EQ("same\n", std::string(text.data(), 5));
}

TEST_F(SubprocessTest, WhatIsInheritedIsWhatThisProgramHasThere) {
  testing::FdPair out = testing::make_pipe_pair();
  int returncode = -1;
  {
    const WithoutStdio without;
    ::dup2(out.transport.get(), 1);
    SubprocessOptions options;
    options.stdin_ = Stdio::inherit();
    options.stdout_ = Stdio::inherit();
    options.stderr_ = Stdio::as_stdout();
    // 0 is closed here and so is the child's.
    shell("echo inherited; test -e /proc/$$/fd/0 || echo closed >&2", std::move(options));
    run_until_lost();
    returncode = record_->transport->returncode().value_or(-1);
    turn(2);
  }
  out.transport.reset();
  std::array<char, 32> text{};
  EXPECT_EQ(17, ::read(out.peer.get(), text.data(), text.size()));
  EXPECT_EQ("inherited\nclosed\n", std::string(text.data()));
  EXPECT_EQ(0, returncode);
}

}  // namespace
}  // namespace sluice::transports
