// Section 3.2 of docs/contract.md: what write pipes have of their own.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "contract/real_loop.hpp"
#include "contract/suites.hpp"

namespace sluice::testing {
namespace {

static_assert(!std::is_base_of_v<ReadTransport, WriteTransport>, "W-100");

class WritePipes : public RealLoop {
 protected:
  void open(Fd fd) {
    record_ = new_record();
    transport_ =
        loop()
            .run_until_complete(loop().connect_write_pipe(write_factory(record_), std::move(fd)))
            .transport;
  }
  [[nodiscard]] Recording& record() { return *record_; }
  [[nodiscard]] WriteTransport& transport() { return *transport_; }

 private:
  std::shared_ptr<Recording> record_;
  std::shared_ptr<WriteTransport> transport_;
};

[[nodiscard]] Fd open_path(const char* path, int flags) {
  return Fd(::open(path, flags | O_CLOEXEC | O_NOCTTY, S_IRUSR | S_IWUSR));
}

[[nodiscard]] bool non_blocking(int fd) {
  return (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

TEST_F(WritePipes, W98_ARegularFileIsRefusedAndItsDescriptorClosed) {
  const TempDirectory directory;
  Fd file = open_path(directory.file("file").c_str(), O_WRONLY | O_CREAT);
  const int number = file.get();
  const auto record = new_record();
  const std::system_error error =
      failure_of(loop().connect_write_pipe(write_factory(record), std::move(file)));
  EXPECT_EQ(error.code(), std::errc::invalid_argument);
  EXPECT_NE(std::string(error.what())
                .find("Pipe transport is only for pipes, sockets and character devices"),
            std::string::npos)
      << error.what();
  EXPECT_EQ(record->trace(), "");
  EXPECT_LT(::fcntl(number, F_GETFD), 0);
}

TEST_F(WritePipes, W98_ADirectoryIsRefused) {
  const TempDirectory directory;
  Fd folder = open_path(directory.file("").c_str(), O_RDONLY | O_DIRECTORY);
  const std::system_error error =
      failure_of(loop().connect_write_pipe(write_factory(new_record()), std::move(folder)));
  EXPECT_EQ(error.code(), std::errc::invalid_argument);
}

TEST_P(OpenPipeContract, W98_PipesFifosSocketsAndDevicesAreAccepted) {
  start();
  in_turn([&] { put(100); });
  expect_delivered();
}

TEST_F(WritePipes, W99_Q15_TheDescriptionIsNonBlockingWhileOpenAndRestoredAtTheEnd) {
  FdPair pair = make_pipe_pair();
  const Fd shared = pair.transport.duplicate();
  ASSERT_FALSE(non_blocking(shared.get()));
  open(std::move(pair.transport));
  EXPECT_TRUE(non_blocking(shared.get()));
  transport().close();
  run_until([&] { return record().lost(); });
  turn();
  EXPECT_FALSE(non_blocking(shared.get()));
}

TEST_F(WritePipes, W99_Q15_TheDescriptionOfASocketStaysBlockingAllTheTime) {
  FdPair pair = make_socket_pair();
  const Fd shared = pair.transport.duplicate();
  open(std::move(pair.transport));
  transport().write(std::string(1 << 20, 'x'));
  turn();
  EXPECT_GT(transport().get_write_buffer_size(), 0U);
  EXPECT_FALSE(non_blocking(shared.get()));
  transport().abort();
  run_until([&] { return record().lost(); });
  turn();
  EXPECT_FALSE(non_blocking(shared.get()));
}

TEST_F(WritePipes, W99_Q15_ADescriptionThatWasNonBlockingStaysSo) {
  FdPair pair = make_pipe_pair();
  ASSERT_EQ(::fcntl(pair.transport.get(), F_SETFL, O_NONBLOCK), 0);
  const Fd shared = pair.transport.duplicate();
  open(std::move(pair.transport));
  transport().abort();
  run_until([&] { return record().lost(); });
  turn();
  EXPECT_TRUE(non_blocking(shared.get()));
}

TEST_P(OpenPipeContract, W100_AWritePipeIsWrittenByAPlainBaseProtocolToo) {
  class Plain : public BaseProtocol {
   public:
    explicit Plain(std::string& order) : order_(order) {}
    void connection_lost(std::error_code) override { order_ += "CL "; }
    void pause_writing() override { order_ += "PW "; }
    void resume_writing() override { order_ += "RW "; }

   private:
    std::string& order_;
  };
  start();
  std::string order;
  transport().set_protocol(std::make_shared<Plain>(order));
  in_turn([&] { put(big); });
  expect_delivered();
  in_turn([&] { transport().close(); });
  run_until("the loss", [&] { return order.ends_with("CL "); });
  EXPECT_EQ(order, "PW RW CL ");
}

TEST_P(OpenPipeContract, W101_LimitsAndSizeAreThoseOfAnyTransport) {
  start();
  EXPECT_EQ(transport().get_write_buffer_limits(), (WriteBufferLimits{16384, 65536}));
  in_turn([&] { put(big); });
  EXPECT_EQ(size() + statistics().bytes_written, big);
}

TEST_P(OpenWatchedPipeContract, W102_TheGoingAwayOfThePeerIsNoticedWithoutAWrite) {
  start();
  run_some_turns();
  EXPECT_EQ(trace(), "CM");
  peer().close();
  run_until_lost();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(OpenWatchedPipeContract, W102_ACloseInsideMadeStartsNoWatch) {
  record().on_connection_made = [&] { transport().close(); };
  start();
  peer().close();
  run_some_turns();
  EXPECT_EQ(trace(), "CM CL(ok)");
}

TEST_P(WatchedPipeContract, W103_WithBytesQueuedTheLossOfTheReaderIsEpipe) {
  start();
  block();
  const std::size_t queued = size();
  peer().close();
  run_until_lost();
  EXPECT_EQ(trace(), "CM CL(EPIPE)");
  EXPECT_EQ(statistics().bytes_discarded, queued);
}

TEST_P(WatchedPipeContract, W104_AWriteBeforeTheLoopHasSeenTheLossFails) {
  start();
  peer().close();
  in_turn([&] { put(10); });
  run_until_lost();
  // Under coalesce the turn's poll may see the going away before the bytes are sent.
  EXPECT_EQ(trace(), "CM CL(EPIPE)");
}

TEST_P(WatchedPipeContract, W105_TheGoingAwayIsHandledBeforeReadiness) {
  start();
  in_turn([&] { put(big); });
  peer().start_reading();
  peer().pump();
  const auto calls = statistics().send_calls;
  peer().close();
  run_until_lost();
  EXPECT_EQ(statistics().send_calls, calls);
  EXPECT_EQ(trace(), "CM PW CL(EPIPE)");
}

TEST_F(WritePipes, W106_Q14_ASocketWhosePeerSendsStaysOpen) {
  FdPair pair = make_socket_pair();
  FdPeer peer(std::move(pair.peer));
  open(std::move(pair.transport));
  peer.send("not asked for");
  run_some_turns();
  EXPECT_EQ(record().trace(), "CM");
  transport().write("still open");
  peer.start_reading();
  run_until([&] {
    peer.pump();
    return peer.received() == "still open";
  });
}

TEST_F(WritePipes, W106_Q14_AFifoOpenForReadingAndWritingStaysOpen) {
  const TempDirectory directory;
  const std::string path = directory.file("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), S_IRUSR | S_IWUSR), 0);
  open(open_path(path.c_str(), O_RDWR));
  transport().write("unread");
  run_some_turns();
  EXPECT_EQ(record().trace(), "CM");
  EXPECT_EQ(transport().get_write_buffer_size(), 0U);
}

TEST_F(WritePipes, W106_UnreadDataInThePipeDoesNotEndIt) {
  FdPair pair = make_pipe_pair();
  open(std::move(pair.transport));
  transport().write("unread");
  run_some_turns();
  EXPECT_EQ(record().trace(), "CM");
}

TEST_F(WritePipes, W107_InputOnATerminalDisturbsNothing) {
  FdPair pair = make_pty_pair();
  FdPeer peer(std::move(pair.peer));
  open(std::move(pair.transport));
  peer.send("typed\n");
  run_some_turns();
  EXPECT_EQ(record().trace(), "CM");
  transport().write("shown");
  peer.start_reading();
  run_until([&] {
    peer.pump();
    return peer.received() == "shown";
  });
}

TEST_P(UnwatchedPipeContract, W107_ThatTheTerminalIsGoneIsNoticedByTheNextWrite) {
  start();
  peer().close();
  run_some_turns();
  EXPECT_EQ(trace(), "CM");
  in_turn([&] { put(10); });
  run_until_lost();
  EXPECT_EQ(trace(), "CM " + broken_loss());
}

TEST_F(WritePipes, W108_DevNullAcceptsEverything) {
  open(open_path("/dev/null", O_WRONLY));
  for (int i = 0; i < 10; ++i) {
    transport().write(std::string(100'000, 'x'));
    turn();
  }
  EXPECT_EQ(transport().get_write_buffer_size(), 0U);
  EXPECT_EQ(transport().write_statistics().bytes_written, 1'000'000U);
  transport().close();
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().trace(), "CM CL(ok)");
}

TEST_F(WritePipes, W108_DevFullGivesEnospc) {
  open(open_path("/dev/full", O_WRONLY));
  transport().write("x");
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().trace(), "CM CL(ENOSPC)");
}

TEST_F(WritePipes, W108_ADescriptorThatIsNotOpenForWritingGivesEbadf) {
  open(open_path("/dev/null", O_RDONLY));
  EXPECT_EQ(record().trace(), "CM");
  transport().write("x");
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().trace(), "CM CL(EBADF)");
}

TEST_P(OpenPipeContract, W109_CloseAndWriteEofAreTheSameOnAPipe) {
  start();
  in_turn([&] {
    put(big);
    transport().write_eof();
    transport().close();
    transport().write("dropped");
    transport().writelines(std::array{std::string("dropped")});
  });
  EXPECT_EQ(statistics().writes_dropped, 2U);
  expect_delivered_then_end();
  run_until_lost();
  EXPECT_EQ(trace(), "CM PW RW CL(ok)");
}

TEST_P(PipeContract, W110_ResumeComesAtTheLowMarkBeforeThePipeIsEmpty) {
  start();
  block();
  in_turn([&] {
    transport().set_write_buffer_limits(200'000, 190'000);
    put(200'001);
  });
  peer().start_reading();
  run_until("writing is resumed", [&] { return trace() == "CM PW RW"; });
  EXPECT_GT(record().calls().back().size, 0U);
  expect_delivered();
}

TEST_P(OpenPipeContract, W111_TheDescriptorIsClosedRightAfterLost) {
  start();
  const int fd = transport().fileno();
  record().on_connection_lost = [&](std::error_code) { EXPECT_TRUE(maker().is_open(fd)); };
  in_turn([&] { transport().close(); });
  turn();
  EXPECT_TRUE(record().lost());
  EXPECT_FALSE(maker().is_open(fd));
}

TEST_F(WritePipes, W112_AnEmptyFdIsRefusedWithEbadf) {
  const auto record = new_record();
  const std::system_error error =
      failure_of(loop().connect_write_pipe(write_factory(record), Fd()));
  EXPECT_EQ(error.code(), std::errc::bad_file_descriptor);
  EXPECT_EQ(record->trace(), "");
}

TEST_F(WritePipes, W112_ADescriptorThatIsNotOpenIsRefusedWithEbadf) {
  FdPair pair = make_pipe_pair();
  const int number = pair.transport.get();
  pair.transport.reset();
  const std::system_error error =
      failure_of(loop().connect_write_pipe(write_factory(new_record()), Fd(number)));
  EXPECT_EQ(error.code(), std::errc::bad_file_descriptor);
}

}  // namespace
}  // namespace sluice::testing
