// The calls that read a file at an offset, or move bytes between descriptors: the real ones, and
// those of the scripted kernel, which must be alike.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "sluice/fd.hpp"
#include "sys/system_calls.hpp"
#include "testing/peers.hpp"
#include "testing/scripted_kernel.hpp"

namespace sluice::sys {
namespace {

class FileCalls : public ::testing::Test {
 protected:
  FileCalls() {
    EXPECT_EQ(26, ::write(file_.get(), "abcdefghijklmnopqrstuvwxyz", 26));
    std::array<int, 2> ends{-1, -1};
    EXPECT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()));
    near_.reset(ends[0]);
    far_.reset(ends[1]);
    const auto made = sys_->pipe();
    reading_.reset(made.value.first);
    writing_.reset(made.value.second);
  }
  std::string read_all(int fd) {
    std::array<std::byte, 256> memory{};
    return std::string(as_text(Bytes(memory).first(sys_->read(fd, memory).value)));
  }

  std::shared_ptr<SystemCalls> sys_ = linux_system_calls();
  testing::TempDirectory folder_;
  Fd file_{::open(folder_.file("letters").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  Fd near_;
  Fd far_;
  Fd reading_;
  Fd writing_;
};

TEST_F(FileCalls, PreadReadsAtAnOffsetAndMovesNoPosition) {
  std::array<std::byte, 4> memory{};
  EXPECT_EQ(4U, sys_->pread(file_.get(), memory, 2).value);
  EXPECT_EQ("cdef", as_text(memory));
  EXPECT_EQ(1U, sys_->pread(file_.get(), memory, 25).value);
  EXPECT_EQ(0U, sys_->pread(file_.get(), memory, 26).value);
  EXPECT_EQ(ESPIPE, sys_->pread(reading_.get(), memory, 0).error);
  EXPECT_EQ(26, ::lseek(file_.get(), 0, SEEK_CUR));
}

TEST_F(FileCalls, SendfileSendsFromAnOffsetAndMovesNoPosition) {
  EXPECT_EQ(3U, sys_->sendfile(near_.get(), file_.get(), 1, 3).value);
  EXPECT_EQ("bcd", read_all(far_.get()));
  EXPECT_EQ(2U, sys_->sendfile(near_.get(), file_.get(), 24, 100).value);
  EXPECT_EQ("yz", read_all(far_.get()));
  const auto behind = sys_->sendfile(near_.get(), file_.get(), 99, 1);
  EXPECT_TRUE(behind.ok());
  EXPECT_EQ(0U, behind.value);
  EXPECT_EQ(26, ::lseek(file_.get(), 0, SEEK_CUR));
}

// P-1
TEST_F(FileCalls, NeitherSendfileNorSpliceRaisesSigpipe) {
  far_.reset();
  EXPECT_EQ(EPIPE, sys_->sendfile(near_.get(), file_.get(), 0, 3).error);
  EXPECT_EQ(3U, sys_->splice(file_.get(), 0, writing_.get(), 3).value);
  EXPECT_EQ(EPIPE, sys_->splice(reading_.get(), std::nullopt, near_.get(), 3).error);
  reading_.reset();
  EXPECT_EQ(EPIPE, sys_->splice(file_.get(), 0, writing_.get(), 3).error);
}

TEST_F(FileCalls, SpliceMovesFromAFileToAPipeToASocketToAPipe) {
  EXPECT_EQ(5U, sys_->splice(file_.get(), 20, writing_.get(), 5).value);
  EXPECT_EQ(5U, sys_->splice(reading_.get(), std::nullopt, near_.get(), 100).value);
  EXPECT_EQ(5U, sys_->splice(far_.get(), std::nullopt, writing_.get(), 100).value);
  EXPECT_EQ("uvwxy", read_all(reading_.get()));
  EXPECT_EQ(EAGAIN, sys_->splice(far_.get(), std::nullopt, writing_.get(), 100).error);
  EXPECT_EQ(EINVAL, sys_->splice(far_.get(), std::nullopt, near_.get(), 100).error);
}

TEST_F(FileCalls, APipeOfOnesOwnIsFilledAsBySplice) {
  EXPECT_EQ(5U, sys_->splice(file_.get(), 20, writing_.get(), 5).value);
  EXPECT_EQ(5U, sys_->splice(reading_.get(), std::nullopt, near_.get(), 100).value);
  EXPECT_EQ(5U, sys_->fill_own_pipe(far_.get(), writing_.get(), 100).value);
  EXPECT_EQ("uvwxy", read_all(reading_.get()));
  EXPECT_EQ(EAGAIN, sys_->fill_own_pipe(far_.get(), writing_.get(), 100).error);
  EXPECT_EQ(EINVAL, sys_->fill_own_pipe(far_.get(), near_.get(), 100).error);
}

TEST_F(FileCalls, AFullPipeWouldBlockEvenIfItsDescriptorBlocks) {
  const std::string text(65536, 'x');
  EXPECT_EQ(text.size(), sys_->write(writing_.get(), as_bytes(text)).value);
  EXPECT_TRUE(sys_->set_status_flags(writing_.get(), 0).ok());
  EXPECT_EQ(EAGAIN, sys_->splice(file_.get(), 0, writing_.get(), 3).error);
}

TEST_F(FileCalls, APipeCanBeMadeLarger) {
  const auto size = sys_->set_pipe_size(writing_.get(), 128 * 1024);
  EXPECT_TRUE(size.ok());
  EXPECT_EQ(128U * 1024U, size.value);
  EXPECT_EQ(EBADF, sys_->set_pipe_size(near_.get(), 4096).error);
}

TEST(ScriptedFileCalls, AreLikeTheRealOnes) {
  testing::ScriptedKernel kernel;
  const int file = kernel.open_file("abcdefghijklmnopqrstuvwxyz");
  const int socket = kernel.open_stream();
  const auto [reading, writing] = kernel.pipe().value;
  std::array<std::byte, 4> memory{};
  EXPECT_EQ(4U, kernel.pread(file, memory, 2).value);
  EXPECT_EQ("cdef", as_text(memory));
  EXPECT_EQ(0U, kernel.pread(file, memory, 26).value);
  EXPECT_EQ(ESPIPE, kernel.pread(reading, memory, 0).error);
  EXPECT_EQ(3U, kernel.sendfile(socket, file, 1, 3).value);
  EXPECT_EQ(0U, kernel.sendfile(socket, file, 99, 1).value);
  EXPECT_EQ(5U, kernel.splice(file, 20, writing, 5).value);
  EXPECT_EQ(5U, kernel.splice(reading, std::nullopt, socket, 100).value);
  EXPECT_EQ("bcduvwxy", kernel.sent(socket));
  EXPECT_EQ(EAGAIN, kernel.splice(reading, std::nullopt, socket, 100).error);
  EXPECT_EQ(EINVAL, kernel.splice(socket, std::nullopt, socket, 100).error);
  kernel.set_room(socket, 0);
  EXPECT_EQ(EAGAIN, kernel.sendfile(socket, file, 0, 1).error);
  kernel.fail_file(file, EIO);
  EXPECT_EQ(EIO, kernel.pread(file, memory, 0).error);
  EXPECT_EQ(EIO, kernel.sendfile(socket, file, 0, 1).error);
  EXPECT_EQ(EIO, kernel.splice(file, 0, writing, 1).error);
  kernel.fail_file(file, 0);
  kernel.set_file(file, "x");
  EXPECT_EQ(0U, kernel.sendfile(socket, file, 1, 1).value);
  kernel.deliver(socket, "12345");
  EXPECT_EQ(4096U, kernel.set_pipe_size(writing, 4096).value);
  EXPECT_EQ(2U, kernel.splice(socket, std::nullopt, writing, 2).value);
  kernel.deliver_eof(socket);
  EXPECT_EQ(3U, kernel.splice(socket, std::nullopt, writing, 9).value);
  const auto end = kernel.splice(socket, std::nullopt, writing, 9);
  EXPECT_TRUE(end.ok());
  EXPECT_EQ(0U, end.value);
  EXPECT_EQ("splice(" + std::to_string(socket) + ", 9 bytes, " + std::to_string(writing) + ") = 0",
            kernel.calls().back().text());
}

}  // namespace
}  // namespace sluice::sys
