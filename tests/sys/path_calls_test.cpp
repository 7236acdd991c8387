// The calls that open, name and finish files, of the real system and of the scripted one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "sluice/fd.hpp"
#include "sys/constants.hpp"
#include "sys/system_calls.hpp"
#include "testing/peers.hpp"
#include "testing/scripted_kernel.hpp"

namespace sluice::sys {
namespace {

constexpr mode_t owner_only = 0600;

class PathCalls : public ::testing::Test {
 protected:
  Fd open(const std::string& name, int flags) {
    const Result<int> opened = system_->open(path(name), flags, owner_only);
    EXPECT_EQ(0, opened.error);
    return Fd(opened.value);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return directory_.file(name); }
  testing::TempDirectory directory_;
  std::shared_ptr<SystemCalls> system_ = linux_system_calls();
};

TEST_F(PathCalls, OpenGivesADescriptorThatNoChildInherits) {
  const Fd fd = open("file", open_creating);
  EXPECT_EQ(FD_CLOEXEC, ::fcntl(fd.get(), F_GETFD));
  struct stat status {};
  ASSERT_EQ(0, ::fstat(fd.get(), &status));
  EXPECT_EQ(owner_only, status.st_mode & permission_bits);
}

TEST_F(PathCalls, OpenSaysWhyNot) {
  EXPECT_EQ(ENOENT, system_->open(path("no/file"), open_creating, owner_only).error);
  open("file", open_creating);
  EXPECT_EQ(EEXIST,
            system_->open(path("file"), open_creating | open_exclusively, owner_only).error);
  EXPECT_EQ(ENOTDIR, system_->open(path("file"), open_a_directory, 0).error);
}

TEST_F(PathCalls, OpenDoesNotWaitForTheReaderOfAFifo) {
  ASSERT_EQ(0, ::mkfifo(path("fifo").c_str(), owner_only));
  EXPECT_EQ(ENXIO, system_->open(path("fifo"), open_for_writing, 0).error);
}

TEST_F(PathCalls, SeekGoesToAByteAndRefusesWhatIsNone) {
  const Fd fd = open("file", open_creating);
  EXPECT_TRUE(system_->seek(fd.get(), 7).ok());
  EXPECT_EQ(7, ::lseek(fd.get(), 0, SEEK_CUR));
  EXPECT_EQ(EINVAL, system_->seek(fd.get(), UINT64_MAX).error);
}

TEST_F(PathCalls, FsyncTakesFilesAndDirectories) {
  EXPECT_TRUE(system_->fsync(open("file", open_creating).get()).ok());
  EXPECT_TRUE(system_->fsync(open(".", open_a_directory).get()).ok());
  EXPECT_EQ(EBADF, system_->fsync(-1).error);
}

TEST_F(PathCalls, FchmodSetsTheMode) {
  const Fd fd = open("file", open_creating);
  EXPECT_TRUE(system_->fchmod(fd.get(), 0640).ok());
  struct stat status {};
  ASSERT_EQ(0, ::fstat(fd.get(), &status));
  EXPECT_EQ(0640U, status.st_mode & permission_bits);
  EXPECT_EQ(EBADF, system_->fchmod(-1, 0640).error);
}

TEST_F(PathCalls, DupGivesAnotherNumberOfTheSameOpenFile) {
  const Fd fd = open("file", open_creating);
  const Result<int> copied = system_->dup(fd.get());
  ASSERT_TRUE(copied.ok());
  const Fd copy(copied.value);
  EXPECT_EQ(FD_CLOEXEC, ::fcntl(copy.get(), F_GETFD));
  EXPECT_TRUE(system_->same_open_file(fd.get(), copy.get()).value);
  EXPECT_EQ(EBADF, system_->dup(-1).error);
}

TEST_F(PathCalls, RenameReplaces) {
  open("old", open_creating);
  open("new", open_creating);
  EXPECT_TRUE(system_->rename(path("new"), path("old")).ok());
  EXPECT_EQ(ENOENT, system_->rename(path("new"), path("old")).error);
}

TEST_F(PathCalls, RealpathFollowsLinksAndMissesWhatIsNotThere) {
  open("file", open_creating);
  ASSERT_EQ(0, ::symlink("file", path("link").c_str()));
  const Result<std::string> found = system_->realpath(path("link"));
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(path("file"), found.value);
  EXPECT_EQ(ENOENT, system_->realpath(path("none")).error);
}

TEST(ScriptedPathCalls, ThereIsNothingToOpenUnlessAFailureWasPlanned) {
  testing::ScriptedKernel kernel;
  EXPECT_EQ(ENOENT, kernel.open("/file", open_creating, owner_only).error);
  EXPECT_EQ(ENOENT, kernel.realpath("/file").error);
  EXPECT_EQ(ENOENT, kernel.rename("/file", "/other").error);
  kernel.fail_next("open", EROFS);
  kernel.fail_next("realpath", EACCES);
  kernel.fail_next("rename", EXDEV);
  EXPECT_EQ(EROFS, kernel.open("/file", open_creating, owner_only).error);
  EXPECT_EQ(EACCES, kernel.realpath("/file").error);
  EXPECT_EQ(EXDEV, kernel.rename("/file", "/other").error);
}

TEST(ScriptedPathCalls, OnADescriptorWorkUntilAFailureIsPlanned) {
  testing::ScriptedKernel kernel;
  const int fd = kernel.open_file("text");
  EXPECT_TRUE(kernel.seek(fd, 3).ok());
  EXPECT_TRUE(kernel.fsync(fd).ok());
  EXPECT_TRUE(kernel.fchmod(fd, owner_only).ok());
  const Result<int> copy = kernel.dup(fd);
  EXPECT_TRUE(kernel.same_open_file(fd, copy.value).value);
  kernel.fail_next("fsync", EIO);
  kernel.fail_next("dup", EMFILE);
  EXPECT_EQ(EIO, kernel.fsync(fd).error);
  EXPECT_EQ(EMFILE, kernel.dup(fd).error);
  EXPECT_TRUE(kernel.close(copy.value).ok());
  EXPECT_TRUE(kernel.close(fd).ok());
  EXPECT_EQ(0U, kernel.open_descriptors());
}

}  // namespace
}  // namespace sluice::sys
