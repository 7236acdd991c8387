// Relays between real descriptors of every kind.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <tuple>

#include "sluice/event_loop.hpp"
#include "sluice/relay.hpp"
#include "testing/peers.hpp"
#include "transport_fixture.hpp"

namespace sluice::transports {
namespace {

using testing::FdPair;
using testing::FdPeer;
using testing::pattern;

enum class Kind : std::uint8_t { tcp, unix_socket, pipe, terminal };

std::string name_of_kind(Kind kind) {
  switch (kind) {
    case Kind::tcp:
      return "Tcp";
    case Kind::unix_socket:
      return "Unix";
    case Kind::pipe:
      return "Pipe";
    case Kind::terminal:
      return "Terminal";
  }
  return "";
}

FdPair pair_of(Kind kind) {
  switch (kind) {
    case Kind::tcp:
      return testing::make_tcp_pair();
    case Kind::unix_socket:
      return testing::make_socket_pair();
    case Kind::pipe:
      return testing::make_pipe_pair();
    case Kind::terminal:
      break;
  }
  return testing::make_pty_pair();
}

class RealRelay : public ::testing::Test {
 protected:
  ~RealRelay() override {
    from_record_->release();
    to_record_->release();
    from_probe_->transport.reset();
  }

  void turn() {
    loop_.stop();
    loop_.run_forever();
  }
  void run_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "what is awaited does not come";
      turn();
      for (const auto& peer : {sender_.get(), receiver_.get()}) {
        if (peer != nullptr) {
          peer->pump();
        }
      }
    }
  }
  void adopt(Fd fd, const std::shared_ptr<Recording>& record) {
    record->on_eof_received = [] { return true; };
    loop_.connect_accepted_socket([&] { return std::make_shared<RecordingProtocol>(record); },
                                  std::move(fd));
    run_until([&] { return record->shared_transport() != nullptr; });
  }
  void open_from(Kind kind) {
    FdPair pair = pair_of(kind);
    sender_is_pipe_ = kind == Kind::pipe;
    if (sender_is_pipe_) {
      std::swap(pair.transport, pair.peer);
      sender_ = std::make_unique<FdPeer>(std::move(pair.peer));
      loop_.connect_read_pipe([&] { return std::make_shared<ReadProbe>(from_probe_); },
                              std::move(pair.transport));
      run_until([&] { return from_probe_->transport != nullptr; });
      from_ = from_probe_->transport;
    } else {
      sender_ = std::make_unique<FdPeer>(std::move(pair.peer));
      adopt(std::move(pair.transport), from_record_);
      from_ = std::dynamic_pointer_cast<ReadTransport>(from_record_->shared_transport());
    }
  }
  void open_to(Kind kind) {
    FdPair pair = pair_of(kind);
    receiver_ = std::make_unique<FdPeer>(std::move(pair.peer));
    if (kind == Kind::pipe || kind == Kind::terminal) {
      loop_.connect_write_pipe([&] { return std::make_shared<RecordingWriteProtocol>(to_record_); },
                               std::move(pair.transport));
      run_until([&] { return to_record_->shared_transport() != nullptr; });
    } else {
      adopt(std::move(pair.transport), to_record_);
    }
    to_ = to_record_->shared_transport();
  }
  // What the sender's kernel takes now of the stream that is `all` long; then the end.
  void feed(std::size_t all) {
    if (fed_ == all) {
      return;
    }
    const std::string piece = pattern(fed_, std::min<std::size_t>(all - fed_, 128 * 1024));
    const ssize_t count = ::write(sender_->fileno(), piece.data(), piece.size());
    fed_ += count > 0 ? static_cast<std::size_t>(count) : 0;
    if (fed_ == all && sender_is_pipe_) {
      sender_->close();
    } else if (fed_ == all) {
      sender_->send_eof();
    }
  }

  EventLoop loop_;
  std::shared_ptr<Recording> from_record_ = std::make_shared<Recording>();
  std::shared_ptr<Recording> to_record_ = std::make_shared<Recording>();
  std::shared_ptr<ReadRecord> from_probe_ = std::make_shared<ReadRecord>();
  std::unique_ptr<FdPeer> sender_;
  std::unique_ptr<FdPeer> receiver_;
  std::shared_ptr<ReadTransport> from_;
  std::shared_ptr<WriteTransport> to_;
  std::size_t fed_ = 0;
  bool sender_is_pipe_ = false;
};

class RealRelayBetween : public RealRelay,
                         public ::testing::WithParamInterface<std::tuple<Kind, Kind>> {
 protected:
  void open() {
    open_from(std::get<0>(GetParam()));
    open_to(std::get<1>(GetParam()));
  }
};

TEST_P(RealRelayBetween, EverythingArrivesInOrderAndTheEndIsCarriedOver) {
  open();
  to_->write(pattern(0, 100));
  fed_ = 100;
  receiver_->start_reading();
  const auto future = relay(from_, to_);
  constexpr std::size_t all = 3'000'000;
  run_until([&] {
    feed(all);
    return future.done() && receiver_->received().size() == all &&
           (receiver_->at_end() || std::get<1>(GetParam()) == Kind::terminal);
  });
  EXPECT_TRUE(pattern(0, all) == receiver_->received());
  EXPECT_EQ(all - 100, future.get().bytes);
  EXPECT_EQ(0U, future.get().discarded);
  EXPECT_FALSE(future.get().read_error);
  EXPECT_FALSE(future.get().write_error);
}

TEST_P(RealRelayBetween, AReceiverThatDoesNotReadStopsTheSender) {
  open();
  const auto future = relay(from_, to_);
  std::size_t before = 1;
  while (before != fed_ || before == 0) {
    before = fed_;
    for (int i = 0; i < 20; ++i) {
      feed(100'000'000);
      turn();
    }
  }
  EXPECT_LT(fed_, 8U * 1024 * 1024);
  EXPECT_LE(to_->get_write_buffer_size(), 512U * 1024);
  receiver_->start_reading();
  const std::size_t all = fed_ + 1'000'000;
  run_until([&] {
    feed(all);
    return receiver_->received().size() == all;
  });
  EXPECT_TRUE(pattern(0, all) == receiver_->received());
}

TEST_P(RealRelayBetween, AReceiverThatLeavesEndsTheReader) {
  open();
  const auto future = relay(from_, to_);
  sender_->send("relayed");
  turn();
  receiver_->close();
  run_until([&] {
    // An idle socket finds out by writing; the end of a pipe is reported by itself.
    static_cast<void>(!from_->is_closing() && ::write(sender_->fileno(), "x", 1) > 0);
    return future.done() && from_->fileno() < 0;
  });
  EXPECT_TRUE(from_->is_closing());
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, RealRelayBetween,
    ::testing::Combine(::testing::Values(Kind::tcp, Kind::unix_socket, Kind::pipe),
                       ::testing::Values(Kind::tcp, Kind::unix_socket, Kind::pipe, Kind::terminal)),
    [](const auto& kinds) {
      return name_of_kind(std::get<0>(kinds.param)) + "To" + name_of_kind(std::get<1>(kinds.param));
    });

TEST_F(RealRelay, SixtyFourMebibytesArriveWholeInBoundedMemory) {
  open_from(Kind::tcp);
  open_to(Kind::tcp);
  const auto future = relay(from_, to_);
  constexpr std::size_t all = 64 * 1024 * 1024;
  const std::string content = pattern(0, all);
  std::string arrived;
  arrived.reserve(all);
  std::array<char, 65536> memory{};
  run_until([&] {
    const ssize_t written = ::write(sender_->fileno(), content.data() + fed_,
                                    std::min<std::size_t>(all - fed_, 1 << 20));
    fed_ += written > 0 ? static_cast<std::size_t>(written) : 0;
    for (ssize_t got = 1; got > 0;) {
      got = ::read(receiver_->fileno(), memory.data(), memory.size());
      arrived.append(memory.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    }
    return arrived.size() == all;
  });
  EXPECT_TRUE(content == arrived);
  EXPECT_EQ(0U, to_->write_statistics().peak_buffer_size);
  EXPECT_EQ(all, to_->write_statistics().bytes_written);
}

TEST_F(RealRelay, AResetOfTheSenderEndsTheWriter) {
  open_from(Kind::tcp);
  open_to(Kind::unix_socket);
  const auto future = relay(from_, to_);
  turn();
  sender_->reset();
  run_until([&] { return future.done() && to_->fileno() < 0; });
  EXPECT_EQ(std::errc::connection_reset, future.get().read_error);
}

TEST_F(RealRelay, AResetOfTheReceiverEndsTheReader) {
  open_from(Kind::unix_socket);
  open_to(Kind::tcp);
  const auto future = relay(from_, to_);
  turn();
  receiver_->reset();
  sender_->send("somewhere");
  run_until([&] { return future.done() && from_->fileno() < 0; });
  EXPECT_TRUE(future.get().write_error == std::errc::connection_reset ||
              future.get().write_error == std::errc::broken_pipe)
      << future.get().write_error;
}

// A proxy: the question and its end go forth, then the answer and its end come back.
TEST_F(RealRelay, AProxyCarriesAHalfCloseBothWays) {
  open_from(Kind::tcp);
  open_to(Kind::tcp);
  const auto future =
      relay_both(std::dynamic_pointer_cast<Transport>(from_record_->shared_transport()),
                 std::dynamic_pointer_cast<Transport>(to_record_->shared_transport()));
  sender_->start_reading();
  receiver_->start_reading();
  sender_->send("question");
  sender_->send_eof();
  run_until([&] { return receiver_->at_end(); });
  EXPECT_EQ("question", receiver_->received());
  EXPECT_FALSE(future.done());
  receiver_->send("the answer");
  receiver_->send_eof();
  run_until([&] { return future.done() && sender_->at_end(); });
  EXPECT_EQ("the answer", sender_->received());
  EXPECT_EQ(8U, future.get().forth.bytes);
  EXPECT_EQ(10U, future.get().back.bytes);
}

TEST_F(RealRelay, ALoopThatIsDestroyedInTheMiddleLeavesNoDescriptor) {
  auto loop = std::make_unique<EventLoop>();
  FdPair one = testing::make_tcp_pair();
  FdPair other = testing::make_tcp_pair();
  for (auto [fd, record] :
       {std::pair(&one.transport, from_record_), std::pair(&other.transport, to_record_)}) {
    loop->connect_accepted_socket(
        [record = record] { return std::make_shared<RecordingProtocol>(record); }, std::move(*fd));
  }
  loop->stop();
  loop->run_forever();
  const auto future =
      relay_both(std::dynamic_pointer_cast<Transport>(from_record_->shared_transport()),
                 std::dynamic_pointer_cast<Transport>(to_record_->shared_transport()));
  ASSERT_LT(0, ::write(one.peer.get(), "relayed", 7));
  loop->stop();
  loop->run_forever();
  loop.reset();
  EXPECT_FALSE(future.done());
  // The guard of the test program looks for descriptors that are left.
}

}  // namespace
}  // namespace sluice::transports
