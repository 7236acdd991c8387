// The contract of datagram transports, over UDP, Unix and scripted sockets.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "sluice/event_loop.hpp"
#include "testing/contract_fixture.hpp"
#include "testing/recording_datagrams.hpp"

namespace sluice::testing {
namespace {

template <class T>
concept SendsNull = requires(T& transport) {
  transport.sendto(nullptr);
}
|| requires(T& transport) {
  transport.sendto(0);
};
static_assert(!SendsNull<DatagramTransport>);

using Texts = std::vector<std::string>;

/// The two ends of a connection, of which the transport gets one.
class DatagramEnds {
 public:
  DatagramEnds() = default;
  DatagramEnds(const DatagramEnds&) = delete;
  DatagramEnds& operator=(const DatagramEnds&) = delete;
  virtual ~DatagramEnds() = default;

  [[nodiscard]] virtual std::shared_ptr<sys::SystemCalls> system_calls() { return nullptr; }
  /// The transport's end, connected; once.
  virtual Fd take() = 0;
  /// Makes the transport's next datagram wait, until unclog().
  virtual void clog() = 0;
  virtual void unclog() = 0;
  /// The datagrams that arrived since the last call.
  virtual Texts arrived() = 0;
  virtual void send(const std::string& bytes) = 0;
  /// Goes away: what is sent now is refused with ECONNREFUSED, sooner or later.
  virtual void close() = 0;
};

int checked(int result, const char* what) {
  if (result < 0) {
    throw std::system_error(errno, std::system_category(), what);
  }
  return result;
}

class RealEnds : public DatagramEnds {
 public:
  Fd take() override { return std::move(ours_); }
  void send(const std::string& bytes) override {
    checked(static_cast<int>(::send(peer_.get(), bytes.data(), bytes.size(), 0)), "send");
  }
  void close() override { peer_.reset(); }
  void unclog() override { reading_ = true; }
  Texts arrived() override {
    Texts all;
    std::vector<char> memory(70'000);
    while (reading_ && peer_) {
      const ssize_t count = ::recv(peer_.get(), memory.data(), memory.size(), MSG_DONTWAIT);
      if (count < 0) {
        break;
      }
      std::string bytes(memory.data(), static_cast<std::size_t>(count));
      if (bytes != "clog") {
        all.push_back(std::move(bytes));
      }
    }
    return all;
  }

 protected:
  Fd ours_;
  Fd peer_;
  bool reading_ = true;
};

// Nameless, as from socketpair(2): Q-24.
class UnixEnds final : public RealEnds {
 public:
  UnixEnds() {
    std::array<int, 2> ends{-1, -1};
    checked(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()),
            "socketpair");
    ours_.reset(ends[0]);
    peer_.reset(ends[1]);
    shrink_send_buffer(ends[0]);
  }
  void clog() override {
    reading_ = false;
    while (::send(ours_.get(), "clog", 4, MSG_DONTWAIT) == 4) {
    }
  }
};

class UdpEnds final : public RealEnds {
 public:
  UdpEnds() {
    ours_.reset(bound());
    peer_.reset(bound());
    connect(ours_.get(), peer_.get());
    connect(peer_.get(), ours_.get());
  }
  // The loopback takes everything.
  void clog() override { throw std::logic_error("UDP does not fill up on the loopback"); }

 private:
  static int bound() {
    const int fd = checked(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "UDP");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    checked(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
    return fd;
  }
  static void connect(int fd, int to) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    checked(::getsockname(to, generic, &size), "getsockname");
    checked(::connect(fd, generic, size), "connect");
  }
};

class ScriptedEnds final : public DatagramEnds {
 public:
  std::shared_ptr<sys::SystemCalls> system_calls() override { return kernel_; }
  Fd take() override { return Fd(fd_); }
  void clog() override { kernel_->set_room(fd_, 0); }
  void unclog() override { kernel_->set_room(fd_, ScriptedKernel::no_limit); }
  void send(const std::string& bytes) override { kernel_->deliver_datagram(fd_, bytes, peer); }
  void close() override { kernel_->fail_writes(fd_, ECONNREFUSED); }
  Texts arrived() override {
    Texts all;
    const std::vector<SentDatagram> sent = kernel_->sent_datagrams(fd_);
    for (; seen_ < sent.size(); ++seen_) {
      all.push_back(sent[seen_].bytes);
    }
    return all;
  }

 private:
  const SocketAddress peer = *SocketAddress::from_numeric("10.0.0.1", 1111);
  std::shared_ptr<ScriptedKernel> kernel_ = std::make_shared<ScriptedKernel>();
  int fd_ = kernel_->open_datagram({}, peer);
  std::size_t seen_ = 0;
};

struct DatagramVariant {
  std::string kind;
  Start start;
  WritePolicy policy;
  std::function<std::unique_ptr<DatagramEnds>()> new_ends;
  [[nodiscard]] std::string name() const {
    return kind + (start == Start::open ? "_open" : "_clogged") +
           (policy == WritePolicy::coalesce ? "_coalesce" : "_immediate");
  }
};

void PrintTo(const DatagramVariant& variant, std::ostream* out) {
  *out << variant.name();
}

std::vector<DatagramVariant> datagram_variants(Start start) {
  std::vector<DatagramVariant> all;
  for (const WritePolicy policy : {WritePolicy::coalesce, WritePolicy::immediate}) {
    if (start == Start::open) {
      all.push_back({"datagram_udp", start, policy, [] { return std::make_unique<UdpEnds>(); }});
    }
    all.push_back({"datagram_unix", start, policy, [] { return std::make_unique<UnixEnds>(); }});
    all.push_back(
        {"datagram_scripted", start, policy, [] { return std::make_unique<ScriptedEnds>(); }});
  }
  return all;
}

/// A loop, and on it one connected datagram transport of the kind under test.
class Datagrams : public ::testing::TestWithParam<DatagramVariant> {
 protected:
  Datagrams() : ends_(GetParam().new_ends()) {
    LoopOptions options;
    options.write_policy = GetParam().policy;
    options.system_calls = ends_->system_calls();
    loop_ = std::make_unique<EventLoop>(std::move(options));
    loop_->set_exception_handler([this](const ExceptionContext& context) {
      reports_.push_back(context.message + ": " + context.what());
    });
    if (GetParam().start == Start::clogged) {
      ends_->clog();
    }
    DatagramOptions made;
    made.sock = ends_->take();
    loop_->run_until_complete(
        loop_->create_datagram_endpoint(datagram_factory(record_), std::move(made)));
  }
  ~Datagrams() override {
    loop_.reset();
    record_->transport.reset();
  }
  void TearDown() override { EXPECT_EQ(Texts{}, reports_); }

  [[nodiscard]] DatagramTransport& transport() { return *record_->transport; }
  [[nodiscard]] std::size_t size() { return transport().get_write_buffer_size(); }
  [[nodiscard]] const std::string& trace() const { return record_->trace; }
  void in_turn(std::function<void()> action) {
    loop_->call_soon(std::move(action));
    turn();
  }
  void turn() {
    loop_->stop();
    loop_->run_forever();
    const Texts more = ends_->arrived();
    arrived_.insert(arrived_.end(), more.begin(), more.end());
  }
  void run_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "it did not come true: " << trace();
      turn();
    }
  }
  void run_until_arrived(std::size_t count) {
    run_until([&] { return arrived_.size() >= count; });
  }
  void run_until_lost() {
    run_until([&] { return record_->lost(); });
  }
  void run_some_turns() {
    for (int i = 0; i < 10; ++i) {
      turn();
    }
  }
  // Sends until error_received was called.
  void provoke_an_error() {
    ends_->close();
    run_until([&] {
      if (trace().find("EE") == std::string::npos) {
        in_turn([&] { transport().sendto("x"); });
      }
      return trace().find("EE") != std::string::npos;
    });
  }

  std::unique_ptr<DatagramEnds> ends_;
  std::shared_ptr<DatagramRecord> record_ = std::make_shared<DatagramRecord>();
  std::unique_ptr<EventLoop> loop_;
  Texts arrived_;
  Texts reports_;
};

/// Nothing in the way.
class OpenDatagrams : public Datagrams {};
/// The kernel takes nothing until the peer reads.
class CloggedDatagrams : public Datagrams {};

template <class Info>
std::string name_of_variant(const Info& info) {
  return info.param.name();
}
INSTANTIATE_TEST_SUITE_P(All, OpenDatagrams, ::testing::ValuesIn(datagram_variants(Start::open)),
                         name_of_variant<::testing::TestParamInfo<DatagramVariant>>);
INSTANTIATE_TEST_SUITE_P(All, CloggedDatagrams,
                         ::testing::ValuesIn(datagram_variants(Start::clogged)),
                         name_of_variant<::testing::TestParamInfo<DatagramVariant>>);

TEST_P(OpenDatagrams, W133_AnEmptyDatagramIsSent) {
  in_turn([&] { transport().sendto(""); });
  run_until_arrived(1);
  EXPECT_EQ(Texts{""}, arrived_);
}

TEST_P(CloggedDatagrams, W133_T16_AQueuedDatagramCountsItsBytesAndEight) {
  in_turn([&] {
    transport().set_write_buffer_limits(1020);
    transport().sendto(std::string(1000, 'x'));
    EXPECT_EQ(1008U, size());
    transport().sendto("");
    EXPECT_EQ(1016U, size());
    EXPECT_EQ("CM", trace());
    transport().set_write_buffer_limits(1000);
    EXPECT_EQ("CM PW", trace());
  });
  run_some_turns();
  EXPECT_EQ(1016U, size());
  ends_->unclog();
  run_until_arrived(2);
  EXPECT_EQ((Texts{std::string(1000, 'x'), ""}), arrived_);
  EXPECT_EQ("CM PW RW", trace());
  EXPECT_EQ(0U, size());
}

TEST_P(OpenDatagrams, W134_OnlyTheRemoteAddressIsTaken) {
  const SocketAddress stranger = *SocketAddress::from_numeric("10.9.9.9", 9);
  in_turn([&] {
    EXPECT_THROW(transport().sendto("x", stranger), std::invalid_argument);
    transport().sendto("a");
    transport().sendto("b", transport().peername());
  });
  run_until_arrived(2);
  EXPECT_EQ((Texts{"a", "b"}), arrived_);
  EXPECT_EQ("CM", trace());
}

TEST_P(OpenDatagrams, W135_ADatagramLeavesAtOnceOrAtTheEndOfTheTurn) {
  const bool immediate = GetParam().policy == WritePolicy::immediate;
  in_turn([&] {
    std::string text = "mine";
    transport().sendto(text);
    text = "????";
    EXPECT_EQ(immediate ? 0U : 12U, size());
    EXPECT_EQ(immediate ? 1U : 0U, transport().statistics().datagrams_sent);
  });
  EXPECT_EQ(0U, size());
  run_until_arrived(1);
  EXPECT_EQ(Texts{"mine"}, arrived_);
}

TEST_P(OpenDatagrams, W135_ARefusedDatagramIsLostAndTheTransportStaysOpen) {
  provoke_an_error();
  EXPECT_EQ("CM EE(ECONNREFUSED)", trace());
  EXPECT_FALSE(transport().is_closing());
}

TEST_P(OpenDatagrams, W136_Q22_WhatErrorReceivedThrowsGoesToTheExceptionHandler) {
  record_->on_error_received = [] { throw std::runtime_error("boom"); };
  provoke_an_error();
  EXPECT_EQ(Texts{"Exception in callback protocol.error_received(): boom"},
            std::exchange(reports_, {}));
  EXPECT_FALSE(transport().is_closing());
}

TEST_P(CloggedDatagrams, W137_AllThatIsQueuedGoesWhenThereIsRoom) {
  Texts expected;
  in_turn([&] {
    for (int i = 0; i < 300; ++i) {
      expected.push_back(std::to_string(i));
      transport().sendto(expected.back());
    }
  });
  run_some_turns();
  EXPECT_EQ(Texts{}, arrived_);
  ends_->unclog();
  run_until_arrived(300);
  EXPECT_EQ(expected, arrived_);
  EXPECT_EQ(0U, size());
}

TEST_P(OpenDatagrams, W138_DatagramsAreNeverSplitOrMerged) {
  Texts expected;
  for (const std::size_t count : {1U, 0U, 100U, 100U, 100U, 7U, 0U, 1000U, 2000U, 1U, 1U}) {
    expected.push_back(pattern(expected.size(), count));
  }
  in_turn([&] {
    for (const std::string& each : expected) {
      transport().sendto(each);
    }
  });
  run_until_arrived(expected.size());
  EXPECT_EQ(expected, arrived_);
}

TEST_P(CloggedDatagrams, W138_W67_PauseAndResumeKeepToTheMarks) {
  in_turn([&] {
    transport().set_write_buffer_limits(216, 108);
    transport().sendto(std::string(100, 'a'));
    transport().sendto(std::string(100, 'b'));
    EXPECT_EQ("CM", trace()) << "at the mark is not above it";
    transport().sendto("");
    EXPECT_EQ("CM PW", trace());
    transport().sendto(std::string(100, 'c'));
  });
  ends_->unclog();
  run_until_arrived(4);
  EXPECT_EQ("CM PW RW", trace());
}

TEST_P(CloggedDatagrams, W139_CloseSendsWhatIsQueuedAndDropsWhatComesLater) {
  in_turn([&] {
    transport().sendto("one");
    transport().sendto("two");
    transport().close();
    transport().sendto("three");
  });
  run_some_turns();
  EXPECT_EQ("CM", trace());
  EXPECT_TRUE(transport().is_closing());
  ends_->unclog();
  run_until_lost();
  run_until_arrived(2);
  EXPECT_EQ((Texts{"one", "two"}), arrived_);
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_EQ(1U, transport().statistics().datagrams_dropped);
}

TEST_P(CloggedDatagrams, W140_Q23_AbortDiscardsTheQueueAndTheSizeIsZero) {
  in_turn([&] {
    transport().sendto(std::string(1000, 'x'));
    EXPECT_EQ(1008U, size());
    transport().abort();
    EXPECT_EQ(0U, size());
    EXPECT_EQ("CM", trace());
  });
  run_until_lost();
  ends_->unclog();
  run_some_turns();
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_EQ(0U, size());
  EXPECT_EQ(1U, transport().statistics().datagrams_discarded);
  EXPECT_EQ(Texts{}, arrived_);
}

// The Unix kind has a peer without a name.
TEST_P(OpenDatagrams, W141_Q24_AConnectedPeerNeedsNoName) {
  EXPECT_TRUE(transport().peername().has_value());
  in_turn([&] { transport().sendto("to you"); });
  run_until_arrived(1);
  EXPECT_EQ(Texts{"to you"}, arrived_);
}

TEST_P(OpenDatagrams, W142_AnExceptionOfDatagramReceivedLeavesTheTransportOpen) {
  record_->on_datagram_received = [] { throw std::runtime_error("boom"); };
  ends_->send("a");
  run_until([&] { return record_->received.size() == 1; });
  EXPECT_EQ(Texts{"Exception in callback protocol.datagram_received(): boom"},
            std::exchange(reports_, {}));
  record_->on_datagram_received = nullptr;
  ends_->send("b");
  run_until([&] { return record_->received.size() == 2; });
  EXPECT_EQ("CM DR(1) DR(1)", trace());
}

TEST_P(OpenDatagrams, W142_PausedReadingLosesNothing) {
  record_->on_datagram_received = [&] { transport().pause_reading(); };
  for (const char* text : {"a", "b", "c"}) {
    ends_->send(text);
  }
  run_until([&] { return record_->received.size() == 1; });
  run_some_turns();
  EXPECT_EQ(Texts{"a"}, record_->received_bytes());
  EXPECT_FALSE(transport().is_reading());
  record_->on_datagram_received = nullptr;
  transport().resume_reading();
  run_until([&] { return record_->received.size() == 3; });
  EXPECT_EQ((Texts{"a", "b", "c"}), record_->received_bytes());
}

TEST_P(OpenDatagrams, Q4_AfterTheLossEveryMethodAnswers) {
  in_turn([&] { transport().close(); });
  run_until_lost();
  transport().sendto("x");
  transport().close();
  transport().abort();
  transport().resume_reading();
  EXPECT_EQ(0U, size());
  EXPECT_EQ(-1, transport().fileno());
  EXPECT_EQ(1U, transport().statistics().datagrams_dropped);
  run_some_turns();
  EXPECT_EQ("CM CL(ok)", trace());
}

}  // namespace
}  // namespace sluice::testing
