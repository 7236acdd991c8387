#include "transports/channel.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "testing/scripted_kernel.hpp"

namespace sluice::transports {
namespace {

using core::SinkResult;
using core::SourceResult;
using Texts = std::vector<std::string>;

class Channels : public ::testing::Test {
 protected:
  // `count` pieces of one byte each.
  static std::vector<Bytes> pieces(std::size_t count) {
    static const std::string text(core::Sink::max_pieces, 'x');
    std::vector<Bytes> result;
    for (std::size_t i = 0; i < count; ++i) {
      result.push_back(as_bytes(std::string_view(text).substr(i, 1)));
    }
    return result;
  }
  [[nodiscard]] const testing::CallRecord& last_call() const { return kernel_.calls().back(); }

  testing::ScriptedKernel kernel_;
  int socket_fd_ = kernel_.open_stream();
  int pipe_fd_ = [this] {
    const int fd = kernel_.open_write_pipe();
    static_cast<void>(kernel_.set_status_flags(fd, 04000));
    return fd;
  }();
  DescriptorChannel socket_{kernel_, socket_fd_, DescriptorCalls::socket, true};
  DescriptorChannel pipe_{kernel_, pipe_fd_, DescriptorCalls::pipe, true};
};

// W-18, P-7
TEST_F(Channels, OnePieceIsSentWithThePlainCall) {
  EXPECT_EQ(1U, socket_.write(pieces(1)).count);
  EXPECT_EQ("send", last_call().name);
  EXPECT_EQ(1U, pipe_.write(pieces(1)).count);
  EXPECT_EQ("write", last_call().name);
}

// W-18, P-7
TEST_F(Channels, SeveralPiecesAreSentWithOneGatheredCall) {
  for (const std::size_t count : {2U, 15U, 16U, 17U, 100U, 1023U, 1024U}) {
    kernel_.clear_calls();
    EXPECT_EQ(count, socket_.write(pieces(count)).count);
    EXPECT_EQ(count, pipe_.write(pieces(count)).count);
    ASSERT_EQ(2U, kernel_.calls().size());
    EXPECT_EQ("sendmsg", kernel_.calls()[0].name);
    EXPECT_EQ(count, kernel_.calls()[0].pieces);
    EXPECT_EQ("writev", kernel_.calls()[1].name);
    EXPECT_EQ(count, kernel_.calls()[1].pieces);
  }
  EXPECT_EQ(Texts{}, kernel_.violations());
}

// W-22
TEST_F(Channels, PiecesArriveInOrder) {
  const std::vector<Bytes> list{as_bytes("one "), as_bytes("two "), as_bytes("three")};
  static_cast<void>(socket_.write(list));
  EXPECT_EQ("one two three", kernel_.sent(socket_fd_));
}

// P-2
TEST_F(Channels, AnInterruptedWriteIsRepeated) {
  kernel_.script_write(socket_fd_,
                       {testing::interrupt(), testing::interrupt(), testing::accept(3)});
  EXPECT_EQ(3U, socket_.write(pieces(5)).count);
  EXPECT_EQ(3U, kernel_.count_calls("sendmsg"));
  kernel_.script_write(pipe_fd_, {testing::interrupt(), testing::accept(1)});
  EXPECT_EQ(1U, pipe_.write(pieces(1)).count);
  EXPECT_EQ("x", kernel_.sent(pipe_fd_));
}

// P-2
TEST_F(Channels, AnInterruptedReadIsRepeated) {
  std::vector<std::byte> memory(16);
  kernel_.deliver(socket_fd_, "abc");
  kernel_.fail_next("recv", EINTR, 3);
  EXPECT_EQ(3U, socket_.read(memory).count);
  EXPECT_EQ(4U, kernel_.count_calls("recv"));
}

// W-12
TEST_F(Channels, AFullKernelBlocks) {
  kernel_.script_write(socket_fd_, {testing::block()});
  EXPECT_EQ(SinkResult::Kind::would_block, socket_.write(pieces(1)).kind);
  kernel_.script_write(pipe_fd_, {testing::block()});
  EXPECT_EQ(SinkResult::Kind::would_block, pipe_.write(pieces(20)).kind);
}

// W-15
TEST_F(Channels, AnyOtherErrorIsAFailureWithItsCode) {
  kernel_.script_write(socket_fd_, {testing::fail(ECONNRESET)});
  const SinkResult broken = socket_.write(pieces(1));
  EXPECT_EQ(SinkResult::Kind::failed, broken.kind);
  EXPECT_EQ(std::errc::connection_reset, broken.error);
  kernel_.script_write(pipe_fd_, {testing::fail(ENOSPC)});
  EXPECT_EQ(std::errc::no_space_on_device, pipe_.write(pieces(2)).error);
}

TEST_F(Channels, ReadingTellsDataNothingEndAndFailureApart) {
  std::vector<std::byte> memory(2);
  EXPECT_EQ(SourceResult::Kind::would_block, socket_.read(memory).kind);
  kernel_.deliver(socket_fd_, "abc");
  EXPECT_EQ(2U, socket_.read(memory).count);
  const SourceResult last = socket_.read(memory);
  EXPECT_EQ(SourceResult::Kind::received, last.kind);
  EXPECT_EQ(1U, last.count);
  kernel_.deliver_eof(socket_fd_);
  EXPECT_EQ(SourceResult::Kind::end, socket_.read(memory).kind);
  kernel_.fail_next("recv", ETIMEDOUT);
  const SourceResult failed = socket_.read(memory);
  EXPECT_EQ(SourceResult::Kind::failed, failed.kind);
  EXPECT_EQ(std::errc::timed_out, failed.error);
}

TEST_F(Channels, WhetherAShortReadEmptiesTheSourceIsSaidAtBirth) {
  EXPECT_TRUE(socket_.short_read_empties());
  EXPECT_FALSE(
      DescriptorChannel(kernel_, socket_fd_, DescriptorCalls::socket, false).short_read_empties());
  EXPECT_FALSE(
      DescriptorChannel(kernel_, pipe_fd_, DescriptorCalls::pipe, false).short_read_empties());
}

// W-33, W-37
TEST_F(Channels, TheHalfCloseTellsWhetherItFailed) {
  EXPECT_FALSE(socket_.shutdown());
  EXPECT_TRUE(kernel_.write_shut(socket_fd_));
  kernel_.fail_shutdown(socket_fd_, ENOTCONN);
  EXPECT_EQ(std::errc::not_connected, socket_.shutdown());
}

// W-37, Q-12
TEST_F(Channels, AHalfCloseOfALostConnectionTellsWhyItWasLost) {
  kernel_.fail_shutdown(socket_fd_, ENOTCONN);
  kernel_.reset(socket_fd_);
  EXPECT_EQ(std::errc::connection_reset, socket_.shutdown());
}

//
TEST_F(Channels, ASocketAsAPipeIsUsedByCallsThatDoNotWait) {
  ASSERT_TRUE(kernel_.set_status_flags(socket_fd_, 0).ok());
  DescriptorChannel channel(kernel_, socket_fd_, DescriptorCalls::socket_as_pipe, false);
  std::vector<std::byte> memory(2);
  EXPECT_EQ(1U, channel.write(pieces(1)).count);
  EXPECT_EQ(2U, channel.write(pieces(2)).count);
  EXPECT_EQ(SourceResult::Kind::would_block, channel.read(memory).kind);
  EXPECT_EQ(Texts{}, kernel_.violations());
  EXPECT_FALSE(channel.plain()) << "sendfile and splice would wait";
  EXPECT_EQ(std::errc::operation_not_supported, channel.shutdown());
}

// W-38
TEST_F(Channels, APipeHasNoHalfToClose) {
  EXPECT_EQ(std::errc::operation_not_supported, pipe_.shutdown());
}

}  // namespace
}  // namespace sluice::transports
