// connect_file on a slow and a failing disk: what happens while a write is under way.
#include <fcntl.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "core/allocation_probe.hpp"
#include "transports/slow_file_fixture.hpp"

namespace sluice::transports {
namespace {

using testing::ThrottledFile;

// F-2
TEST_F(SlowFile, BytesUnderWayCountAsBufferedAndOneWriteIsUnderWayAtATime) {
  begin(100);
  transport().write("more");
  run_some_turns();
  EXPECT_EQ(104U, transport().get_write_buffer_size());
  EXPECT_EQ(1U, statistics().send_calls);
  EXPECT_EQ(0U, statistics().bytes_written);
  disk().add_room(100);
  run_until([this] { return statistics().bytes_written == 100; });
  EXPECT_EQ(4U, transport().get_write_buffer_size());
  disk().let_go();
  run_until([this] { return transport().get_write_buffer_size() == 0; });
  EXPECT_EQ(testing::pattern(0, 100) + "more", content("file"));
}

TEST_F(SlowFile, TheLoopRunsWhileTheDiskDoesNot) {
  begin(200'000);
  bool ran = false;
  loop().call_later(milliseconds(1), [&] { ran = true; });
  run_until([&] { return ran; });
  EXPECT_EQ("CM PW", trace());
}

// F-2
TEST_F(SlowFile, WhatAShortWriteLeavesIsWrittenNext) {
  begin(100);
  disk().add_room(30);
  run_until([this] { return statistics().send_calls == 2; });
  EXPECT_EQ(30U, statistics().bytes_written);
  EXPECT_EQ(1U, statistics().short_writes);
  disk().let_go();
  run_until([this] { return statistics().bytes_written == 100; });
  EXPECT_EQ(testing::pattern(0, 100), content("file"));
}

TEST_F(SlowFile, ProgressResumesBeforeTheBufferIsEmpty) {
  begin(200'000);
  transport().set_write_buffer_limits(100'000, 50'000);
  disk().add_room(150'000);
  run_until([this] { return trace() == "CM PW RW"; });
  EXPECT_EQ(50'000U, record().calls().back().size);
}

// T-7, W-55
TEST_F(SlowFile, OtherLimitsCountAtOnceThoughAWriteIsUnderWay) {
  begin(100'000);
  ASSERT_EQ("CM PW", trace());
  transport().set_write_buffer_limits(400'000, 200'000);
  EXPECT_EQ("CM PW RW", trace());
  transport().set_write_buffer_limits(50'000);
  EXPECT_EQ("CM PW RW PW", trace());
  EXPECT_EQ(100'000U, transport().get_write_buffer_size());
}

// W-42, W-109
TEST_F(SlowFile, CloseWaitsForTheLastByteAndWriteEofIsClose) {
  begin(100);
  EXPECT_TRUE(transport().can_write_eof());
  transport().write_eof();
  EXPECT_TRUE(transport().is_closing());
  transport().write("dropped");
  run_some_turns();
  EXPECT_EQ("CM", trace());
  disk().let_go();
  run_until_lost();
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_EQ(testing::pattern(0, 100), content("file"));
  EXPECT_EQ(7U, statistics().bytes_dropped);
}

// F-3
TEST_F(SlowFile, ADiskThatIsFullInTheEndKeepsWhatItTook) {
  begin(100);
  disk().add_room(40);
  run_until([this] { return statistics().send_calls == 2; });
  disk().fail_writes(ENOSPC);
  run_until_lost();
  EXPECT_EQ("CM CL(ENOSPC)", trace());
  EXPECT_EQ(40U, statistics().bytes_written);
  EXPECT_EQ(60U, statistics().bytes_discarded);
  EXPECT_EQ(testing::pattern(0, 40), content("file"));
}

TEST_F(SlowFile, AFailureWhileClosingIsToldToo) {
  begin(100);
  transport().close();
  disk().fail_writes(EIO);
  run_until_lost();
  EXPECT_EQ("CM CL(EIO)", trace());
}

// ---- abort ----

// W-48, F-6; the worker cannot be called back.
TEST_F(SlowFile, AbortLosesTheConnectionAtOnceAndCountsTheWriteWhenItHasEnded) {
  begin(100);
  const int fd = transport().fileno();
  transport().write("behind");
  transport().abort();
  EXPECT_EQ(106U, statistics().bytes_discarded);
  turn();
  EXPECT_EQ("CM CL(ok)", trace());
  // Another thread writes to it: it must not be anybody else's number now.
  EXPECT_FALSE(disk().is_closed());
  EXPECT_EQ(-1, transport().fileno());
  EXPECT_GE(::fcntl(fd, F_GETFD), 0);
  disk().let_go();
  run_until([this] { return disk().is_closed(); });
  run_some_turns();
  EXPECT_EQ(100U, statistics().bytes_written);
  EXPECT_EQ(6U, statistics().bytes_discarded);
  EXPECT_EQ(testing::pattern(0, 100), content("file"));
}

// F-6
TEST_F(SlowFile, TheBytesStayAliveUntilTheWriteHasEnded) {
  connect("file", {});
  disk().choose(transport().fileno());
  disk().fill(ThrottledFile::capacity);
  auto owner = std::make_shared<std::string>(testing::pattern(0, 4096));
  const std::weak_ptr<std::string> alive = owner;
  transport().write(Buffer::share(owner, as_bytes(*owner)));
  owner.reset();
  turn();
  disk().settle(1);
  transport().abort();
  run_some_turns();
  EXPECT_EQ("CM CL(ok)", trace());
  record().release();
  EXPECT_FALSE(alive.expired());
  disk().let_go();
  run_until([&] { return alive.expired(); });
  EXPECT_EQ(testing::pattern(0, 4096), content("file"));
}

TEST_F(SlowFile, AnAbortedReplacementIsRemovedWhenTheWriteHasEnded) {
  put("file", "old");
  begin(100, {.if_exists = IfExists::replace});
  transport().close();
  transport().abort();
  run_until_lost();
  disk().let_go();
  run_until([this] { return names() == Texts{"file"}; });
  EXPECT_EQ("old", content("file"));
  EXPECT_NE(std::this_thread::get_id(), disk().unlinked_on()) << "that may take its time";
}

// ---- The loop's end ----

// F-7
TEST_F(SlowFile, ALoopThatClosesWaitsForTheWriteUnderWayAndWritesNothingMore) {
  begin(100);
  transport().write("never written");
  const auto kept = record().shared_transport();
  std::thread helper([this] { disk().let_go(); });
  loop().close();
  helper.join();
  EXPECT_EQ("CM", trace());
  EXPECT_EQ(testing::pattern(0, 100), content("file"));
  EXPECT_EQ(100U, kept->write_statistics().bytes_written);
  EXPECT_EQ(13U, kept->write_statistics().bytes_discarded);
  EXPECT_TRUE(disk().is_closed());
}

TEST_F(SlowFile, ALoopThatClosesAfterAnAbortWaitsToo) {
  begin(100);
  transport().abort();
  run_until_lost();
  std::thread helper([this] { disk().let_go(); });
  loop().close();
  helper.join();
  EXPECT_EQ(100U, statistics().bytes_written);
  EXPECT_TRUE(disk().is_closed());
}

// ---- Errors that are told late ----

// Fails one call of the end of a file; everything else works.
class LateErrors final : public testing::FaultySystemCalls {
 public:
  LateErrors() : FaultySystemCalls(sys::linux_system_calls(), {}, 0) {}
  std::string call;
  int error = EIO;
  int copies = 0;
  int interruptions = 3;
  int attempts = 0;
  std::atomic<int> renames = 0;
  std::atomic<std::thread::id> unlinked_on{};
  std::atomic<int> watched = -1;
  std::atomic<std::thread::id> closed_on{};

  sys::Status fsync(int fd) noexcept override {
    struct stat status {};
    ::fstat(fd, &status);
    const bool hit = call == (S_ISDIR(status.st_mode) ? "fsync of directory" : "fsync");
    return hit ? sys::Status{error} : FaultySystemCalls::fsync(fd);
  }
  sys::Result<int> open(const std::string& path, int flags, mode_t mode) noexcept override {
    if (call == "open" && ((flags & O_EXCL) != 0 || error == EINTR)) {
      ++attempts;
      if (error != EINTR || interruptions-- > 0) {
        return {-1, error};
      }
    }
    return FaultySystemCalls::open(path, flags, mode);
  }
  sys::Result<std::size_t> writev(int fd, std::span<const iovec> pieces) noexcept override {
    if (call == "writev" && error == EINTR && interruptions-- > 0) {
      return {0, EINTR};
    }
    return call == "writev" && error != EINTR ? sys::Result<std::size_t>{0, error}
                                              : FaultySystemCalls::writev(fd, pieces);
  }
  sys::Result<int> dup(int fd) noexcept override {
    if (call == "dup") {
      return {-1, error};
    }
    const sys::Result<int> copy = FaultySystemCalls::dup(fd);
    copy_ = copy.value;
    ++copies;
    return copy;
  }
  sys::Status close(int fd) noexcept override {
    const bool hit = call == "close" && fd == copy_;
    if (fd == watched) {
      closed_on = std::this_thread::get_id();
    }
    const sys::Status status = FaultySystemCalls::close(fd);
    return hit ? sys::Status{error} : status;
  }
  sys::Status unlink(const std::string& path) noexcept override {
    unlinked_on = std::this_thread::get_id();
    return FaultySystemCalls::unlink(path);
  }
  sys::Status rename(const std::string& from, const std::string& to) noexcept override {
    ++renames;
    return call == "rename" ? sys::Status{error} : FaultySystemCalls::rename(from, to);
  }
  sys::Status fchmod(int fd, mode_t mode) noexcept override {
    return call == "fchmod" ? sys::Status{error} : FaultySystemCalls::fchmod(fd, mode);
  }

 private:
  int copy_ = -1;
};

class LateError : public Files {
 protected:
  LateError() : LateError(std::make_shared<LateErrors>()) {}
  /// Replaces "file", which holds "old", by "new", synchronized, with one call failing.
  std::string replace_with(const std::string& call, int error = EIO) {
    put("file", "old");
    system_->call = call;
    system_->error = error;
    write_file("file", "new", {.if_exists = IfExists::replace, .fsync_on_close = true});
    // What is left of a failure is removed by a worker, when it comes to that.
    run_until([this] { return names().size() == 1; });
    return trace() + " " + content("file") + " " + std::to_string(names().size());
  }
  [[nodiscard]] LateErrors& system() { return *system_; }

 private:
  explicit LateError(std::shared_ptr<LateErrors> system)
      : Files(system), system_(std::move(system)) {}
  std::shared_ptr<LateErrors> system_;
};

// F-4, F-5
TEST_F(LateError, OfFsyncIsALostConnectionAndTheOldFileStays) {
  EXPECT_EQ("CM CL(EIO) old 1", replace_with("fsync"));
  EXPECT_EQ(3U, statistics().bytes_written);
}

// F-4
TEST_F(LateError, OfCloseIsALostConnectionAndTheOldFileStays) {
  EXPECT_EQ("CM CL(EDQUOT) old 1", replace_with("close", EDQUOT));
}

TEST_F(LateError, OfRenameIsALostConnectionAndTheOldFileStays) {
  EXPECT_EQ("CM CL(EACCES) old 1", replace_with("rename", EACCES));
}

// F-4
TEST_F(LateError, OfTheDirectoryIsToldThoughTheNameIsThere) {
  EXPECT_EQ("CM CL(EIO) new 1", replace_with("fsync of directory"));
}

TEST_F(LateError, OfWhatHasNothingToSynchronizeIsNone) {
  EXPECT_EQ("CM CL(ok) new 1", replace_with("fsync", EINVAL));
  EXPECT_EQ("CM CL(ok) new 1", replace_with("fsync of directory", EINVAL));
}

TEST_F(LateError, OfAnInterruptedCloseIsNone) {
  EXPECT_EQ("CM CL(ok) new 1", replace_with("close", EINTR));
}

TEST_F(LateError, CannotBeAskedForWithoutADescriptorToSpare) {
  EXPECT_EQ("CM CL(ok) new 1", replace_with("dup", EMFILE));
}

TEST_F(LateError, ComesNotFromAFileThatIsClosedInsideResumeAndSoCompletedOnce) {
  put("file", "old");
  connect("file", {.if_exists = IfExists::replace});
  transport().set_write_buffer_limits(0, 0);
  record().on_resume_writing = [this] { transport().close(); };
  transport().write("new");
  run_until_lost();
  EXPECT_EQ("CM PW RW CL(ok)", trace());
  EXPECT_EQ("new", content("file"));
  EXPECT_EQ(1, system().renames);
}

// ---- Odd openings ----

TEST_F(LateError, OfACancelledOpeningIsNoneAndTheFileIsRemovedOffTheLoopsThread) {
  put("file", "old");
  auto future = start("file", {.if_exists = IfExists::replace});
  future.cancel();
  run_until([this] { return system().unlinked_on.load() != std::thread::id(); });
  run_until([this] { return names() == Texts{"file"}; });
  EXPECT_NE(std::this_thread::get_id(), system().unlinked_on.load());
}

// On the loop's thread; the workers have memory.
TEST_F(LateError, OfMemoryWhileTheTransportIsMadeLeavesNothing) {
  write_file("file", "old", {});
  std::size_t failures = 0;
  for (bool made = false; !made;) {
    auto future = start("file", {.if_exists = IfExists::replace});
    {
      const testing::FailingAllocation failing(failures + 1);
      run_until([&] { return future.done(); });
    }
    made = outcome_of(future) == "done";
    if (!made) {
      ++failures;
      run_until([this] { return names() == Texts{"file"}; });
    }
  }
  EXPECT_LT(3U, failures);
  transport().abort();
  run_until([this] { return names() == Texts{"file"}; });
}

// A directory that has every name would be tried for ever.
TEST_F(LateError, NamesThatAreTakenAreNotTriedForEver) {
  put("file", "old");
  system().call = "open";
  system().error = EEXIST;
  EXPECT_EQ(
      "creating a temporary file in " + directory() + " for " + path("file") + ": File exists",
      failure("file", {.if_exists = IfExists::replace}));
  EXPECT_EQ(100, system().attempts);
}

TEST_F(LateError, AFullOrReadOnlyDirectoryIsNamed) {
  put("file", "old");
  system().call = "open";
  for (const auto& [error, text] :
       {std::pair(ENOSPC, "No space left on device"), std::pair(EROFS, "Read-only file system")}) {
    system().error = error;
    EXPECT_EQ("creating a temporary file in " + directory() + " for " + path("file") + ": " + text,
              failure("file", {.if_exists = IfExists::replace}));
  }
  EXPECT_EQ("old", content("file"));
}

TEST_F(LateError, AnOpeningThatIsInterruptedIsMadeAgain) {
  EXPECT_EQ("CM CL(ok) new 1", replace_with("open", EINTR));
}

// ---- Odd writes ----

TEST_F(LateError, AWriteThatTakesNothingAndSaysNothingIsAFailure) {
  EXPECT_EQ("CM CL(EIO) old 1", replace_with("writev", 0));
}

// The last close of a file without a name frees all of it, which can take its time.
TEST_F(LateError, AReplacementThatFailedIsClosedOffTheLoopsThread) {
  put("file", "old");
  connect("file", {.if_exists = IfExists::replace});
  system().call = "writev";
  system().error = ENOSPC;
  system().watched = transport().fileno();
  transport().write("new");
  run_until_lost();
  run_until([this] { return system().closed_on.load() != std::thread::id(); });
  EXPECT_NE(std::this_thread::get_id(), system().closed_on.load());
  EXPECT_EQ("CM CL(ENOSPC)", trace());
}

TEST_F(LateError, AWriteThatIsInterruptedIsMadeAgain) {
  EXPECT_EQ("CM CL(ok) new 1", replace_with("writev", EINTR));
  EXPECT_EQ(1U, statistics().send_calls);
}

TEST_F(LateError, OfTheModeLeavesNothing) {
  put("file", "old");
  system().call = "fchmod";
  system().error = EPERM;
  EXPECT_EQ("giving the replacement of " + path("file") + " its mode: Operation not permitted",
            failure("file", {.if_exists = IfExists::replace}));
  EXPECT_EQ((Texts{"file"}), names());
}

TEST_F(LateError, IsAskedForWithoutFsyncToo) {
  system().call = "close";
  write_file("file", "new", {});
  EXPECT_EQ("CM CL(EIO)", trace());
  EXPECT_EQ(1, system().copies);
}

}  // namespace
}  // namespace sluice::transports
