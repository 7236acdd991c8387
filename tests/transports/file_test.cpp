// connect_file on the real system: what a file becomes.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "transports/file_fixture.hpp"

namespace sluice::transports {
namespace {

// ---- What is done about a file that is there ----

// F-1
TEST_F(Files, AFileThatIsNotThereIsCreatedWithTheBytesInOrder) {
  write_file("new", "hello ", {});
  EXPECT_EQ("hello ", content("new"));
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_EQ(6U, statistics().bytes_written);
  EXPECT_EQ(1U, statistics().send_calls);
}

TEST_F(Files, ByDefaultAFileThatIsThereIsEmptied) {
  put("file", "something longer");
  write_file("file", "short", {});
  EXPECT_EQ("short", content("file"));
}

TEST_F(Files, AppendWritesBehindTheEnd) {
  put("file", "one ");
  write_file("file", "two", {.if_exists = IfExists::append});
  EXPECT_EQ("one two", content("file"));
}

TEST_F(Files, OverwriteKeepsWhatItDoesNotReach) {
  put("file", "0123456789");
  write_file("file", "ab", {.if_exists = IfExists::overwrite, .offset = 4});
  EXPECT_EQ("0123ab6789", content("file"));
  write_file("file", "cd", {.if_exists = IfExists::overwrite});
  EXPECT_EQ("cd23ab6789", content("file"));
}

TEST_F(Files, AnOffsetBeyondTheEndLeavesAHole) {
  write_file("file", "x", {.if_exists = IfExists::overwrite, .offset = 3});
  EXPECT_EQ(std::string("\0\0\0x", 4), content("file"));
}

TEST_F(Files, AnOffsetThatNoFileHasIsAnError) {
  EXPECT_EQ("going to byte 18446744073709551615 of " + path("file") + ": Invalid argument",
            failure("file", {.if_exists = IfExists::overwrite, .offset = UINT64_MAX}));
}

TEST_F(Files, FailRefusesAFileThatIsThere) {
  put("file", "kept");
  EXPECT_EQ("opening " + path("file") + " for writing: File exists",
            failure("file", {.if_exists = IfExists::fail}));
  EXPECT_EQ("kept", content("file"));
  write_file("other", "new", {.if_exists = IfExists::fail});
  EXPECT_EQ("new", content("other"));
}

TEST_F(Files, ANewFileHasTheAskedPermissionsLessTheUmask) {
  const mode_t before = ::umask(022);
  write_file("file", "x", {.permissions = 0664});
  write_file("replaced", "x", {.if_exists = IfExists::replace, .permissions = 0664});
  ::umask(before);
  EXPECT_EQ(0644U, permissions("file"));
  EXPECT_EQ(0644U, permissions("replaced"));
}

// ---- Replace ----

// F-5
TEST_F(Files, AReplacedFileIsTheOldOneUntilTheEnd) {
  put("file", "old");
  connect("file", {.if_exists = IfExists::replace});
  transport().write("new");
  run_until([&] { return transport().get_write_buffer_size() == 0; });
  EXPECT_EQ("old", content("file"));
  EXPECT_EQ(2U, names().size());
  transport().close();
  run_until_lost();
  EXPECT_EQ("new", content("file"));
  EXPECT_EQ((Texts{"file"}), names());
}

// F-5
TEST_F(Files, AReplacedFileKeepsItsPermissions) {
  put("file", "old");
  ASSERT_EQ(0, ::chmod(path("file").c_str(), 0751));
  write_file("file", "new", {.if_exists = IfExists::replace});
  EXPECT_EQ(0751U, permissions("file"));
}

TEST_F(Files, UnderWayAReplacementIsNotMoreReadableThanTheFile) {
  put("file", "old");
  ASSERT_EQ(0, ::chmod(path("file").c_str(), 0600));
  connect("file", {.if_exists = IfExists::replace});
  for (const std::string& name : names()) {
    EXPECT_EQ(0600U, permissions(name)) << name;
  }
  EXPECT_EQ(2U, names().size());
}

TEST_F(Files, AReplacementFollowsASymbolicLink) {
  put("file", "old");
  ASSERT_EQ(0, ::symlink("file", path("link").c_str()));
  write_file("link", "new", {.if_exists = IfExists::replace});
  EXPECT_EQ("new", content("file"));
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
}

TEST_F(Files, AReplacementOfALinkToNothingIsRefused) {
  ASSERT_EQ(0, ::symlink("nothing", path("link").c_str()));
  EXPECT_EQ("replacing " + path("link") +
                ", a symbolic link that leads to nothing: No such file or directory",
            failure("link", {.if_exists = IfExists::replace}));
  EXPECT_EQ(Texts{"link"}, names());
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
}

// F-5
TEST_F(Files, AnAbortedReplacementLeavesTheOldFileAndNothingElse) {
  put("file", "old");
  connect("file", {.if_exists = IfExists::replace});
  transport().write("new");
  transport().abort();
  run_until_lost();
  EXPECT_EQ("CM CL(ok)", trace());
  run_until([&] { return names() == Texts{"file"}; });
  EXPECT_EQ("old", content("file"));
}

// F-5
TEST_F(Files, ALoopThatIsClosedLeavesTheOldFileAndNothingElse) {
  put("file", "old");
  connect("file", {.if_exists = IfExists::replace});
  transport().write(std::string(3'000'000, 'x'));
  turn();
  close_loop();
  EXPECT_EQ("CM PW", trace());
  EXPECT_EQ((Texts{"file"}), names());
  EXPECT_EQ("old", content("file"));
}

TEST_F(Files, ALoopThatIsClosedWhileTheFileIsOpenedLeavesNothing) {
  start("file", {.if_exists = IfExists::replace});
  close_loop();
  EXPECT_EQ("", trace());
  EXPECT_EQ(Texts{}, names());
}

// F-5
TEST_F(Files, ACancelledOpeningLeavesNothing) {
  auto future = start("file", {.if_exists = IfExists::replace});
  future.cancel();
  run_some_turns();
  close_loop();
  EXPECT_EQ("", trace());
  EXPECT_EQ(Texts{}, names());
}

TEST_F(Files, AFactoryThatThrowsFailsTheFutureAndLeavesNothing) {
  auto future = loop().connect_file(
      []() -> std::shared_ptr<testing::RecordingWriteProtocol> {
        throw std::runtime_error("no protocol");
      },
      path("file"), {.if_exists = IfExists::replace});
  run_until([&] { return future.done(); });
  EXPECT_EQ("no protocol", outcome_of(future));
  // A thread of the loop's removes it.
  run_until([&] { return names().empty(); });
}

TEST_F(Files, ANameThatIsAsLongAsNamesCanBeIsReplacedToo) {
  const std::string name(255, 'n');
  write_file(name, "new", {.if_exists = IfExists::replace});
  EXPECT_EQ("new", content(name));
}

TEST_F(Files, ARelativePathIsTakenFromTheDirectoryOfTheProcess) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(path(""));
  connect_path("file", {.if_exists = IfExists::replace});
  std::filesystem::current_path(before);
  transport().write("new");
  transport().close();
  run_until_lost();
  EXPECT_EQ("new", content("file"));
}

// F-4
TEST_F(Files, WhatIsSynchronizedIsThere) {
  put("file", "old");
  write_file("file", "new", {.fsync_on_close = true});
  EXPECT_EQ("new", content("file"));
  write_file("file", "newer", {.if_exists = IfExists::replace, .fsync_on_close = true});
  EXPECT_EQ("newer", content("file"));
  EXPECT_EQ("CM CL(ok)", trace());
}

// ---- What cannot be opened ----

TEST_F(Files, AMissingDirectoryIsNamed) {
  EXPECT_EQ("opening " + path("no/file") + " for writing: No such file or directory",
            failure("no/file", {}));
  EXPECT_EQ("opening " + path("no/file") + " for writing: No such file or directory",
            failure("no/file", {.if_exists = IfExists::replace}));
}

// F-1
TEST_F(Files, ADirectoryIsRefused) {
  ASSERT_EQ(0, ::mkdir(path("folder").c_str(), 0700));
  EXPECT_EQ("opening " + path("folder") + " for writing: Is a directory", failure("folder", {}));
  EXPECT_EQ("replacing " + path("folder") + ", which is no regular file: Is a directory",
            failure("folder", {.if_exists = IfExists::replace}));
  EXPECT_EQ("opening " + path("none/") + " for writing: No such file or directory",
            failure("none/", {.if_exists = IfExists::replace}));
}

TEST_F(Files, APathBelowAFileIsRefused) {
  put("file", "kept");
  EXPECT_EQ("opening " + path("file/below") + " for writing: Not a directory",
            failure("file/below", {}));
  EXPECT_EQ("opening " + path("file/below") + " for writing: Not a directory",
            failure("file/below", {.if_exists = IfExists::replace}));
}

TEST_F(Files, APathWithANulByteOrNoneAtAllIsRefused) {
  EXPECT_EQ("opening a path with a NUL byte in it for writing: Invalid argument",
            failure(std::string("a\0b", 3), {}));
  for (const IfExists if_exists : {IfExists::truncate, IfExists::replace}) {
    const auto future = loop().connect_file(factory(), "", {.if_exists = if_exists});
    run_until([&] { return future.done(); });
    EXPECT_EQ("opening  for writing: No such file or directory", outcome_of(future));
  }
}

// F-1
TEST_F(Files, AFifoIsRefused) {
  ASSERT_EQ(0, ::mkfifo(path("fifo").c_str(), 0600));
  const Fd reader(::open(path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const std::string text = failure("fifo", {});
  EXPECT_NE(std::string::npos, text.find(path("fifo") + " is a pipe or FIFO: Invalid argument"))
      << text;
  EXPECT_EQ("replacing " + path("fifo") + ", which is no regular file: Invalid argument",
            failure("fifo", {.if_exists = IfExists::replace}));
}

// F-1
TEST_F(Files, ATerminalIsRefused) {
  testing::FdPair pair = testing::make_pty_pair();
  auto future = loop().connect_file(factory(), std::move(pair.transport));
  run_until([&] { return future.done(); });
  EXPECT_NE(std::string::npos, outcome_of(future).find("has to be waited for"));
}

// Root may write anywhere: the test gives up its rights in a process of its own.
TEST_F(Files, ADirectoryThatMayNotBeWrittenToIsNamed) {
  ASSERT_EQ(0, ::mkdir(path("locked").c_str(), 0755));
  std::filesystem::permissions(path(""), std::filesystem::perms(0755));
  close_loop();
  EXPECT_EQ("creating a temporary file in " + path("locked") + " for " + path("locked/file") +
                ": Permission denied",
            in_child([&] {
              constexpr uid_t nobody = 65534;
              if (::geteuid() == 0 && ::setuid(nobody) != 0) {
                return std::string("setuid failed");
              }
              if (::geteuid() != 0) {
                static_cast<void>(::chmod(path("locked").c_str(), 0555));
              }
              return Once(path("locked/file"), {.if_exists = IfExists::replace}).outcome;
            }));
}

// ---- What goes wrong later ----

// F-3
TEST_F(Files, AFullDiskIsALostConnection) {
  connect_path("/dev/full", {});
  transport().write("x");
  run_until_lost();
  EXPECT_EQ("CM CL(ENOSPC)", trace());
  EXPECT_EQ(0U, statistics().bytes_written);
  EXPECT_EQ(1U, statistics().bytes_discarded);
}

// F-3, F-8: the signal would have killed the child.
TEST_F(Files, AFileThatGrowsTooLargeIsALostConnectionThatCountsWhatIsInIt) {
  close_loop();
  EXPECT_EQ("CM PW CL(EFBIG) written 100000 in the file 100000", in_child([&] {
              const rlimit limit{100'000, 100'000};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              Once once(path("file"), {}, std::string(150'000, 'x'));
              return once.trace + " written " + std::to_string(once.statistics.bytes_written) +
                     " in the file " + std::to_string(std::filesystem::file_size(path("file")));
            }));
}

TEST_F(Files, AnAbortedReplacementThatDoesNotFitLeavesTheOldFile) {
  put("file", "old");
  close_loop();
  EXPECT_EQ(
      "CM CL(EFBIG)", in_child([&] {
        const rlimit limit{1'000, 1'000};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        return Once(path("file"), {.if_exists = IfExists::replace}, std::string(2'000, 'x')).trace;
      }));
  EXPECT_EQ("old", content("file"));
  EXPECT_EQ((Texts{"file"}), names());
}

// ---- What others do meanwhile ----

// F-10
TEST_F(Files, AFileThatIsRemovedMeanwhileIsWrittenAllTheSame) {
  connect("file", {});
  std::ifstream reader(path("file"), std::ios::binary);
  transport().write("be");
  run_until([&] { return statistics().bytes_written == 2; });
  std::filesystem::remove(path("file"));
  transport().write("hind");
  transport().close();
  run_until_lost();
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_EQ("behind", std::string(std::istreambuf_iterator<char>(reader), {}));
  EXPECT_EQ(Texts{}, names());
}

// F-10
TEST_F(Files, AReplacedFileThatIsRemovedMeanwhileIsThereInTheEnd) {
  put("file", "old");
  connect("file", {.if_exists = IfExists::replace});
  std::filesystem::remove(path("file"));
  transport().write("new");
  transport().close();
  run_until_lost();
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_EQ("new", content("file"));
}

// F-10
TEST_F(Files, AReplacementThatIsRemovedMeanwhileIsALostConnectionAndTheOldFileStays) {
  put("file", "old");
  connect("file", {.if_exists = IfExists::replace});
  for (const std::string& name : names()) {
    if (name != "file") {
      std::filesystem::remove(path(name));
    }
  }
  transport().write("new");
  transport().close();
  run_until_lost();
  EXPECT_EQ("CM CL(ENOENT)", trace());
  EXPECT_EQ("old", content("file"));
  EXPECT_EQ((Texts{"file"}), names());
}

// ---- Descriptors ----

// F-1
TEST_F(Files, ADescriptorIsWrittenWhereItStands) {
  put("file", "0123456789");
  Fd fd(::open(path("file").c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(5, ::lseek(fd.get(), 5, SEEK_SET));
  const Fd shared = fd.duplicate();
  connect_fd(std::move(fd));
  transport().write("ab");
  transport().close();
  run_until_lost();
  EXPECT_EQ("01234ab789", content("file"));
  EXPECT_EQ(7, ::lseek(shared.get(), 0, SEEK_CUR));
}

TEST_F(Files, ADescriptorThatIsNotOpenForWritingIsALostConnection) {
  put("file", "kept");
  connect_fd(Fd(::open(path("file").c_str(), O_RDONLY | O_CLOEXEC)));
  transport().write("x");
  run_until_lost();
  EXPECT_EQ("CM CL(EBADF)", trace());
}

TEST_F(Files, NoDescriptorIsRefused) {
  auto future = loop().connect_file(factory(), Fd());
  run_until([&] { return future.done(); });
  EXPECT_EQ(std::errc::bad_file_descriptor, code_of(future));
}

// W-93
TEST_F(Files, ADescriptorIsOfOneTransportOnly) {
  connect("file", {});
  const int number = transport().fileno();
  auto future = loop().connect_file(factory(), Fd(number));
  run_until([&] { return future.done(); });
  EXPECT_EQ("File descriptor " + std::to_string(number) + " is used by another transport",
            outcome_of(future));
  transport().write("still mine");
  transport().close();
  run_until_lost();
  EXPECT_EQ("still mine", content("file"));
}

// W-98
TEST_F(Files, AWritePipeRefusesAFileAndSaysWhoTakesIt) {
  Fd fd(::open(path("file").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  auto future = loop().connect_write_pipe(factory(), std::move(fd));
  run_until([&] { return future.done(); });
  EXPECT_EQ(std::errc::invalid_argument, code_of(future));
  EXPECT_NE(std::string::npos, outcome_of(future).find("connect_file")) << outcome_of(future);
}

// ---- Many bytes ----

// F-2
TEST_F(Files, ThousandsOfWritesKeepTheirOrder) {
  std::string all;
  connect("file", {});
  for (int i = 0; i < 5000; ++i) {
    const std::string piece = testing::pattern(all.size(), static_cast<std::size_t>(i % 97) * 13);
    all += piece;
    if (i % 3 == 0) {
      transport().write(Buffer::copy_of(piece));
    } else {
      transport().write(piece);
    }
    if (i % 50 == 0) {
      turn();
    }
  }
  transport().close();
  run_until_lost();
  EXPECT_TRUE(all == content("file"));
  EXPECT_EQ(all.size(), statistics().bytes_written);
  EXPECT_EQ(0U, statistics().bytes_discarded);
}

// A protocol that stops when it is told to keeps the memory bounded, however large the file.
TEST_F(Files, AWriterThatPausesBuffersLittle) {
  constexpr std::size_t block = 64 * 1024;
  constexpr std::size_t total = 64 * 1024 * 1024;
  bool paused = false;
  std::size_t given = 0;
  connect("file", {});
  record().on_pause_writing = [&] { paused = true; };
  record().on_resume_writing = [&] { paused = false; };
  const Buffer buffer = Buffer::take(std::string(block, 'x'));
  while (given < total) {
    while (!paused && given < total) {
      transport().write(buffer);
      given += block;
    }
    turn();
  }
  transport().close();
  run_until_lost();
  EXPECT_EQ(total, std::filesystem::file_size(path("file")));
  EXPECT_LE(statistics().peak_buffer_size, default_write_buffer_limits.high + block);
}

TEST_F(Files, SeveralFilesAreWrittenSideBySide) {
  std::vector<std::shared_ptr<testing::Recording>> records;
  for (int i = 0; i < 20; ++i) {
    records.push_back(std::make_shared<testing::Recording>());
    auto future = loop().connect_file(factory_of(records.back()), path("f" + std::to_string(i)));
    run_until([&] { return future.done(); });
  }
  for (int i = 0; i < 20; ++i) {
    records[static_cast<std::size_t>(i)]->transport().write(std::string(300'000, 'a'));
    records[static_cast<std::size_t>(i)]->transport().write(std::to_string(i));
    records[static_cast<std::size_t>(i)]->transport().close();
  }
  run_until([&] {
    return std::all_of(records.begin(), records.end(),
                       [](const auto& each) { return each->lost(); });
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(std::string(300'000, 'a') + std::to_string(i) == content("f" + std::to_string(i)));
    records[static_cast<std::size_t>(i)]->release();
  }
}

}  // namespace
}  // namespace sluice::transports
