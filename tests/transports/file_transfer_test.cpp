// sendfile and relay with the transport of a file at one end.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "sluice/relay.hpp"
#include "transports/slow_file_fixture.hpp"

namespace sluice::transports {
namespace {

using testing::FdPair;
using testing::pattern;
using testing::ThrottledFile;

class FileTransfer : public SlowFile {
 protected:
  ~FileTransfer() override {
    peer_record_->release();
    probe_->transport.reset();
  }

  /// A file to be sent.
  Fd source(const std::string& bytes) {
    put("source", bytes);
    return Fd(::open(path("source").c_str(), O_RDONLY | O_CLOEXEC));
  }
  /// Sends the rest of the stream that is `all` long, then its end, as the kernel takes it.
  void feed(const Fd& peer, std::size_t all) {
    if (fed_ == all) {
      return;
    }
    const std::string piece = pattern(fed_, std::min<std::size_t>(all - fed_, 64 * 1024));
    const ssize_t count =
        ::send(peer.get(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    fed_ += count > 0 ? static_cast<std::size_t>(count) : 0;
    if (fed_ == all) {
      ::shutdown(peer.get(), SHUT_WR);
    }
  }
  /// A stream from a peer to us; what comes back is the peer.
  Fd connect_stream() {
    FdPair pair = testing::make_tcp_pair();
    auto future = loop().connect_accepted_socket(
        [this] { return std::make_shared<RecordingProtocol>(peer_record_); },
        std::move(pair.transport));
    run_until([&] { return future.done(); });
    return std::move(pair.peer);
  }
  [[nodiscard]] std::shared_ptr<Transport> stream() {
    return std::dynamic_pointer_cast<Transport>(peer_record_->shared_transport());
  }
  /// The transport of a pipe that is only read.
  Fd connect_reader() {
    FdPair pair = testing::make_pipe_pair();
    auto future = loop().connect_read_pipe([this] { return std::make_shared<ReadProbe>(probe_); },
                                           std::move(pair.peer));
    run_until([&] { return future.done(); });
    return std::move(pair.transport);
  }

  std::shared_ptr<Recording> peer_record_ = std::make_shared<Recording>();
  std::shared_ptr<ReadRecord> probe_ = std::make_shared<ReadRecord>();
  std::size_t fed_ = 0;
};

// ---- sendfile ----

// F-9, W-194, W-196
TEST_F(FileTransfer, AFileIsSentIntoAFileBetweenWhatWasWrittenBeforeAndAfterIt) {
  const std::string bytes = pattern(0, 3'000'001);
  connect("file", {});
  transport().write("before ");
  auto sent = loop().sendfile(record().shared_transport(), source(bytes));
  transport().write(" behind");
  transport().close();
  run_until_lost();
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_EQ(bytes.size(), sent.get());
  EXPECT_TRUE("before " + bytes + " behind" == content("file"));
  EXPECT_LE(statistics().peak_buffer_size, 16U * 1024 + 14);
  EXPECT_EQ(bytes.size() + 14, statistics().bytes_written);
}

TEST_F(FileTransfer, APartOfAFileIsSentAndAFileThatEndsFirstIsSentToItsEnd) {
  const std::string bytes = pattern(0, 100'000);
  connect("file", {});
  const auto shared = std::make_shared<const Fd>(source(bytes));
  auto middle = loop().sendfile(record().shared_transport(), shared, 10'000, 50'000);
  auto rest = loop().sendfile(record().shared_transport(), shared, 90'000, 50'000);
  auto none = loop().sendfile(record().shared_transport(), shared, 200'000);
  transport().close();
  run_until_lost();
  EXPECT_EQ(50'000U, middle.get());
  EXPECT_EQ(10'000U, rest.get());
  EXPECT_EQ(0U, none.get());
  EXPECT_TRUE(bytes.substr(10'000, 50'000) + bytes.substr(90'000) == content("file"));
}

// F-3
TEST_F(FileTransfer, ADiskThatIsFullInTheMiddleOfAFileFailsTheTransferAndCountsWhatItTook) {
  begin(100);
  auto sent = loop().sendfile(record().shared_transport(), source(pattern(100, 300'000)));
  disk().add_room(50'000);
  run_until([this] { return disk().taken() == 50'000; });
  disk().fail_writes(ENOSPC);
  run_until_lost();
  EXPECT_EQ("CM CL(ENOSPC)", trace());
  EXPECT_EQ(std::errc::no_space_on_device, code_of(sent));
  EXPECT_EQ(50'000U, statistics().bytes_written);
  EXPECT_TRUE(pattern(0, 50'000) == content("file"));
}

// W-195, F-6
TEST_F(FileTransfer, AbortWhileABlockIsUnderWayFailsTheTransferAndKeepsTheBlockUntilItIsWritten) {
  connect("file", {});
  disk().choose(transport().fileno());
  disk().fill(ThrottledFile::capacity);
  auto sent = loop().sendfile(record().shared_transport(), source(pattern(0, 300'000)));
  run_until([this] { return transport().get_write_buffer_size() > 0; });
  disk().settle(1);
  const std::size_t block = transport().get_write_buffer_size();
  transport().abort();
  run_until_lost();
  EXPECT_EQ(std::errc::connection_aborted, code_of(sent));
  EXPECT_EQ(0U, statistics().bytes_written);
  disk().let_go();
  run_until([this] { return disk().is_closed(); });
  run_some_turns();
  EXPECT_EQ(block, statistics().bytes_written);
  EXPECT_TRUE(pattern(0, block) == content("file"));
}

// F-7
TEST_F(FileTransfer, ALoopThatClosesInTheMiddleOfATransferWritesTheBlockUnderWayAndNoMore) {
  connect("file", {});
  disk().choose(transport().fileno());
  disk().fill(ThrottledFile::capacity);
  auto sent = loop().sendfile(record().shared_transport(), source(pattern(0, 300'000)));
  run_until([this] { return transport().get_write_buffer_size() > 0; });
  disk().settle(1);
  const std::size_t block = transport().get_write_buffer_size();
  std::thread helper([this] { disk().let_go(); });
  loop().close();
  helper.join();
  EXPECT_EQ("CM", trace());
  EXPECT_TRUE(pattern(0, block) == content("file"));
  EXPECT_EQ("pending", outcome_of(sent));
}

// W-195
TEST_F(FileTransfer, ATransferIntoAReplacementThatIsCancelledInTheMiddleLeavesTheOldFile) {
  put("file", "old");
  begin(100, {.if_exists = IfExists::replace});
  auto sent = loop().sendfile(record().shared_transport(), source(pattern(100, 300'000)));
  disk().add_room(50'000);
  run_until([this] { return disk().taken() == 50'000; });
  sent.cancel();
  disk().let_go();
  run_until_lost();
  EXPECT_EQ("CM CL(ok)", trace());
  run_until([this] { return disk().is_closed(); });
  EXPECT_EQ("old", content("file"));
  EXPECT_EQ((Texts{"file", "source"}), names());
}

TEST_F(FileTransfer, NoFileIsSentToATransportThatOnlyReads) {
  const Fd writer = connect_reader();
  auto sent = loop().sendfile(std::dynamic_pointer_cast<WriteTransport>(probe_->transport),
                              source("never sent"));
  EXPECT_EQ("sendfile is not supported for a transport that only reads", outcome_of(sent));
  EXPECT_FALSE(probe_->transport->is_closing());
}

// ---- relay ----

// F-9
TEST_F(FileTransfer, WhatASocketReceivesIsRelayedIntoAFileToItsEnd) {
  constexpr std::size_t total = 4'000'000;
  const Fd peer = connect_stream();
  connect("file", {.if_exists = IfExists::replace});
  transport().write("before ");
  auto relayed = relay(stream(), record().shared_transport());
  run_until([&] {
    feed(peer, total);
    return relayed.done();
  });
  EXPECT_EQ(total, relayed.get().bytes);
  EXPECT_EQ(std::error_code(), relayed.get().write_error);
  run_until([this] { return transport().fileno() < 0; });
  EXPECT_TRUE("before " + pattern(0, total) == content("file"));
  EXPECT_EQ((Texts{"file"}), names());
  stream()->close();
}

TEST_F(FileTransfer, WhatAPipeReceivesIsRelayedIntoAFileToItsEnd) {
  Fd writer = connect_reader();
  connect("file", {});
  auto relayed = relay(probe_->transport, record().shared_transport());
  const std::string text = pattern(0, 4000);
  ASSERT_EQ(4000, ::write(writer.get(), text.data(), text.size()));
  writer.reset();
  run_until([this] { return transport().fileno() < 0; });
  EXPECT_EQ(4000U, relayed.get().bytes);
  EXPECT_EQ(text, content("file"));
}

// F-9: reading pauses above the high mark, however much the peer has for us.
TEST_F(FileTransfer, ADiskThatIsSlowerThanTheSenderStopsTheSender) {
  constexpr std::size_t total = 4'000'000;
  const Fd peer = connect_stream();
  begin(100);
  fed_ = 100;
  auto relayed = relay(stream(), record().shared_transport());
  run_until([&] {
    feed(peer, total);
    return !stream()->is_reading();
  });
  const std::size_t held = transport().get_write_buffer_size();
  EXPECT_GT(held, default_write_buffer_limits.high);
  run_some_turns();
  EXPECT_EQ(held, transport().get_write_buffer_size());
  disk().let_go();
  run_until([&] {
    feed(peer, total);
    return relayed.done();
  });
  run_until([this] { return transport().fileno() < 0; });
  EXPECT_TRUE(pattern(0, total) == content("file"));
  EXPECT_LE(statistics().peak_buffer_size, default_write_buffer_limits.high + 256U * 1024);
  stream()->close();
}

TEST_F(FileTransfer, ADiskThatIsFullEndsTheSender) {
  const Fd peer = connect_stream();
  begin(100);
  auto relayed = relay(stream(), record().shared_transport());
  feed(peer, 4'000'000);
  disk().fail_writes(ENOSPC);
  run_until([&] { return relayed.done(); });
  EXPECT_EQ(std::errc::no_space_on_device, relayed.get().write_error);
  EXPECT_TRUE(stream()->is_closing());
}

// A replacement is complete or it is none.
TEST_F(FileTransfer, ASenderThatBreaksOffLeavesTheOldFile) {
  put("file", "old");
  Fd peer = connect_stream();
  connect("file", {.if_exists = IfExists::replace});
  auto relayed = relay(stream(), record().shared_transport());
  ASSERT_EQ(4, ::send(peer.get(), "half", 4, 0));
  run_until([this] { return statistics().bytes_written == 4; });
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  peer.reset();
  run_until([&] { return relayed.done(); });
  EXPECT_EQ(std::errc::connection_reset, relayed.get().read_error);
  run_until([this] { return names() == Texts{"file"}; });
  EXPECT_EQ("old", content("file"));
}

// F-9
TEST_F(FileTransfer, NothingIsRelayedOutOfAFileOrIntoWhatIsOnlyRead) {
  const Fd peer = connect_stream();
  const Fd writer = connect_reader();
  connect("file", {});
  const auto file = std::dynamic_pointer_cast<Transport>(record().shared_transport());
  const auto read_pipe = std::dynamic_pointer_cast<Transport>(probe_->transport);
  const auto refusal = [](const auto& attempt) -> std::string {
    try {
      static_cast<void>(attempt());
      return "none";
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
  };
  const std::string from_file = "relay: there is nothing to read from a transport that only writes";
  const std::string into_pipe = "relay: a transport that only reads cannot be written to";
  EXPECT_EQ(from_file, refusal([&] { return relay(file, stream()); }));
  EXPECT_EQ(from_file, refusal([&] { return relay_both(file, stream()); }));
  EXPECT_EQ(from_file, refusal([&] { return relay_both(stream(), file); }));
  EXPECT_EQ(into_pipe, refusal([&] { return relay(stream(), read_pipe); }));
  EXPECT_EQ(into_pipe, refusal([&] { return relay_both(stream(), read_pipe); }));
  // Nothing has changed.
  EXPECT_TRUE(stream()->is_reading());
  transport().write("still there");
  transport().close();
  run_until_lost();
  EXPECT_EQ("still there", content("file"));
  stream()->close();
}

}  // namespace
}  // namespace sluice::transports
