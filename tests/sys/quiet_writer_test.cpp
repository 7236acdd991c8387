// P-1: the disposition of SIGPIPE is the default one here, so a signal that got through would end
// the program.
#include "sys/quiet_writer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "sluice/fd.hpp"

namespace sluice::sys {
namespace {

// What the stand-ins for the system's call are told and tell: a pointer to a function has no place
// for it.
struct Calls {
  int made = 0;
  int refusal = EOPNOTSUPP;
  int refusing_fd = -1;
};
Calls calls;

ssize_t refuse(int, const iovec*, int, off_t, int) {
  ++calls.made;
  errno = calls.refusal;
  return -1;
}

// As a kernel that knows the flag, but for one device.
ssize_t know(int fd, const iovec* pieces, int count, off_t offset, int flags) {
  EXPECT_EQ(-1, offset);
  EXPECT_EQ(write_without_signal, flags);
  if (fd == calls.refusing_fd) {
    return refuse(fd, pieces, count, offset, flags);
  }
  ++calls.made;
  return ::writev(fd, pieces, count);
}

class QuietWrites : public ::testing::Test {
 protected:
  QuietWrites() {
    calls = {};
    std::array<int, 2> ends{};
    EXPECT_EQ(0, ::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK));
    reading_.reset(ends[0]);
    writing_.reset(ends[1]);
  }
  static Result<std::size_t> write(QuietWriter& writer, const Fd& fd) {
    std::array<char, 3> text{'a', 'b', 'c'};
    const std::array pieces{iovec{text.data(), 1}, iovec{&text[1], 2}};
    return writer.write(fd.get(), pieces);
  }
  // Until the pipe is empty.
  std::string read_all() {
    std::array<char, 64> memory{};
    const ssize_t count = ::read(reading_.get(), memory.data(), memory.size());
    return count > 0 ? std::string(memory.data(), static_cast<std::size_t>(count)) : std::string();
  }
  static void expect_no_signal() {
    sigset_t set;
    ::sigpending(&set);
    EXPECT_EQ(0, ::sigismember(&set, SIGPIPE));
    ::pthread_sigmask(SIG_SETMASK, nullptr, &set);
    EXPECT_EQ(0, ::sigismember(&set, SIGPIPE));
  }
  void expect_broken_pipe_told(QuietWriter& writer) {
    reading_.reset();
    for (int again = 0; again < 2; ++again) {
      EXPECT_EQ(EPIPE, write(writer, writing_).error);
      expect_no_signal();
    }
  }

  Fd reading_;
  Fd writing_;
};

TEST_F(QuietWrites, ThisKernelIsAskedOrBypassed) {
  QuietWriter writer(&::pwritev2);
  EXPECT_EQ(3U, write(writer, writing_).value);
  EXPECT_EQ("abc", read_all());
  expect_broken_pipe_told(writer);
}

TEST_F(QuietWrites, TheFirstOneMayBeToABrokenPipe) {
  QuietWriter writer(&::pwritev2);
  expect_broken_pipe_told(writer);
}

TEST_F(QuietWrites, ARefusedFlagIsTriedOnce) {
  QuietWriter writer(refuse);
  EXPECT_EQ(3U, write(writer, writing_).value);
  EXPECT_EQ(3U, write(writer, writing_).value);
  EXPECT_EQ("abcabc", read_all());
  expect_broken_pipe_told(writer);
  EXPECT_EQ(1, calls.made);
}

TEST_F(QuietWrites, WhereASandboxForbidsTheCallItIsTriedOnce) {
  for (const int refusal : {EPERM, ENOSYS, EINVAL}) {
    calls = {.made = 0, .refusal = refusal};
    QuietWriter writer(refuse);
    EXPECT_EQ(3U, write(writer, writing_).value);
    EXPECT_EQ(3U, write(writer, writing_).value);
    EXPECT_EQ(1, calls.made);
  }
}

TEST_F(QuietWrites, AKnownFlagIsUsedForEachWrite) {
  QuietWriter writer(know);
  EXPECT_EQ(3U, write(writer, writing_).value);
  EXPECT_EQ(3U, write(writer, writing_).value);
  EXPECT_EQ("abcabc", read_all());
  EXPECT_EQ(2, calls.made);
}

TEST_F(QuietWrites, ADeviceThatRefusesDoesNotSpeakForTheKernel) {
  QuietWriter writer(know);
  EXPECT_EQ(3U, write(writer, writing_).value);
  const Fd device(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  calls.refusing_fd = device.get();
  EXPECT_EQ(3U, write(writer, device).value);
  EXPECT_EQ(3U, write(writer, writing_).value);
  EXPECT_EQ(3, calls.made);
}

TEST_F(QuietWrites, AnErrorOfTheDescriptorDoesNotSpeakForTheKernel) {
  QuietWriter writer(know);
  const Fd takes_eight_bytes_only(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  EXPECT_EQ(EINVAL, write(writer, takes_eight_bytes_only).error);
  EXPECT_EQ(3U, write(writer, writing_).value);
  EXPECT_EQ(2, calls.made);
}

TEST_F(QuietWrites, AFullPipeSaysSo) {
  QuietWriter writer(&::pwritev2);
  std::string text(65536, 'x');
  const std::array pieces{iovec{text.data(), text.size()}};
  EXPECT_EQ(text.size(), writer.write(writing_.get(), pieces).value);
  EXPECT_EQ(EAGAIN, writer.write(writing_.get(), pieces).error);
}

TEST_F(QuietWrites, AFileIsWrittenAtItsPosition) {
  QuietWriter writer(&::pwritev2);
  const Fd file(::open(::testing::TempDir().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  ASSERT_GE(file.get(), 0);
  EXPECT_EQ(3U, write(writer, file).value);
  EXPECT_EQ(3U, write(writer, file).value);
  std::array<char, 8> memory{};
  EXPECT_EQ(6, ::pread(file.get(), memory.data(), memory.size(), 0));
  EXPECT_STREQ("abcabc", memory.data());
}

}  // namespace
}  // namespace sluice::sys
