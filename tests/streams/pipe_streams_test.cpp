// Streams over pipes: Q-29, and flow control without a reader.

#include "streams/streams_fixture.hpp"

#include <cerrno>
#include <optional>

namespace sluice::streams {
namespace {

class PipeStreams : public StreamsTest {
 protected:
  StreamWriter open_writer() {
    fd_ = kernel_->open_write_pipe();
    return loop_->run_until_complete(open_write_pipe(Fd(fd_)));
  }
  static Task<> drain(StreamWriter writer) { co_await writer.drain(); }
  static Task<> wait_closed(StreamWriter writer) { co_await writer.wait_closed(); }

  int fd_ = -1;
};

// asyncio's wait_closed is not implemented here.
TEST_F(PipeStreams, WaitClosedOfAWritePipeWaitsForItsEnd) {
  const StreamWriter writer = open_writer();
  writer.write("text");
  const Future<void> waiting = loop_->create_task(wait_closed(writer));
  turn(2);
  EXPECT_FALSE(waiting.done());
  writer.close();
  loop_->run_until_complete(waiting);
  EXPECT_EQ("text", kernel_->sent(fd_));
  EXPECT_FALSE(kernel_->is_open(fd_));
}

//
TEST_F(PipeStreams, WaitClosedOfAWritePipeThrowsWhatBrokeIt) {
  const StreamWriter writer = open_writer();
  kernel_->set_room(fd_, 0);
  writer.write("text");
  const Future<void> waiting = loop_->create_task(wait_closed(writer));
  turn(2);
  kernel_->hang_up(fd_);
  turn(3);
  EXPECT_EQ(std::make_error_code(std::errc::broken_pipe).message(), outcome_of(waiting));
}

// W-203
TEST_F(PipeStreams, ADrainThatWaitsWhileTheReaderGoesAwayThrowsTheErrorAndLaterOnesReset) {
  const StreamWriter writer = open_writer();
  kernel_->set_room(fd_, 0);
  writer.write(std::string(100'000, 'x'));
  const Future<void> waiting = loop_->create_task(drain(writer));
  turn(2);
  EXPECT_FALSE(waiting.done());
  kernel_->hang_up(fd_);
  turn(3);
  EXPECT_EQ(std::make_error_code(std::errc::broken_pipe).message(), outcome_of(waiting));
  const Future<void> later = loop_->create_task(drain(writer));
  turn(2);
  EXPECT_EQ("reset", outcome_of(later));
}

// W-202, W-206
TEST_F(PipeStreams, DrainOfAWritePipeWaitsForRoom) {
  const StreamWriter writer = open_writer();
  kernel_->set_room(fd_, 0);
  writer.write(std::string(100'000, 'x'));
  const Future<void> waiting = loop_->create_task(drain(writer));
  turn(2);
  kernel_->set_room(fd_, 100'000);
  turn(3);
  EXPECT_EQ("done", outcome_of(waiting));
  writer.close();
  turn(3);
}

TEST_F(PipeStreams, AReadPipeIsReadToItsEnd) {
  const int fd = kernel_->open_read_pipe();
  auto [reader, transport] = loop_->run_until_complete(open_read_pipe(Fd(fd)));
  kernel_->deliver(fd, "one\ntwo\n");
  const auto lines = [](StreamReader from) -> Task<std::string> {
    std::string all;
    for (;;) {
      const std::string line = co_await from.readline();
      if (line.empty()) {
        co_return all;
      }
      all += "[" + line + "]";
    }
  };
  const Future<std::string> all = loop_->create_task(lines(reader));
  turn(3);
  kernel_->deliver_eof(fd);
  turn(5);
  EXPECT_EQ("[one\n][two\n]", all.get());
  EXPECT_TRUE(transport->is_closing());
}

TEST_F(PipeStreams, AReadPipeIsPausedWhenNobodyReads) {
  const int fd = kernel_->open_read_pipe();
  auto [reader, transport] = loop_->run_until_complete(open_read_pipe(Fd(fd), 10));
  kernel_->deliver(fd, std::string(21, 'x'));
  turn(2);
  EXPECT_FALSE(transport->is_reading());
  transport->close();
  turn(2);
}

TEST_F(PipeStreams, WhatIsNoPipeIsRefused) {
  EXPECT_NE("nothing", thrown_by([&] {
              loop_->run_until_complete(open_write_pipe(Fd(kernel_->open_file("text"))));
            }));
  EXPECT_NE("nothing", thrown_by([&] {
              loop_->run_until_complete(open_read_pipe(Fd(kernel_->open_file("text"))));
            }));
}

}  // namespace
}  // namespace sluice::streams
