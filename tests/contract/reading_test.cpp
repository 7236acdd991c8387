// Section 4 of docs/contract.md: reading. Read pipes are here too (W-58, W-160).
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "contract/real_loop.hpp"
#include "contract/suites.hpp"

namespace sluice::testing {
namespace {

using Strings = std::vector<std::string>;

TEST_P(StreamContract, W152_IsReadingIsTrueWhileOpenAndNotPausedAndNotAtTheEnd) {
  start();
  turn();
  EXPECT_TRUE(duplex().is_reading());
  duplex().pause_reading();
  duplex().pause_reading();
  EXPECT_FALSE(duplex().is_reading());
  duplex().resume_reading();
  duplex().resume_reading();
  EXPECT_TRUE(duplex().is_reading());
  in_turn([&] {
    transport().close();
    EXPECT_FALSE(duplex().is_reading());
    duplex().pause_reading();
    duplex().resume_reading();
    EXPECT_FALSE(duplex().is_reading());
  });
  run_until_lost();
  duplex().resume_reading();
  EXPECT_FALSE(duplex().is_reading());
}

TEST_P(StreamContract, W153_ResumeReadingCallsNothingItself) {
  start();
  duplex().pause_reading();
  peer().send("waiting");
  run_some_turns();
  in_turn([&] {
    duplex().resume_reading();
    EXPECT_EQ(trace(), "CM");
  });
  run_until("the bytes come", [&] { return record().received() == "waiting"; });
}

TEST_P(ScriptedStreamContract, W154_OneReadinessEventGivesOneReadOfAtMost262144Bytes) {
  start();
  std::vector<std::size_t> sizes;
  record().on_data_received = [&](Bytes data) { sizes.push_back(data.size()); };
  kernel().deliver(scripted_fd(), std::string(262'144 + 1000, 'd'));
  turn();
  EXPECT_EQ(sizes, std::vector<std::size_t>({262'144}));
  turn();
  EXPECT_EQ(sizes, std::vector<std::size_t>({262'144, 1000}));
}

TEST_P(StreamContract, W154_EverythingThePeerSendsArrivesAndNothingIsEmpty) {
  start();
  record().on_data_received = [&](Bytes data) { EXPECT_FALSE(data.empty()); };
  std::string sent;
  for (int i = 0; i < 20; ++i) {
    const std::string piece = pattern(sent.size(), 300);
    peer().send(piece);
    sent += piece;
    turn();
  }
  run_until("all has arrived", [&] { return record().received().size() == sent.size(); });
  EXPECT_EQ(record().received(), sent);
}

TEST_P(StreamContract, W155_AnEofReceivedThatReturnsFalseClosesTheTransport) {
  start();
  peer().send_eof();
  run_until_lost();
  EXPECT_EQ(trace(), "CM ER CL(ok)");
}

TEST_P(HalfCloseContract, W155_AnEofReceivedThatReturnsTrueKeepsItOpenForWriting) {
  start();
  record().on_eof_received = [] { return true; };
  peer().send_eof();
  run_until("the end was told", [&] { return trace() == "CM ER"; });
  EXPECT_FALSE(duplex().is_reading());
  in_turn([&] {
    put(1000);
    transport().close();
  });
  expect_delivered_then_end();
  run_until_lost();
  EXPECT_EQ(trace(), "CM ER CL(ok)");
}

TEST_P(StreamContract, W156_AnExceptionFromDataReceivedLosesTheConnection) {
  start();
  record().on_data_received = [](Bytes) { throw std::runtime_error("from DR"); };
  peer().send("x");
  run_until_lost();
  EXPECT_EQ(trace(), "CM DR CL(callback_failed)");
  EXPECT_EQ(take_reports(),
            Strings({"Fatal error: protocol.data_received() call failed.: from DR"}));
}

TEST_P(StreamContract, W59_W156_AnExceptionFromEofReceivedLosesTheConnection) {
  start();
  record().on_eof_received = []() -> bool { throw std::runtime_error("from ER"); };
  peer().send_eof();
  run_until_lost();
  EXPECT_EQ(trace(), "CM ER CL(callback_failed)");
  EXPECT_EQ(take_reports(),
            Strings({"Fatal error: protocol.eof_received() call failed.: from ER"}));
}

TEST_P(ScriptedStreamContract, W157_AReadThatFailsIsToldToLostWithoutEof) {
  start();
  kernel().fail_reads(scripted_fd(), ETIMEDOUT);
  run_until_lost();
  EXPECT_EQ(trace(), "CM CL(ETIMEDOUT)");
}

TEST_P(StreamContract, W158_DataReceivedMayClose) {
  start();
  record().on_data_received = [&](Bytes) { transport().close(); };
  peer().send("first");
  run_until("the close", [&] { return transport().is_closing(); });
  run_until_lost();
  EXPECT_EQ(trace(), "CM DR CL(ok)");
}

TEST_P(StreamContract, W158_DataReceivedMayAbort) {
  start();
  record().on_data_received = [&](Bytes) { transport().abort(); };
  peer().send("first");
  run_until_lost();
  EXPECT_EQ(trace(), "CM DR CL(ok)");
}

TEST_P(StreamContract, W158_DataReceivedMayPauseReading) {
  start();
  record().on_data_received = [&](Bytes) { duplex().pause_reading(); };
  peer().send("first");
  run_until("the first bytes", [&] { return record().received() == "first"; });
  peer().send("second");
  run_some_turns();
  EXPECT_EQ(record().received(), "first");
  duplex().resume_reading();
  run_until("the second bytes", [&] { return record().received() == "firstsecond"; });
}

TEST_P(StreamContract, W158_DataReceivedMayWrite) {
  start();
  record().on_data_received = [&](Bytes) { put(100); };
  peer().send("ask");
  expect_delivered(100);
}

// Reads into memory of its own and says what it was asked.
class Buffered : public BufferedProtocol {
 public:
  void connection_made(std::shared_ptr<Transport> transport) override {
    transport_ = std::move(transport);
  }
  std::span<std::byte> get_buffer(std::size_t /*hint*/) override {
    calls += "get ";
    return give_empty ? std::span<std::byte>() : std::span(memory_);
  }
  void buffer_updated(std::size_t count) override {
    calls += "updated ";
    received += as_text(std::span(memory_).first(count));
    if (throw_on_update) {
      throw std::runtime_error("from buffer_updated");
    }
  }
  bool eof_received() override {
    calls += "ER ";
    return false;
  }
  void connection_lost(std::error_code error) override {
    calls += "CL(" + name_of(error) + ")";
    transport_.reset();
  }

  std::string calls;
  std::string received;
  bool give_empty = false;
  bool throw_on_update = false;

 private:
  std::shared_ptr<Transport> transport_;
  std::array<std::byte, 8> memory_{};
};

TEST_P(OpenStreamContract, W159_GetBufferComesBeforeEachReadAndUpdatedAfterOneWithBytes) {
  start();
  const auto buffered = std::make_shared<Buffered>();
  transport().set_protocol(buffered);
  peer().send("0123456789");
  peer().send_eof();
  run_until("the loss", [&] { return buffered->calls.ends_with(")"); });
  EXPECT_EQ(buffered->received, "0123456789");
  EXPECT_TRUE(buffered->calls.starts_with("get updated get updated get ")) << buffered->calls;
  EXPECT_TRUE(buffered->calls.ends_with("get ER CL(ok)")) << buffered->calls;
}

TEST_P(OpenStreamContract, W159_AnEmptyBufferIsAFailedCallback) {
  start();
  const auto buffered = std::make_shared<Buffered>();
  buffered->give_empty = true;
  transport().set_protocol(buffered);
  peer().send("x");
  run_until("the loss", [&] { return buffered->calls.ends_with(")"); });
  EXPECT_EQ(buffered->calls, "get CL(callback_failed)");
  const Strings reports = take_reports();
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_TRUE(reports[0].starts_with("Fatal error: protocol.get_buffer() call failed."));
  EXPECT_NE(reports[0].find("get_buffer() returned an empty buffer"), std::string::npos)
      << reports[0];
}

TEST_P(OpenStreamContract, W59_W159_AnExceptionFromBufferUpdatedIsAFailedCallback) {
  start();
  const auto buffered = std::make_shared<Buffered>();
  buffered->throw_on_update = true;
  transport().set_protocol(buffered);
  peer().send("x");
  run_until("the loss", [&] { return buffered->calls.ends_with(")"); });
  EXPECT_EQ(buffered->calls, "get updated CL(callback_failed)");
  EXPECT_EQ(take_reports(), Strings({"Fatal error: protocol.buffer_updated() call failed.: "
                                     "from buffer_updated"}));
}

TEST_P(OpenStreamContract, W159_AProtocolOfTheOtherKindIsInForceFromTheNextReadOn) {
  start();
  const auto buffered = std::make_shared<Buffered>();
  record().on_data_received = [&](Bytes) { transport().set_protocol(buffered); };
  peer().send("to DR");
  run_until("the first bytes", [&] { return record().received() == "to DR"; });
  peer().send("own");
  run_until("the next bytes", [&] { return buffered->received == "own"; });
  transport().abort();
  run_until("the loss", [&] { return buffered->calls.ends_with(")"); });
}

// Says what a read pipe told.
class ReadRecorder : public ReadProtocol {
 public:
  void connection_made(std::shared_ptr<ReadTransport> transport) override {
    calls += "CM ";
    transport_ = std::move(transport);
  }
  void data_received(Bytes data) override {
    calls += "DR ";
    received += as_text(data);
    if (throw_on_data) {
      throw std::runtime_error("from DR");
    }
  }
  bool eof_received() override {
    calls += "ER ";
    return true;
  }
  void connection_lost(std::error_code error) override {
    calls += "CL(" + name_of(error) + ")";
    transport_.reset();
  }
  [[nodiscard]] bool lost() const { return calls.ends_with(")"); }
  [[nodiscard]] ReadTransport& transport() { return *transport_; }

  std::string calls;
  std::string received;
  bool throw_on_data = false;

 private:
  std::shared_ptr<ReadTransport> transport_;
};

class ReadPipes : public RealLoop {
 protected:
  void open(FdPair pair) {
    writer_ = std::move(pair.transport);
    loop().run_until_complete(
        loop().connect_read_pipe([this] { return protocol_; }, std::move(pair.peer)));
  }
  [[nodiscard]] ReadRecorder& protocol() { return *protocol_; }
  [[nodiscard]] const std::shared_ptr<ReadRecorder>& shared_protocol() { return protocol_; }
  void send(std::string_view text) {
    ASSERT_EQ(::write(writer_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void close_writer() { writer_.reset(); }

 private:
  std::shared_ptr<ReadRecorder> protocol_ = std::make_shared<ReadRecorder>();
  Fd writer_;
};

TEST_F(ReadPipes, W160_AtTheEndOfTheStreamEofThenLostAndTheAnswerIsIgnored) {
  open(make_pipe_pair());
  send("hello");
  close_writer();
  run_until([&] { return protocol().lost(); });
  EXPECT_EQ(protocol().calls, "CM DR ER CL(ok)");
  EXPECT_EQ(protocol().received, "hello");
}

TEST_F(ReadPipes, W160_FifosSocketsAndTerminalsAreReadToo) {
  open(make_socket_pair());
  send("from a socket");
  run_until([&] { return protocol().received == "from a socket"; });
  protocol().transport().close();
  run_until([&] { return protocol().lost(); });
  EXPECT_EQ(protocol().calls, "CM DR CL(ok)");
}

TEST_F(ReadPipes, W160_ARegularFileIsRefusedAndItsDescriptorClosed) {
  const TempDirectory directory;
  Fd file(::open(directory.file("file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
  const int number = file.get();
  const std::system_error error =
      failure_of(loop().connect_read_pipe([this] { return shared_protocol(); }, std::move(file)));
  EXPECT_EQ(error.code(), std::errc::invalid_argument);
  EXPECT_NE(std::string(error.what())
                .find("Pipe transport is for pipes, sockets and character devices only"),
            std::string::npos)
      << error.what();
  EXPECT_EQ(protocol().calls, "");
  EXPECT_LT(::fcntl(number, F_GETFD), 0);
}

TEST_F(ReadPipes, Q15_TheReadersDescriptionIsRestoredToo) {
  FdPair pair = make_pipe_pair();
  const Fd shared = pair.peer.duplicate();
  open(std::move(pair));
  EXPECT_NE(::fcntl(shared.get(), F_GETFL) & O_NONBLOCK, 0);
  protocol().transport().close();
  run_until([&] { return protocol().lost(); });
  turn();
  EXPECT_EQ(::fcntl(shared.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(ReadPipes, Q15_TheDescriptionOfASocketThatIsReadStaysBlocking) {
  FdPair pair = make_socket_pair();
  const Fd shared = pair.peer.duplicate();
  open(std::move(pair));
  send("x");
  run_until([&] { return protocol().received == "x"; });
  EXPECT_EQ(::fcntl(shared.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(ReadPipes, W156_Q26_AFailingCallbackLosesAReadPipeToo) {
  open(make_pipe_pair());
  protocol().throw_on_data = true;
  send("x");
  run_until([&] { return protocol().lost(); });
  EXPECT_EQ(protocol().calls, "CM DR CL(callback_failed)");
  EXPECT_EQ(reports(), Strings({"Fatal error: protocol.data_received() call failed.: from DR"}));
  reports().clear();
}

TEST_F(ReadPipes, W152_W153_AReadPipeIsPausedAndResumed) {
  open(make_pipe_pair());
  EXPECT_TRUE(protocol().transport().is_reading());
  protocol().transport().pause_reading();
  send("waiting");
  run_some_turns();
  EXPECT_EQ(protocol().calls, "CM ");
  protocol().transport().resume_reading();
  run_until([&] { return protocol().received == "waiting"; });
}

class ScriptedReadPipes : public ScriptedLoop {
 protected:
  void fail_with(int error) {
    const int fd = kernel().open_read_pipe();
    loop().run_until_complete(loop().connect_read_pipe([this] { return protocol_; }, Fd(fd)));
    kernel().fail_reads(fd, error);
    run_until([&] { return protocol_->lost(); });
  }
  [[nodiscard]] const std::string& calls() const { return protocol_->calls; }

 private:
  std::shared_ptr<ReadRecorder> protocol_ = std::make_shared<ReadRecorder>();
};

TEST_F(ScriptedReadPipes, W58_EioIsQuietOnAReadPipe) {
  fail_with(EIO);
  EXPECT_EQ(calls(), "CM CL(EIO)");
  EXPECT_EQ(reports(), Strings());
}

TEST_F(ScriptedReadPipes, W58_W59_AnyOtherReadErrorOnAReadPipeIsReported) {
  fail_with(ENXIO);
  EXPECT_EQ(calls(), "CM CL(ENXIO)");
  ASSERT_EQ(reports().size(), 1U);
  EXPECT_TRUE(reports()[0].starts_with("Fatal read error on pipe transport")) << reports()[0];
  reports().clear();
}

}  // namespace
}  // namespace sluice::testing
