#include "loop/shared_descriptions.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "testing/scripted_kernel.hpp"

namespace sluice::loop {
namespace {

//
class SharedFiles : public ::testing::Test {
 protected:
  [[nodiscard]] bool blocks(int fd) {
    return (kernel_.get_status_flags(fd).value & O_NONBLOCK) == 0;
  }
  testing::ScriptedKernel kernel_;
  SharedDescriptions shared_{kernel_};
};

//
TEST_F(SharedFiles, AreNonBlockingWhileBorrowedAndBlockingAgainAfterwards) {
  const int fd = kernel_.open_device();
  EXPECT_FALSE(shared_.borrow(fd));
  EXPECT_FALSE(blocks(fd));
  shared_.give_back(fd);
  EXPECT_TRUE(blocks(fd));
}

//
TEST_F(SharedFiles, OneThatWasNonBlockingBeforeStaysSo) {
  const int fd = kernel_.open_stream();
  EXPECT_FALSE(shared_.borrow(fd));
  EXPECT_EQ(0U, kernel_.count_calls("set_status_flags"));
  shared_.give_back(fd);
  EXPECT_FALSE(blocks(fd));
}

//
TEST_F(SharedFiles, TheLastSharerRestoresIt) {
  const int input = kernel_.open_device();
  const int output = kernel_.duplicate(input);
  EXPECT_FALSE(shared_.borrow(input));
  EXPECT_FALSE(shared_.borrow(output));
  shared_.give_back(input);
  EXPECT_FALSE(blocks(output));
  shared_.give_back(output);
  EXPECT_TRUE(blocks(output));
}

//
TEST_F(SharedFiles, TheLastSharerRestoresItInTheOtherOrderToo) {
  const int input = kernel_.open_device();
  const int output = kernel_.duplicate(input);
  EXPECT_FALSE(shared_.borrow(input));
  EXPECT_FALSE(shared_.borrow(output));
  shared_.give_back(output);
  EXPECT_FALSE(blocks(input));
  shared_.give_back(input);
  EXPECT_TRUE(blocks(input));
}

//
TEST_F(SharedFiles, ThreeSharersHandTheDutyOn) {
  const int one = kernel_.open_device();
  const int two = kernel_.duplicate(one);
  const int three = kernel_.duplicate(one);
  for (const int fd : {one, two, three}) {
    EXPECT_FALSE(shared_.borrow(fd));
  }
  shared_.give_back(one);
  shared_.give_back(three);
  EXPECT_FALSE(blocks(two));
  shared_.give_back(two);
  EXPECT_TRUE(blocks(two));
}

//
TEST_F(SharedFiles, TwoOpenFilesDoNotWaitForEachOther) {
  const int one = kernel_.open_device();
  const int other = kernel_.open_device();
  EXPECT_FALSE(shared_.borrow(one));
  EXPECT_FALSE(shared_.borrow(other));
  shared_.give_back(one);
  EXPECT_TRUE(blocks(one));
  EXPECT_FALSE(blocks(other));
  shared_.give_back(other);
  EXPECT_TRUE(blocks(other));
}

//
TEST_F(SharedFiles, WhereComparingIsForbiddenTheInodeDecides) {
  const int input = kernel_.open_device();
  const int output = kernel_.duplicate(input);
  const int other = kernel_.open_device();
  for (const int fd : {input, output, other}) {
    EXPECT_FALSE(shared_.borrow(fd));
  }
  kernel_.fail_next("same_open_file", EPERM, 10);
  shared_.give_back(input);
  EXPECT_FALSE(blocks(output));
  shared_.give_back(output);
  EXPECT_TRUE(blocks(output));
  shared_.give_back(other);
  EXPECT_TRUE(blocks(other));
}

TEST_F(SharedFiles, OnlyTheFlagThatWasSetIsCleared) {
  const int fd = kernel_.open_device();
  static_cast<void>(kernel_.set_status_flags(fd, O_APPEND));
  EXPECT_FALSE(shared_.borrow(fd));
  EXPECT_EQ(O_APPEND | O_NONBLOCK, kernel_.get_status_flags(fd).value & (O_APPEND | O_NONBLOCK));
  shared_.give_back(fd);
  EXPECT_EQ(O_APPEND, kernel_.get_status_flags(fd).value & (O_APPEND | O_NONBLOCK));
}

TEST_F(SharedFiles, ADescriptorThatIsNotOpenCannotBeBorrowed) {
  EXPECT_EQ(std::errc::bad_file_descriptor, shared_.borrow(-1));
  shared_.give_back(-1);
}

TEST_F(SharedFiles, WhatCouldNotBeSetIsNotRestored) {
  const int fd = kernel_.open_device();
  kernel_.fail_next("set_status_flags", EPERM);
  EXPECT_EQ(std::errc::operation_not_permitted, shared_.borrow(fd));
  kernel_.clear_calls();
  shared_.give_back(fd);
  EXPECT_EQ(0U, kernel_.calls().size());
}

TEST_F(SharedFiles, WhatWasNotBorrowedIsNotTouched) {
  const int fd = kernel_.open_stream();
  shared_.give_back(fd);
  EXPECT_FALSE(blocks(fd));
}

}  // namespace
}  // namespace sluice::loop
