// sendfile on real descriptors: sockets, pipes and a pseudo terminal.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "sluice/event_loop.hpp"
#include "testing/peers.hpp"
#include "testing/recording_protocol.hpp"

namespace sluice::transports {
namespace {

using testing::FdPair;
using testing::FdPeer;
using testing::pattern;
using testing::pattern_offence;
using testing::Recording;

class RealSendfile : public ::testing::TestWithParam<FdPair (*)()> {
 protected:
  ~RealSendfile() override { record_->release(); }

  void turn() {
    loop_.stop();
    loop_.run_forever();
  }
  void run_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "what is awaited does not come";
      turn();
      if (peer_) {
        peer_->pump();
      }
    }
  }
  void connect(FdPair pair) {
    const int flags = ::fcntl(pair.transport.get(), F_GETFL);
    int type = 0;
    socklen_t size = sizeof type;
    const bool socket =
        ::getsockopt(pair.transport.get(), SOL_SOCKET, SO_TYPE, &type, &size) == 0 && flags >= 0;
    peer_ = std::make_unique<FdPeer>(std::move(pair.peer));
    if (socket) {
      loop_.connect_accepted_socket(
          [&] { return std::make_shared<testing::RecordingProtocol>(record_); },
          std::move(pair.transport));
    } else {
      loop_.connect_write_pipe(
          [&] { return std::make_shared<testing::RecordingWriteProtocol>(record_); },
          std::move(pair.transport));
    }
    run_until([&] { return record_->shared_transport() != nullptr; });
  }
  Fd make_file(std::size_t size, std::size_t from = 0) {
    Fd file(::open(folder_.file("file").c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    const std::string content = pattern(from, size);
    EXPECT_EQ(static_cast<ssize_t>(size), ::write(file.get(), content.data(), size));
    return file;
  }

  testing::TempDirectory folder_;
  std::shared_ptr<Recording> record_ = std::make_shared<Recording>();
  EventLoop loop_;
  std::unique_ptr<FdPeer> peer_;
};

// W-194, and test 60 of CPython's list: test_sendfile_pre_and_post_data.
TEST_P(RealSendfile, BytesBeforeTheFileTheFileAndBytesBehindItArriveInOrder) {
  connect(GetParam()());
  peer_->start_reading();
  record_->transport().write(pattern(0, 1000));
  const auto future = loop_.sendfile(record_->shared_transport(), make_file(300'000, 1000));
  record_->transport().write(pattern(301'000, 50'000));
  run_until([&] { return peer_->received().size() == 351'000; });
  EXPECT_EQ("", pattern_offence(peer_->received()));
  EXPECT_EQ(300'000U, future.get());
  EXPECT_EQ(351'000U, record_->transport().write_statistics().bytes_written);
}

TEST_P(RealSendfile, CloseSendsTheWholeFileFirst) {
  connect(GetParam()());
  const auto future = loop_.sendfile(record_->shared_transport(), make_file(200'000));
  record_->transport().close();
  peer_->start_reading();
  run_until([&] { return record_->lost() && peer_->received().size() == 200'000; });
  EXPECT_EQ("", pattern_offence(peer_->received()));
  EXPECT_EQ(200'000U, future.get());
}

TEST_P(RealSendfile, AFileThatIsShortenedMeanwhileEndsWhereItEndsThen) {
  connect(GetParam()());
  Fd file = make_file(2'000'000);
  const Fd same = file.duplicate();
  const auto future = loop_.sendfile(record_->shared_transport(), std::move(file));
  for (int i = 0; i < 5; ++i) {
    turn();
  }
  ASSERT_FALSE(future.done());
  ASSERT_EQ(0, ::ftruncate(same.get(), 1'500'000));
  record_->transport().write(pattern(1'500'000, 10));
  peer_->start_reading();
  run_until([&] { return peer_->received().size() == 1'500'010; });
  EXPECT_EQ("", pattern_offence(peer_->received()));
  EXPECT_EQ(1'500'000U, future.get());
}

TEST_P(RealSendfile, APeerThatLeavesFailsItAndIsNoSignal) {
  connect(GetParam()());
  const auto future = loop_.sendfile(record_->shared_transport(), make_file(2'000'000));
  for (int i = 0; i < 5; ++i) {
    turn();
  }
  ASSERT_FALSE(future.done());
  peer_->close();
  run_until([&] { return future.done() && record_->lost(); });
  EXPECT_THROW(future.get(), std::system_error);
}

INSTANTIATE_TEST_SUITE_P(Pairs, RealSendfile,
                         ::testing::Values(testing::make_tcp_pair, testing::make_socket_pair,
                                           testing::make_pipe_pair, testing::make_fifo_pair,
                                           testing::make_pty_pair));

using RealSendfileOnTcp = RealSendfile;

// 64 MiB without copying: what is in memory stays small.
TEST_P(RealSendfileOnTcp, ALargeFileArrivesWholeWithNothingBuffered) {
  connect(GetParam()());
  constexpr std::size_t size = 64 * 1024 * 1024;
  const auto future = loop_.sendfile(record_->shared_transport(), make_file(size));
  peer_->start_reading();
  run_until([&] { return peer_->received().size() == size; });
  EXPECT_TRUE(pattern(0, size) == peer_->received());
  EXPECT_EQ(size, future.get());
  EXPECT_EQ(0U, record_->transport().write_statistics().peak_buffer_size);
}

INSTANTIATE_TEST_SUITE_P(Pairs, RealSendfileOnTcp,
                         ::testing::Values(testing::make_tcp_pair, testing::make_socket_pair));

}  // namespace
}  // namespace sluice::transports
