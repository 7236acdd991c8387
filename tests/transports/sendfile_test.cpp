// EventLoop::sendfile over a scripted kernel: which calls are made, what the future says, what a
// loss or a cancellation leaves.
#include <fcntl.h>

#include <cerrno>
#include <limits>
#include <stdexcept>

#include "core/write_side.hpp"
#include "sluice/error.hpp"
#include "testing/peers.hpp"
#include "transport_fixture.hpp"

namespace sluice::transports {
namespace {

using testing::accept;
using testing::block;
using testing::fail;
using testing::interrupt;
using testing::pattern;

class Sendfile : public TransportTest {
 protected:
  Sendfile() : file_(kernel_->open_file(pattern(0, 1000))) {
    record_->on_eof_received = [] { return true; };
  }
  void TearDown() override {
    record_->release();
    loop_.reset();
    file_is_let_go();
    TransportTest::TearDown();
  }
  // The kernel's descriptors are no real ones: an Fd must not close them.
  static std::shared_ptr<const Fd> share(int fd) {
    return {new Fd(fd), [](Fd* shared) {
              static_cast<void>(shared->release());
              delete shared;
            }};
  }
  void file_is_let_go() {
    if (kernel_->is_open(file_)) {
      static_cast<void>(kernel_->close(file_));
    }
  }
  void open() {
    fd_ = kernel_->open_stream();
    adopt(fd_);
    kernel_->clear_calls();
  }
  WriteTransport& transport() { return record_->transport(); }
  Future<std::uint64_t> send(std::uint64_t offset = 0,
                             std::optional<std::uint64_t> count = std::nullopt) {
    return loop_->sendfile(record_->shared_transport(), share(file_), offset, count);
  }
  [[nodiscard]] Texts sendfiles() const { return calls(fd_, "sendfile"); }
  [[nodiscard]] std::string call(std::size_t count, std::size_t offset,
                                 const std::string& result) const {
    return "sendfile(" + std::to_string(fd_) + ", " + std::to_string(count) + " bytes" +
           (offset > 0 ? ", " + std::to_string(offset) : "") + ") = " + result;
  }

  int file_;
  int fd_ = -1;
};

// W-194
TEST_F(Sendfile, ResultsInTheNumberOfBytesSent) {
  open();
  const auto future = send(100, 200);
  turn();
  EXPECT_EQ(200U, future.get());
  EXPECT_EQ(pattern(100, 200), kernel_->sent(fd_));
  EXPECT_EQ(Texts{call(200, 100, "200")}, sendfiles());
}

// W-194
TEST_F(Sendfile, WithoutACountItSendsToTheEnd) {
  open();
  const auto future = send(900);
  turn();
  EXPECT_EQ(100U, future.get());
  EXPECT_EQ(pattern(900, 100), kernel_->sent(fd_));
}

TEST_F(Sendfile, ShortCountsAndFullSocketsAreGoneOnFromWhereTheyEnded) {
  open();
  kernel_->script_write(fd_, {accept(300), interrupt(), accept(50), block()});
  const auto future = send(0, 1000);
  turn(2);
  EXPECT_FALSE(future.done());
  kernel_->make_writable(fd_);
  turn(2);
  EXPECT_EQ(1000U, future.get());
  EXPECT_EQ(pattern(0, 1000), kernel_->sent(fd_));
  EXPECT_EQ((Texts{call(1000, 0, "300"), call(700, 300, "EINTR"), call(700, 300, "50"),
                   call(650, 350, "EAGAIN"), call(650, 350, "650")}),
            sendfiles());
}

// W-194: legal, unlike in asyncio.
TEST_F(Sendfile, WritesBeforeAndBehindKeepTheirOrder) {
  open();
  transport().write("before ");
  const auto first = send(0, 10);
  transport().write(" between ");
  const auto second = send(10, 10);
  transport().write(" behind");
  turn(2);
  EXPECT_EQ("before " + pattern(0, 10) + " between " + pattern(10, 10) + " behind",
            kernel_->sent(fd_));
  EXPECT_EQ(10U, first.get());
  EXPECT_EQ(10U, second.get());
}

// W-194: unlike in asyncio.
TEST_F(Sendfile, ReadingGoesOnMeanwhile) {
  open();
  kernel_->set_room(fd_, 0);
  const auto future = send();
  turn();
  kernel_->deliver(fd_, "question");
  turn();
  EXPECT_EQ("question", record_->received());
  transport().abort();
  turn();
  EXPECT_TRUE(future.exception());
}

// W-54
TEST_F(Sendfile, TheFileIsNotPartOfTheBuffer) {
  open();
  kernel_->set_room(fd_, 0);
  transport().set_write_buffer_limits(0);
  const auto future = send();
  turn();
  EXPECT_EQ(0U, transport().get_write_buffer_size());
  EXPECT_EQ("CM", trace());
  kernel_->set_room(fd_, 2000);
  turn(2);
  EXPECT_EQ(1000U, future.get());
  EXPECT_EQ(1000U, transport().write_statistics().bytes_written);
}

TEST_F(Sendfile, AnEmptyRangeResultsInNone) {
  open();
  const auto nothing = send(0, 0);
  const auto behind = send(1000);
  const auto far_behind = send(5000, 10);
  kernel_->set_file(file_, "");
  const auto empty = send();
  turn(2);
  for (const auto& future : {nothing, behind, far_behind, empty}) {
    EXPECT_EQ(0U, future.get());
  }
  EXPECT_EQ("", kernel_->sent(fd_));
}

TEST_F(Sendfile, AFileThatShrinksIsSentAsFarAsItGoes) {
  open();
  kernel_->set_room(fd_, 400);
  const auto future = send(0, 1000);
  transport().write(" behind");
  turn(2);
  kernel_->set_file(file_, pattern(0, 450));
  kernel_->set_room(fd_, 2000);
  turn(2);
  EXPECT_EQ(450U, future.get());
  EXPECT_EQ(pattern(0, 450) + " behind", kernel_->sent(fd_));
}

TEST_F(Sendfile, AFileThatGrowsIsSentToItsNewEnd) {
  open();
  kernel_->set_room(fd_, 400);
  const auto future = send();
  turn(2);
  kernel_->set_file(file_, pattern(0, 1500));
  kernel_->set_room(fd_, 5000);
  turn(2);
  EXPECT_EQ(1500U, future.get());
}

// W-42
TEST_F(Sendfile, CloseAndTheHalfCloseWaitForTheFile) {
  open();
  kernel_->set_room(fd_, 400);
  const auto future = send();
  transport().write_eof();
  turn(2);
  EXPECT_FALSE(kernel_->write_shut(fd_));
  transport().close();
  turn(2);
  EXPECT_FALSE(record_->lost());
  kernel_->set_room(fd_, 600);
  turn(2);
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_EQ(1000U, future.get());
}

// ---- What is refused ----

// W-193
TEST_F(Sendfile, AClosingTransportIsRefused) {
  open();
  transport().close();
  const auto future = send();
  EXPECT_EQ("Transport is closing", outcome_of(future));
  EXPECT_THROW(future.get(), std::logic_error);
  turn();
  EXPECT_EQ("Transport is closing", outcome_of(send()));
}

TEST_F(Sendfile, AfterTheHalfCloseItIsRefused) {
  open();
  transport().write_eof();
  EXPECT_EQ("Cannot call sendfile() after write_eof()", outcome_of(send()));
}

// W-197
TEST_F(Sendfile, WhatCannotBeReadAtAnOffsetIsRefusedBeforeAnythingIsSent) {
  open();
  const int pipe = kernel_->open_read_pipe();
  EXPECT_EQ("sendfile is for files that can be read at an offset; file descriptor " +
                std::to_string(pipe) + " is none: Invalid argument",
            outcome_of(loop_->sendfile(record_->shared_transport(), share(pipe))));
  EXPECT_EQ(std::errc::bad_file_descriptor,
            code_of(loop_->sendfile(record_->shared_transport(), share(9999))));
  EXPECT_EQ("sendfile: there is no file",
            outcome_of(loop_->sendfile(record_->shared_transport(), Fd())));
  EXPECT_EQ("sendfile: the offset is too large",
            outcome_of(send(std::numeric_limits<std::uint64_t>::max())));
  EXPECT_EQ("sendfile is not supported for this transport",
            outcome_of(loop_->sendfile(nullptr, share(file_))));
  static_cast<void>(kernel_->close(pipe));
  turn(2);
  EXPECT_FALSE(transport().is_closing());
  EXPECT_EQ("", kernel_->sent(fd_));
}

TEST_F(Sendfile, AFileOpenForWritingOnlyIsRefused) {
  open();
  static_cast<void>(kernel_->close(file_));
  file_ = kernel_->open_write_only_file();
  EXPECT_EQ(std::errc::bad_file_descriptor, code_of(send()));
}

TEST_F(Sendfile, ATransportOfAnotherLoopIsRefused) {
  open();
  EventLoop other({.system_calls = kernel_});
  EXPECT_EQ("sendfile: the transport belongs to another loop",
            outcome_of(other.sendfile(record_->shared_transport(), share(file_))));
}

// ---- Losses ----

// W-195, Q-27
TEST_F(Sendfile, ALossWhileItWaitsFailsItOnceWithTheReason) {
  open();
  kernel_->set_room(fd_, 0);
  transport().write("in the way");
  const auto future = send();
  turn();
  kernel_->fail_writes(fd_, ECONNRESET);
  turn(3);
  EXPECT_EQ(std::errc::connection_reset, code_of(future));
  EXPECT_EQ("CM CL(ECONNRESET)", trace());
  EXPECT_EQ(Texts{}, reports_);
}

// W-195
TEST_F(Sendfile, AbortFailsItAndSaysHowFarItCame) {
  open();
  kernel_->set_room(fd_, 400);
  const auto future = send();
  turn(2);
  transport().abort();
  EXPECT_EQ("sending file descriptor " + std::to_string(file_) +
                ": the connection was lost after 400 bytes: Software caused connection abort",
            outcome_of(future));
  turn();
  EXPECT_EQ("CM CL(ok)", trace());
}

TEST_F(Sendfile, ALossInTheMiddleFailsItWithTheReason) {
  open();
  kernel_->script_write(fd_, {accept(400), fail(EPIPE)});
  const auto future = send();
  turn();
  kernel_->make_writable(fd_);
  turn(2);
  EXPECT_EQ(std::errc::broken_pipe, code_of(future));
  EXPECT_EQ("CM CL(EPIPE)", trace());
}

TEST_F(Sendfile, AFileThatCannotBeReadFailsItAndLosesTheConnection) {
  open();
  kernel_->set_room(fd_, 400);
  const auto future = send(100);
  transport().write("behind");
  turn(2);
  kernel_->fail_file(file_, EIO);
  kernel_->add_room(fd_, 1000);
  turn(2);
  EXPECT_EQ(
      "reading file descriptor " + std::to_string(file_) + " at offset 500: Input/output error",
      outcome_of(future));
  EXPECT_EQ("CM CL(EIO)", trace());
  EXPECT_EQ(pattern(100, 400), kernel_->sent(fd_));
}

TEST_F(Sendfile, ALoopClosedInTheMiddleLetsTheFileGoAndTellsNobody) {
  open();
  kernel_->set_room(fd_, 400);
  const auto file = share(file_);
  bool told = false;
  const auto future = loop_->sendfile(record_->shared_transport(), file);
  future.add_done_callback([&](const auto&) { told = true; });
  turn(2);
  EXPECT_LT(1, file.use_count());
  loop_->close();
  EXPECT_EQ(1, file.use_count());
  EXPECT_FALSE(future.done());
  EXPECT_FALSE(told);
}

TEST_F(Sendfile, TheFileIsLetGoWhenItHasBeenSent) {
  open();
  const auto file = share(file_);
  const auto future = loop_->sendfile(record_->shared_transport(), file);
  turn(2);
  EXPECT_EQ(1, file.use_count());
}

// ---- Cancelling ----

TEST_F(Sendfile, CancelledBeforeItsFirstByteItIsTakenOut) {
  open();
  kernel_->set_room(fd_, 0);
  transport().write("before ");
  const auto future = send();
  transport().write("behind");
  turn();
  EXPECT_TRUE(future.cancel());
  kernel_->set_room(fd_, 1000);
  turn(2);
  EXPECT_EQ("before behind", kernel_->sent(fd_));
  EXPECT_FALSE(transport().is_closing());
}

TEST_F(Sendfile, CancelledInTheMiddleItAbortsTheTransport) {
  open();
  kernel_->set_room(fd_, 400);
  const auto future = send();
  turn(2);
  EXPECT_TRUE(future.cancel());
  turn(2);
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_TRUE(future.cancelled());
}

// The block that was read is queued while the protocol is told.
TEST_F(Sendfile, CancelledInsideThePauseOverItsOwnBytesItAbortsTheTransport) {
  kernel_->set_file(file_, pattern(0, 40'000));
  open();
  kernel_->fail_next("sendfile", EINVAL);
  kernel_->set_room(fd_, 50);
  transport().set_write_buffer_limits(100);
  const auto future = send();
  bool cancelled = false;
  record_->on_pause_writing = [&] { cancelled = future.cancel(); };
  turn(3);
  EXPECT_TRUE(cancelled);
  EXPECT_EQ("CM PW CL(ok)", trace());
  EXPECT_TRUE(future.cancelled());
  record_->on_pause_writing = nullptr;
}

TEST_F(Sendfile, CancelledAfterItsEndNothingHappens) {
  open();
  const auto future = send();
  turn(2);
  EXPECT_FALSE(future.cancel());
  turn(2);
  EXPECT_EQ("CM", trace());
}

// ---- Other ways ----

// W-195, W-196
TEST_F(Sendfile, WhereTheSystemRefusesTheFileIsReadInBlocks) {
  kernel_->set_file(file_, pattern(0, 40'000));
  open();
  kernel_->fail_next("sendfile", EINVAL);
  kernel_->set_room(fd_, 10'000);
  const auto future = send(5);
  transport().write("behind");
  turn(2);
  EXPECT_LE(transport().get_write_buffer_size(), 16U * 1024 + 6);
  EXPECT_FALSE(future.done());
  kernel_->set_room(fd_, 100'000);
  turn(3);
  EXPECT_EQ(pattern(5, 40'000 - 5) + "behind", kernel_->sent(fd_));
  EXPECT_EQ(40'000U - 5, future.get());
  EXPECT_EQ(1U, sendfiles().size());
}

// Some sandboxes answer EPERM to what they do not know.
TEST_F(Sendfile, WhereASandboxForbidsItTheFileIsReadInBlocks) {
  kernel_->set_file(file_, pattern(0, 40'000));
  open();
  kernel_->fail_next("sendfile", EPERM);
  const auto future = send(5);
  turn(5);
  EXPECT_EQ(pattern(5, 40'000 - 5), kernel_->sent(fd_));
  EXPECT_EQ(40'000U - 5, future.get());
}

TEST_F(Sendfile, ReadInBlocksAFailureLosesTheConnectionToo) {
  open();
  kernel_->fail_next("sendfile", EINVAL);
  kernel_->fail_next("pread", EIO);
  const auto future = send(7);
  turn(2);
  EXPECT_EQ("reading file descriptor " + std::to_string(file_) + " at offset 7: Input/output error",
            outcome_of(future));
  EXPECT_EQ("CM CL(EIO)", trace());
}

TEST_F(Sendfile, ToAPipeItIsSpliced) {
  fd_ = kernel_->open_write_pipe();
  loop_->connect_write_pipe(write_factory(), Fd(fd_));
  turn(3);
  transport().write("before ");
  const auto future = send(10, 20);
  turn(2);
  EXPECT_EQ(20U, future.get());
  EXPECT_EQ("before " + pattern(10, 20), kernel_->sent(fd_));
  EXPECT_EQ(1U, kernel_->count_calls("splice"));
  EXPECT_EQ(0U, kernel_->count_calls("pread"));
}

TEST_F(Sendfile, ToADeviceItIsReadAndWritten) {
  fd_ = kernel_->open_device();
  loop_->connect_write_pipe(write_factory(), Fd(fd_));
  turn(3);
  const auto future = send(10, 20);
  turn(2);
  EXPECT_EQ(20U, future.get());
  EXPECT_EQ(pattern(10, 20), kernel_->sent(fd_));
  EXPECT_EQ(0U, kernel_->count_calls("splice"));
}

// Fairness.
TEST_F(Sendfile, NoMoreThanABurstIsSentInOneTurn) {
  constexpr std::size_t burst = core::WriteSide::external_burst_bytes;
  kernel_->set_file(file_, std::string(3 * burst, 'x'));
  open();
  const auto future = send(0, 3 * burst);
  std::vector<std::size_t> sent;
  const std::function<void()> look = [&] {
    sent.push_back(kernel_->sent(fd_).size());
    future.done() ? loop_->stop() : static_cast<void>(loop_->call_soon(look));
  };
  loop_->call_soon(look);
  loop_->run_forever();
  EXPECT_EQ((std::vector<std::size_t>{0, burst, 2 * burst, 3 * burst}), sent);
}

// The flush after its own read event is one of the turn's, not one more.
TEST_F(Sendfile, NoMoreThanABurstIsSentInTheTurnOfAnEvent) {
  constexpr std::size_t burst = core::WriteSide::external_burst_bytes;
  kernel_->set_file(file_, std::string(3 * burst, 'x'));
  open();
  record_->on_data_received = [&](Bytes) { static_cast<void>(send(0, 3 * burst)); };
  kernel_->deliver(fd_, "request");
  std::vector<std::size_t> sent{0};
  const std::function<void()> look = [&] {
    const std::size_t now = kernel_->sent(fd_).size();
    EXPECT_LE(now - sent.back(), burst);
    sent.push_back(now);
    now == 3 * burst ? loop_->stop() : static_cast<void>(loop_->call_soon(look));
  };
  loop_->call_soon(look);
  loop_->run_forever();
  EXPECT_EQ(3 * burst, sent.back());
}

TEST_F(Sendfile, WorksWithImmediateWritesAndOutsideATurn) {
  make_loop({.write_policy = WritePolicy::immediate});
  open();
  transport().write("before ");
  const auto future = send(0, 5);
  transport().write(" behind");
  turn(2);
  EXPECT_EQ("before " + pattern(0, 5) + " behind", kernel_->sent(fd_));
  EXPECT_EQ(5U, future.get());
}

}  // namespace
}  // namespace sluice::transports
