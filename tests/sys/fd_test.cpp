#include "sluice/fd.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <exception>
#include <system_error>
#include <type_traits>
#include <utility>

namespace sluice {
namespace {

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

int open_null() {
  return ::open("/dev/null", O_RDWR | O_CLOEXEC);
}

TEST(Fd, OwnsNothingByDefaultAndForNegativeNumbers) {
  EXPECT_FALSE(Fd());
  EXPECT_EQ(-1, Fd().get());
  EXPECT_FALSE(Fd(-5));
  EXPECT_EQ(-1, Fd(-5).get());
}

TEST(Fd, ClosesWhatItOwnsWhenDestroyed) {
  const int number = open_null();
  {
    const Fd fd(number);
    EXPECT_TRUE(fd);
    EXPECT_EQ(number, fd.get());
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(Fd, CanBeMovedAndNotCopied) {
  static_assert(!std::is_copy_constructible_v<Fd> && !std::is_copy_assignable_v<Fd>);
  static_assert(std::is_nothrow_move_constructible_v<Fd> && std::is_nothrow_move_assignable_v<Fd>);
  Fd first(open_null());
  const int number = first.get();
  const Fd second = std::move(first);
  EXPECT_EQ(number, second.get());
  EXPECT_TRUE(is_open(number));
}

TEST(Fd, MoveAssignmentClosesWhatWasOwned) {
  Fd first(open_null());
  Fd second(open_null());
  const int old = first.get();
  const int number = second.get();
  first = std::move(second);
  EXPECT_EQ(number, first.get());
  EXPECT_FALSE(is_open(old));
}

TEST(Fd, MoveAssignmentToItselfKeepsTheDescriptor) {
  Fd fd(open_null());
  const int number = fd.get();
  Fd& same = fd;
  fd = std::move(same);
  EXPECT_EQ(number, fd.get());
  EXPECT_TRUE(is_open(number));
}

TEST(Fd, ReleaseGivesTheDescriptorUpOpen) {
  Fd fd(open_null());
  const int number = fd.release();
  EXPECT_FALSE(fd);
  EXPECT_TRUE(is_open(number));
  ::close(number);
}

TEST(Fd, ResetClosesAndOwnsTheNewOne) {
  Fd fd(open_null());
  const int old = fd.get();
  const int next = open_null();
  fd.reset(next);
  EXPECT_FALSE(is_open(old));
  EXPECT_EQ(next, fd.get());
  fd.reset();
  EXPECT_FALSE(fd);
  EXPECT_FALSE(is_open(next));
  fd.reset();
  EXPECT_FALSE(fd);
}

TEST(Fd, ADuplicateIsAnotherNumberForTheSameFile) {
  std::array<int, 2> ends{};
  ASSERT_EQ(0, ::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK));
  const Fd reading(ends[0]);
  Fd writing(ends[1]);
  const Fd copy = writing.duplicate();
  EXPECT_NE(writing.get(), copy.get());
  EXPECT_EQ(FD_CLOEXEC, ::fcntl(copy.get(), F_GETFD));
  writing.reset();
  EXPECT_EQ(1, ::write(copy.get(), "x", 1));
  char byte = 0;
  EXPECT_EQ(1, ::read(reading.get(), &byte, 1));
  EXPECT_EQ('x', byte);
}

TEST(Fd, ADuplicateOfNothingThrows) {
  try {
    static_cast<void>(Fd().duplicate());
    FAIL() << "no exception";
  } catch (const std::system_error& error) {
    EXPECT_EQ(std::errc::bad_file_descriptor, error.code());
    EXPECT_NE(std::string::npos, std::string(error.what()).find("-1"));
  }
}

TEST(Fd, ADuplicateWithoutDescriptorsLeftThrows) {
  const Fd fd(open_null());
  rlimit before{};
  ASSERT_EQ(0, ::getrlimit(RLIMIT_NOFILE, &before));
  const rlimit none{static_cast<rlim_t>(fd.get()) + 1, before.rlim_max};
  ASSERT_EQ(0, ::setrlimit(RLIMIT_NOFILE, &none));
  std::exception_ptr failure;
  try {
    static_cast<void>(fd.duplicate());
  } catch (...) {
    failure = std::current_exception();
  }
  // Looked at only now: UBSan needs a descriptor of its own to check an object's type.
  ASSERT_EQ(0, ::setrlimit(RLIMIT_NOFILE, &before));
  ASSERT_TRUE(failure);
  try {
    std::rethrow_exception(failure);
  } catch (const std::system_error& error) {
    EXPECT_EQ(std::errc::too_many_files_open, error.code());
  }
}

}  // namespace
}  // namespace sluice
