// Streams over TLS: W-208, W-211, and the options of open_connection and start_server.
#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "sluice/sluice.hpp"
#include "streams/stream_protocols.hpp"
#include "tls/tls_fixture.hpp"

namespace sluice::testing {
namespace {

using Client = std::function<Task<>(StreamReader, StreamWriter)>;

/// Both ends of streams on one loop.
class TlsStreams : public RealLoop {
 protected:
  /// Long enough for the slowest machine; a test that waits as long has failed.
  static constexpr seconds patience{30};

  template <class T>
  T run(Task<T> task) {
    return loop().run_until_complete(wait_for(std::move(task), patience));
  }
  void serve(Client client, std::shared_ptr<TlsContext> context = nullptr) {
    StreamServerOptions options;
    options.server.ssl = std::move(context);
    server_ = run(start_server(std::move(client), "127.0.0.1", 0, std::move(options)));
  }
  [[nodiscard]] std::uint16_t port() const { return server_->sockets().front().port(); }
  void finish() {
    server_->close();
    const auto closed = [](std::shared_ptr<Server> server) -> Task<> {
      co_await server->wait_closed();
    };
    run(closed(server_));
  }
  static StreamOptions over_tls() {
    StreamOptions options;
    options.connect.ssl = trusting();
    options.connect.server_hostname = "localhost";
    return options;
  }
  static Task<> echo(StreamReader reader, StreamWriter writer) {
    writer.write(co_await reader.read());
    writer.close();
    co_await writer.wait_closed();
  }
  static Task<> echo_pieces(StreamReader reader, StreamWriter writer) {
    while (!reader.at_eof()) {
      writer.write(co_await reader.read(65'536));
      co_await writer.drain();
    }
    co_await close(writer);
  }
  static Task<> close(StreamWriter writer) {
    writer.close();
    co_await writer.wait_closed();
  }

  std::shared_ptr<Server> server_;
};

// W-208: with TLS 1.3 the stream stays open for writing.
TEST_F(TlsStreams, W208_TheOptionsSpeakTlsFromTheStartAndAHalfCloseIsAnswered) {
  serve(echo, serving());
  const auto ask = [](std::uint16_t to) -> Task<std::string> {
    auto opening = open_connection("127.0.0.1", to, over_tls());
    auto [reader, writer] = co_await std::move(opening);
    EXPECT_TRUE(tls_info(*writer.transport()).has_value());
    writer.write("text");
    writer.write_eof();
    std::string answer = co_await reader.read();
    writer.close();
    co_await writer.wait_closed();
    co_return answer;
  };
  EXPECT_EQ("text", run(ask(port())));
  finish();
}

// W-208: TLS 1.2 has no half-close; the end of the peer's data ends the stream, without a warning.
TEST_F(TlsStreams, W208_WithTls12TheEndOfThePeersDataEndsTheStream) {
  const auto until_end = [](StreamReader reader, StreamWriter writer) -> Task<> {
    EXPECT_EQ("text", co_await reader.read());
    EXPECT_TRUE(writer.is_closing());
    co_await writer.wait_closed();
  };
  serve(until_end, serving({.max_version = TlsVersion::tls_1_2}));
  const auto tell = [](std::uint16_t to) -> Task<> {
    auto opening = open_connection("127.0.0.1", to, over_tls());
    auto [reader, writer] = co_await std::move(opening);
    writer.write("text");
    co_await close(writer);
  };
  run(tell(port()));
  finish();
}

// W-208: the half that was not ended goes on, here the client's.
TEST_F(TlsStreams, W208_WithTls13AClientGoesOnSendingAfterTheServersEnd) {
  std::string received;
  const auto speak_first = [&received](StreamReader reader, StreamWriter writer) -> Task<> {
    writer.write("hello");
    writer.write_eof();
    received = co_await reader.read();
    co_await close(writer);
  };
  serve(speak_first, serving());
  const auto answer = [](std::uint16_t to) -> Task<> {
    auto opening = open_connection("127.0.0.1", to, over_tls());
    auto [reader, writer] = co_await std::move(opening);
    EXPECT_EQ("hello", co_await reader.read());
    EXPECT_TRUE(reader.at_eof());
    EXPECT_FALSE(writer.is_closing());
    writer.write("to the one who ended");
    co_await close(writer);
  };
  run(answer(port()));
  finish();
  EXPECT_EQ("to the one who ended", received);
}

// W-200, W-206: in both directions at a time, each end paused again and again.
TEST_F(TlsStreams, BothDirectionsCarryMoreThanFitsAnywhere) {
  constexpr std::size_t total = 4 << 20;
  const auto at_server = [](StreamReader reader, StreamWriter writer) -> Task<> {
    co_await echo_pieces(reader, writer);
  };
  serve(at_server, serving());
  const auto at_client = [](std::uint16_t to) -> Task<std::string> {
    auto opening = open_connection("127.0.0.1", to, over_tls());
    auto [reader, writer] = co_await std::move(opening);
    // Otherwise the kernel may have room for all of it.
    const int smallest = 1;
    EXPECT_EQ(0, ::setsockopt(writer.transport()->fileno(), SOL_SOCKET, SO_SNDBUF, &smallest,
                              sizeof smallest));
    const auto sending = [](StreamWriter out) -> Task<> {
      for (std::size_t sent = 0; sent < total; sent += 65'536) {
        out.write(pattern(sent, 65'536));
        co_await out.drain();
      }
      out.write_eof();
    };
    EventLoop& loop = co_await get_running_loop();
    const Future<void> sender = loop.create_task(sending(writer));
    std::string received = co_await reader.read();
    co_await sender;
    EXPECT_GT(writer.transport()->write_statistics().pauses, 0U);
    co_await close(writer);
    co_return received;
  };
  const std::string received = run(at_client(port()));
  EXPECT_EQ(total, received.size());
  EXPECT_EQ("", pattern_offence(received));
  finish();
}

TEST_F(TlsStreams, OverAUnixSocketTheHostIsNamed) {
  const TempDirectory directory;
  const std::string path = directory.file("socket");
  StreamServerOptions options;
  options.server.ssl = serving();
  server_ = run(start_unix_server(echo, path, std::move(options)));
  const auto ask = [](std::string to) -> Task<std::string> {
    auto opening = open_unix_connection(std::move(to), over_tls());
    auto [reader, writer] = co_await std::move(opening);
    writer.write("text");
    writer.write_eof();
    std::string answer = co_await reader.read();
    co_await close(writer);
    co_return answer;
  };
  EXPECT_EQ("text", run(ask(path)));
  finish();
}

// W-118: a stream whose handshake fails is given to nobody, at either end.
TEST_F(TlsStreams, W118_AHandshakeThatFailsIsThrownByOpenConnection) {
  int served = 0;
  const auto count = [&served](StreamReader, StreamWriter) { ++served; };
  StreamServerOptions server_options;
  server_options.server.ssl = serving();
  server_ = run(start_server(count, "127.0.0.1", 0, std::move(server_options)));
  StreamOptions options = over_tls();
  options.connect.server_hostname = "another.example";
  try {
    run(open_connection("127.0.0.1", port(), std::move(options)));
    ADD_FAILURE() << "it succeeded";
  } catch (const std::system_error& error) {
    EXPECT_EQ(TlsErrc::host_name_mismatch, error.code());
  }
  finish();
  EXPECT_EQ(0, served);
}

// W-119
TEST_F(TlsStreams, W119_WhatIsForTlsAloneIsRefusedWithoutIt) {
  StreamOptions options;
  options.connect.ssl_handshake_timeout = seconds(1);
  EXPECT_THROW(run(open_connection("127.0.0.1", 1, options)), std::invalid_argument);
  StreamServerOptions server_options;
  server_options.server.ssl_shutdown_timeout = seconds(1);
  EXPECT_THROW(run(start_server(echo, "127.0.0.1", 0, server_options)), std::invalid_argument);
}

// W-211
TEST_F(TlsStreams, W211_StartTlsSecuresBothEndsInPlace) {
  const auto upgrade_server = [](StreamReader reader, StreamWriter writer) -> Task<> {
    EXPECT_EQ("STARTTLS\n", co_await reader.readline());
    writer.write("go ahead\n");
    co_await writer.start_tls(serving());
    writer.write("you said " + co_await reader.readline());
    co_await close(writer);
  };
  serve(upgrade_server);
  const auto upgrade = [](std::uint16_t to) -> Task<std::string> {
    auto [reader, writer] = co_await open_connection("127.0.0.1", to);
    const auto before = writer.transport();
    writer.write("STARTTLS\n");
    EXPECT_EQ("go ahead\n", co_await reader.readline());
    EXPECT_EQ(std::nullopt, tls_info(*before));
    Task<> securing = writer.start_tls(trusting(), {.server_hostname = "localhost"});
    co_await std::move(securing);
    EXPECT_TRUE(tls_info(*writer.transport()).has_value());
    EXPECT_EQ(before, writer.transport());
    writer.write("secret\n");
    std::string answer = co_await reader.read();
    co_await close(writer);
    co_return answer;
  };
  EXPECT_EQ("you said secret\n", run(upgrade(port())));
  finish();
}

// W-211
TEST_F(TlsStreams, W211_StartTlsSendsWhatWasWrittenBeforeInTheClear) {
  constexpr std::size_t clear_bytes = 1 << 20;
  std::string seen;
  const auto server = [&seen](StreamReader reader, StreamWriter writer) -> Task<> {
    seen = co_await reader.readexactly(clear_bytes);
    co_await writer.start_tls(serving());
    seen += co_await reader.readline();
    co_await close(writer);
  };
  serve(server);
  const auto client = [](std::uint16_t to) -> Task<> {
    auto [reader, writer] = co_await open_connection("127.0.0.1", to);
    writer.write(std::string(clear_bytes, 'x'));
    Task<> securing = writer.start_tls(trusting(), {.server_hostname = "localhost"});
    co_await std::move(securing);
    writer.write("secret\n");
    static_cast<void>(co_await reader.read());
    co_await close(writer);
  };
  run(client(port()));
  EXPECT_TRUE(seen == std::string(clear_bytes, 'x') + "secret\n") << seen.size() << " bytes";
  finish();
}

// C-9: GCC 12 would destroy options twice that a default argument makes in braces.
TEST_F(TlsStreams, C9_OptionsThatAreLeftOutMayBeInAStatementThatAwaits) {
  serve(echo);
  const auto client = [](std::uint16_t to) -> Task<> {
    auto [reader, writer] = co_await open_connection("127.0.0.1", to);
    std::string refused;
    try {
      co_await writer.start_tls(TlsContext::client());
    } catch (const std::invalid_argument& error) {
      refused = error.what();
    }
    EXPECT_NE("", refused) << "a client needs a host name";
    co_await close(writer);
  };
  run(client(port()));
  finish();
}

/// The server's end of a stream on a scripted kernel, with a peer that speaks TLS of its own.
class TlsStreamsScripted : public ScriptedLoop {
 protected:
  using Ends = StreamPair;
  void open(int version = TLS1_3_VERSION) {
    const auto scheduler = []() -> Task<std::shared_ptr<detail::Scheduler>> {
      co_return (co_await detail::running_task()).scheduler();
    };
    const auto made = loop().create_task(scheduler());
    run_until([&] { return made.done(); });
    const auto protocol =
        std::make_shared<streams::StreamProtocol>(made.get(), default_stream_limit);
    fd_ = kernel().open_stream();
    loop().run_until_complete(
        loop().connect_accepted_socket([protocol] { return protocol; }, Fd(fd_)));
    ends_.emplace(protocol->ends());
    auto raw = std::make_unique<ScriptedPeer>(shared_kernel(), fd_);
    raw->start_reading();
    peer_ = std::make_unique<TlsPeer>(std::move(raw), TlsPeerOptions{.version = version});
  }
  void TearDown() override {
    ends_->writer.transport()->abort();
    run_some_turns();
    ends_.reset();
    ScriptedLoop::TearDown();
  }
  Future<void> start_tls(std::shared_ptr<TlsContext> context) {
    return loop().create_task(ends_->writer.start_tls(std::move(context)));
  }
  Future<std::string> read_line() {
    const auto reading = [](StreamReader reader) -> Task<std::string> {
      co_return co_await reader.readline();
    };
    return loop().create_task(reading(ends_->reader));
  }
  void shake_hands(const Future<void>& securing) {
    run_until([&] {
      peer_->step();
      return securing.done();
    });
    securing.get();
    run_until([&] { return peer_->step(); });
  }

  std::optional<Ends> ends_;
  std::unique_ptr<TlsPeer> peer_;
  int fd_ = -1;
};

// W-211: asyncio once lost these bytes, and the handshake stood still (gh-142352).
TEST_F(TlsStreamsScripted, W211_WhatTheReaderHasBufferedIsTheBeginningOfTheHandshake) {
  open();
  peer_->step();  // the client's hello arrives before anybody expects it
  run_some_turns();
  const auto securing = start_tls(serving());
  shake_hands(securing);
  peer_->send("secret\n");
  const auto line = read_line();
  run_until([&] { return line.done(); });
  EXPECT_EQ("secret\n", line.get());
}

// W-211: a command that somebody slipped in before the handshake is not taken for a secured one.
TEST_F(TlsStreamsScripted, W211_PlainBytesInTheReaderAreAnErrorAndNeverData) {
  open();
  kernel().deliver(fd_, "DELETE everything\n");
  run_some_turns();
  const auto line = read_line();
  run_until([&] { return line.done(); });
  kernel().deliver(fd_, "DELETE more\n");
  run_some_turns();
  EXPECT_EQ(failure_of(start_tls(serving())).code(), TlsErrc::peer_not_tls);
  run_some_turns();
  EXPECT_EQ(failure_of(read_line()).code(), TlsErrc::peer_not_tls);
}

// W-211: a read that waits at that time gets what comes over TLS.
TEST_F(TlsStreamsScripted, W211_AReadThatWaitsMeanwhileGoesOnWithTheSecuredStream) {
  open();
  peer_->step();
  const auto reading = [](StreamReader reader) -> Task<std::string> {
    co_return co_await reader.readuntil("<end>");
  };
  const auto line = loop().create_task(reading(ends_->reader));
  run_some_turns();
  ASSERT_FALSE(line.done());
  const auto securing = start_tls(serving());
  shake_hands(securing);
  peer_->send("a<end>");
  run_until([&] { return line.done(); });
  EXPECT_EQ("a<end>", line.get());
}

// W-211: the stream itself changes, not one of its ends; nothing leaves in the clear any more.
TEST_F(TlsStreamsScripted, W211_CopiesOfBothEndsThatWereMadeBeforeGoOnOverTls) {
  open();
  const StreamReader reader = ends_->reader;
  const StreamWriter writer = ends_->writer;
  const auto transport = writer.transport();
  shake_hands(start_tls(serving()));
  EXPECT_EQ(transport, writer.transport());
  EXPECT_TRUE(tls_info(*writer.transport()).has_value());
  ends_->writer.write("new");
  writer.write(" secret");
  peer_->start_reading();
  run_until([&] {
    peer_->pump();
    return peer_->received() == "new secret";
  });
  EXPECT_EQ(std::string::npos, kernel().sent(fd_).find("secret"));
  peer_->send("answer\n");
  const auto line = read_line();
  run_until([&] { return line.done(); });
  EXPECT_EQ("answer\n", line.get());
  peer_->send_eof();
  run_until([&] { return reader.at_eof(); });
}

// W-208: what the end of the peer's data means is asked of the transport as it is by then.
TEST_F(TlsStreamsScripted, W208_AfterStartTlsTheVersionDecidesWhatAnEndMeans) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    open(version);
    shake_hands(start_tls(serving()));
    peer_->send_eof();
    run_until([&] { return ends_->reader.at_eof(); });
    run_some_turns();
    EXPECT_EQ(version == TLS1_2_VERSION, ends_->writer.is_closing());
    ends_->writer.transport()->abort();
    run_some_turns();
  }
}

//
TEST_F(TlsStreamsScripted, Q28_ADrainThatWaitsWhileTheStreamIsAbortedThrows) {
  open();
  shake_hands(start_tls(serving()));
  kernel().set_room(fd_, 0);
  ends_->writer.write(std::string(100'000, 'x'));
  const auto draining = [](StreamWriter writer) -> Task<> { co_await writer.drain(); };
  const Future<void> waiting = loop().create_task(draining(ends_->writer));
  run_some_turns();
  EXPECT_FALSE(waiting.done());
  ends_->writer.transport()->abort();
  EXPECT_EQ(failure_of(waiting).code(), std::errc::connection_reset);
}

// asyncio's stream of a transport that is paused never hears of the room again.
TEST_F(TlsStreamsScripted, Q13_ADrainThatWaitsDuringTheHandshakeGoesOnAfterIt) {
  open();
  const Future<void> securing = start_tls(serving());
  run_some_turns();
  ends_->writer.write(std::string(100'000, 'x'));
  const auto draining = [](StreamWriter writer) -> Task<> { co_await writer.drain(); };
  const Future<void> waiting = loop().create_task(draining(ends_->writer));
  run_some_turns();
  EXPECT_FALSE(waiting.done());
  shake_hands(securing);
  peer_->start_reading();
  run_until([&] {
    peer_->pump();
    return peer_->received().size() == 100'000;
  });
  run_until([&] { return waiting.done(); });
  waiting.get();
}

// W-211: what a read was woken for is that read's, though it has not run yet.
TEST_F(TlsStreamsScripted, W211_ItIsRefusedWhileAReadHasNotTakenWhatItWasWokenFor) {
  open();
  const auto line = read_line();
  run_some_turns();
  std::optional<Future<void>> securing;
  // Comes before the events of its turn, so the task starts before the reader goes on.
  loop().call_soon([&] { securing = start_tls(serving()); });
  kernel().deliver(fd_, "in time\nand more\n");
  run_until([&] { return line.done() && securing->done(); });
  EXPECT_EQ("in time\n", line.get());
  EXPECT_FALSE(ends_->reader.at_eof());
  EXPECT_THROW(securing->get(), std::logic_error);
  EXPECT_EQ(std::nullopt, tls_info(*ends_->writer.transport()));
  const auto more = read_line();
  run_until([&] { return more.done(); });
  EXPECT_EQ("and more\n", more.get());
  const auto again = start_tls(serving());
  shake_hands(again);
}

TEST_F(TlsStreamsScripted, W211_WhatIsRefusedChangesNothing) {
  open();
  kernel().deliver(fd_, "still\n");
  run_some_turns();
  const auto refused = start_tls(nullptr);
  run_until([&] { return refused.done(); });
  EXPECT_THROW(refused.get(), std::invalid_argument);
  const auto line = read_line();
  run_until([&] { return line.done(); });
  EXPECT_EQ("still\n", line.get());
}

TEST_F(TlsStreamsScripted, W211_StartTlsDrainsFirst) {
  open();
  kernel().set_room(fd_, 0);
  ends_->writer.write(std::string(100'000, 'x'));
  const auto securing = start_tls(serving());
  run_some_turns();
  EXPECT_TRUE(tls_info(*ends_->writer.transport()) == std::nullopt);
  // It has not begun: the transport could still be secured by somebody else.
  ends_->writer.transport()->abort();
  EXPECT_EQ(failure_of(securing).code(), std::errc::connection_reset);
}

TEST_F(TlsStreamsScripted, W211_OneThatIsCancelledWhileItDrainsHasChangedNothing) {
  open();
  kernel().set_room(fd_, 0);
  ends_->writer.write(std::string(100'000, 'x'));
  const auto cancelled = start_tls(serving());
  run_some_turns();
  EXPECT_TRUE(cancelled.cancel());
  run_until([&] { return cancelled.done(); });
  EXPECT_TRUE(cancelled.cancelled());
  EXPECT_FALSE(ends_->writer.is_closing());
  kernel().deliver(fd_, "still plain\n");
  const auto line = read_line();
  run_until([&] { return line.done(); });
  EXPECT_EQ("still plain\n", line.get());
  kernel().set_room(fd_, ScriptedKernel::no_limit);
  run_until([&] { return kernel().sent(fd_).size() == 100'000; });
  EXPECT_EQ(kernel().sent(fd_), std::string(100'000, 'x'));
}

TEST_F(TlsStreamsScripted, W211_OneThatIsCancelledDuringTheHandshakeClosesTheConnection) {
  open();
  const auto securing = start_tls(serving());
  run_some_turns();
  EXPECT_TRUE(securing.cancel());
  run_until([&] { return securing.done(); });
  EXPECT_TRUE(securing.cancelled());
  EXPECT_TRUE(ends_->writer.is_closing());
}

}  // namespace
}  // namespace sluice::testing
