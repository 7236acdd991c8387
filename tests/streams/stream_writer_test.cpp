// The sending end: W-200..W-207, W-209, Q-28.

#include "streams/stream_fixture.hpp"

#include <cerrno>

namespace sluice::streams {
namespace {

template <class T>
concept WritesNull = requires(T& writer) {
  writer.write(nullptr);
}
|| requires(T& writer) {
  writer.write(0);
};
static_assert(!WritesNull<StreamWriter>);

class Writers : public StreamTest {};

// W-200
TEST_F(Writers, ForwardToTheTransport) {
  open();
  writer().write("text ");
  writer().write(as_bytes("bytes "));
  writer().write(Buffer::copy_of("buffer "));
  writer().writelines({"a", "b"});
  writer().writelines(std::vector<std::string>{" c", "d"});
  turn();
  EXPECT_EQ("text bytes buffer ab cd", kernel_->sent(fd_));
  EXPECT_TRUE(writer().can_write_eof());
  writer().write_eof();
  turn();
  EXPECT_TRUE(kernel_->write_shut(fd_));
  EXPECT_FALSE(writer().is_closing());
  EXPECT_EQ(writer().transport()->peername(), writer().peername());
  EXPECT_EQ(writer().transport()->sockname(), writer().sockname());
  writer().close();
  EXPECT_TRUE(writer().is_closing());
}

// W-202
TEST_F(Writers, DrainWithoutAPauseDoesNotSuspend) {
  open();
  const auto body = [this]() -> Task<> {
    loop_->call_soon([this] { note("next turn"); });
    for (int i = 0; i < 1000; ++i) {
      writer().write("x");
      co_await writer().drain();
    }
    note("drained");
  };
  loop_->run_until_complete(body());
  EXPECT_EQ((Texts{"drained", "next turn"}), trace_);
}

// W-201, W-202, W-206
TEST_F(Writers, DrainWaitsUntilTheTransportResumes) {
  open();
  clog();
  const Future<std::string> draining = drain();
  turn(3);
  EXPECT_EQ("pending", state(draining));
  kernel_->add_room(fd_, 100'000 - 16 * 1024 - 1);
  turn(3);
  EXPECT_EQ("pending", state(draining));
  kernel_->add_room(fd_, 1);
  turn(3);
  EXPECT_EQ("= done", state(draining));
  // Not everything is sent.
  EXPECT_EQ(16U * 1024, writer().transport()->get_write_buffer_size());
}

// W-204, gh-74116
TEST_F(Writers, AnyNumberOfDrainsWaitAtATime) {
  open();
  clog();
  std::vector<Future<std::string>> drains;
  for (int i = 0; i < 100; ++i) {
    drains.push_back(drain());
  }
  turn(2);
  drains[50].cancel();
  turn();
  kernel_->set_room(fd_, testing::ScriptedKernel::no_limit);
  turn(3);
  for (std::size_t i = 0; i < drains.size(); ++i) {
    EXPECT_EQ(i == 50 ? "cancelled" : "= done", state(drains[i])) << i;
  }
}

// W-202
TEST_F(Writers, DrainThrowsWhatTheReaderWouldThrow) {
  open();
  kernel_->reset(fd_);
  turn(2);
  const Future<std::string> draining = drain();
  turn();
  EXPECT_EQ("reset", state(draining));
}

// W-202
TEST_F(Writers, DrainOfAClosingStreamLetsTheOthersRunOnce) {
  open();
  kernel_->set_room(fd_, 0);
  writer().write("little");
  writer().close();
  const Future<std::string> draining = drain();
  turn();
  EXPECT_EQ("pending", state(draining));
  turn();
  EXPECT_EQ("= done", state(draining));
  kernel_->set_room(fd_, 100);
}

// W-202: the loop of write and drain sees the loss though drain never waits for room.
TEST_F(Writers, WritingAndDrainingWithoutOtherWaitsSeesTheLoss) {
  open();
  const auto body = [this]() -> Task<> {
    for (;;) {
      writer().write("x");
      co_await writer().drain();
      if (trace_.empty()) {
        note("closed");
        writer().close();
      }
    }
  };
  EXPECT_EQ("reset", thrown_by([&] { loop_->run_until_complete(body()); }));
}

// W-203
TEST_F(Writers, DrainAfterAbortThrows) {
  open();
  writer().transport()->abort();
  const Future<std::string> draining = drain();
  turn(3);
  EXPECT_EQ("reset", state(draining));
}

// W-203, Q-28: asyncio's drain returns normally here, though the bytes were thrown away.
TEST_F(Writers, ADrainThatWaitsWhileTheStreamIsAbortedThrows) {
  open();
  clog();
  const Future<std::string> draining = drain();
  turn(2);
  writer().transport()->abort();
  turn(3);
  EXPECT_EQ("reset", state(draining));
}

// W-203
TEST_F(Writers, ADrainThatWaitsWhileTheConnectionBreaksThrowsTheError) {
  open();
  clog();
  const Future<std::string> draining = drain();
  turn(2);
  kernel_->fail_writes(fd_, EPIPE);
  turn(3);
  EXPECT_EQ(std::make_error_code(std::errc::broken_pipe).message(), state(draining));
}

// W-205
TEST_F(Writers, DrainOfAStreamThatIsClosingAndPausedWaitsForTheFlush) {
  open();
  clog();
  writer().close();
  const Future<std::string> draining = drain();
  turn(5);
  EXPECT_EQ("pending", state(draining));
  kernel_->set_room(fd_, testing::ScriptedKernel::no_limit);
  turn(3);
  EXPECT_EQ("= done", state(draining));
}

// W-207
TEST_F(Writers, WaitClosedIsDoneWhenTheConnectionIsGoneForEveryoneAndEveryTime) {
  open();
  const Future<std::string> before = wait_closed();
  const Future<std::string> cancelled = wait_closed();
  turn();
  cancelled.cancel();
  turn();
  EXPECT_TRUE(cancelled.cancelled());
  EXPECT_EQ("pending", state(before));
  writer().close();
  const Future<std::string> after = wait_closed();
  turn(3);
  const Future<std::string> again = wait_closed();
  turn();
  EXPECT_EQ("= done", state(before));
  EXPECT_EQ("= done", state(after));
  EXPECT_EQ("= done", state(again));
}

// W-207
TEST_F(Writers, WaitClosedThrowsWhatBrokeTheConnection) {
  open();
  const Future<std::string> waiting = wait_closed();
  turn();
  kernel_->reset(fd_);
  turn(3);
  const Future<std::string> again = wait_closed();
  turn();
  EXPECT_EQ("reset", state(waiting));
  EXPECT_EQ("reset", state(again));
}

// W-208
TEST_F(Writers, TheReaderIsToldFirstThenTheEndThenTheDrains) {
  open();
  clog();
  const auto noting = [this](auto make, std::string name) -> Task<> {
    try {
      co_await make();
    } catch (const std::system_error&) {
    }
    note(std::move(name));
  };
  loop_->create_task(noting([this] { return writer().drain(); }, "drain"));
  loop_->create_task(noting([this] { return writer().wait_closed(); }, "wait_closed"));
  loop_->create_task(noting([this] { return reader().read(1); }, "read"));
  turn(2);
  writer().transport()->abort();
  turn(3);
  EXPECT_EQ((Texts{"read", "wait_closed", "drain"}), trace_);
}

// W-209
TEST_F(Writers, TheLastOneThatIsDroppedClosesAnOpenStreamWithAWarning) {
  open();
  {
    const StreamWriter copy = writer();
    pair_.reset();
    turn();
    EXPECT_FALSE(copy.is_closing());
    EXPECT_EQ(Texts{}, logged_);
  }
  EXPECT_EQ(Texts{"the last StreamWriter of an open stream was dropped: closing the transport of "
                  "file descriptor " +
                  std::to_string(fd_)},
            logged_);
  turn(3);
  EXPECT_FALSE(kernel_->is_open(fd_));
}

// W-209
TEST_F(Writers, OneThatIsDroppedClosedSaysNothing) {
  open();
  writer().close();
  pair_.reset();
  turn(3);
  EXPECT_EQ(Texts{}, logged_);
}

}  // namespace
}  // namespace sluice::streams
