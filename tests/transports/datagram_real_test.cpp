// Datagram transports on the real system: UDP over both families, and Unix sockets.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sluice/event_loop.hpp"
#include "testing/peers.hpp"
#include "testing/recording_datagrams.hpp"

namespace sluice::transports {
namespace {

using testing::DatagramRecord;
using Record = std::shared_ptr<DatagramRecord>;

class RealDatagrams : public ::testing::Test {
 protected:
  ~RealDatagrams() override {
    for (const Record& record : records_) {
      record->transport.reset();
    }
  }

  void run_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "what is awaited did not come true";
      loop_.stop();
      loop_.run_forever();
    }
  }
  /// Makes a transport; the record is its protocol's.
  Record create(DatagramOptions options) {
    records_.push_back(std::make_shared<DatagramRecord>());
    loop_.run_until_complete(loop_.create_datagram_endpoint(
        testing::datagram_factory(records_.back()), std::move(options)));
    return records_.back();
  }
  Record bound(const std::string& host, bool reuse_port = false, std::uint16_t port = 0) {
    DatagramOptions options;
    options.local_addr = HostAndPort{host, port};
    options.reuse_port = reuse_port;
    return create(std::move(options));
  }
  Record connected(const SocketAddress& to) {
    DatagramOptions options;
    options.remote_addr = HostAndPort{to.host(), to.port()};
    return create(std::move(options));
  }
  Record at_path(const std::string& local, const std::string& remote = {}) {
    DatagramOptions options;
    options.local_path = local;
    options.remote_path = remote;
    return create(std::move(options));
  }
  static SocketAddress name_of(const Record& record) { return *record->transport->sockname(); }

  EventLoop loop_;
  std::vector<Record> records_;
};

/// An answer to everything.
void echo(const Record& record) {
  record->on_datagram_received = [raw = record.get()] {
    raw->transport->sendto(raw->received.back().bytes, raw->received.back().from);
  };
}

TEST_F(RealDatagrams, AnEchoGoesThereAndBackOverBothFamilies) {
  for (const char* host : {"127.0.0.1", "::1", "localhost"}) {
    const Record server = bound(host);
    echo(server);
    const Record client = connected(name_of(server));
    client->transport->sendto("ping");
    client->transport->sendto("");
    run_until([&] { return client->received.size() == 2; });
    EXPECT_EQ((std::vector<std::string>{"ping", ""}), client->received_bytes());
    EXPECT_EQ(name_of(server), client->received[0].from);
    EXPECT_EQ(*client->transport->sockname(), server->received[0].from);
  }
}

// The bytes of 64 datagrams at once: whole, in order, none merged, whatever calls they took.
TEST_F(RealDatagrams, ABurstKeepsItsBoundaries) {
  const Record server = bound("127.0.0.1");
  const Record client = connected(name_of(server));
  std::vector<std::string> expected;
  loop_.call_soon([&] {
    for (std::size_t i = 0; i < 60; ++i) {
      expected.push_back(testing::pattern(i, i % 10 == 9 ? 500 : 1000));
      client->transport->sendto(expected.back());
    }
  });
  run_until([&] { return server->received.size() == 60; });
  EXPECT_EQ(expected, server->received_bytes());
  EXPECT_EQ(60U, client->transport->statistics().datagrams_sent);
  EXPECT_LT(client->transport->statistics().send_calls, 10U);
  EXPECT_LT(server->transport->statistics().receive_calls, 10U);
}

TEST_F(RealDatagrams, TheLargestDatagramGoesAndALargerOneIsAnError) {
  const Record server = bound("127.0.0.1");
  const Record client = connected(name_of(server));
  const std::string largest = testing::pattern(0, 65507);
  client->transport->sendto(largest);
  run_until([&] { return server->received.size() == 1; });
  EXPECT_EQ(largest, server->received[0].bytes);
  client->transport->sendto(testing::pattern(0, 65508));
  run_until([&] { return client->trace != "CM"; });
  EXPECT_EQ("CM EE(EMSGSIZE)", client->trace);
  EXPECT_FALSE(client->transport->is_closing());
}

// W-135
TEST_F(RealDatagrams, AnUnreachablePortIsToldAndTheTransportStaysOpen) {
  const Record gone = bound("127.0.0.1");
  const SocketAddress nobody = name_of(gone);
  gone->transport->abort();
  run_until([&] { return gone->lost(); });
  const Record client = connected(nobody);
  client->transport->sendto("anybody?");
  run_until([&] { return client->trace != "CM"; });
  EXPECT_EQ("CM EE(ECONNREFUSED)", client->trace);
  EXPECT_FALSE(client->transport->is_closing());
  // Somebody takes the port, and is heard.
  const Record server = bound("127.0.0.1", false, nobody.port());
  client->transport->sendto("now?");
  run_until([&] { return server->received.size() == 1; });
}

TEST_F(RealDatagrams, BroadcastNeedsPermission) {
  const SocketAddress everybody = *SocketAddress::from_numeric("255.255.255.255", 9);
  DatagramOptions options;
  options.family = AddressFamily::ipv4;
  const Record without = create(std::move(options));
  without->transport->sendto("x", everybody);
  run_until([&] { return without->trace != "CM"; });
  EXPECT_EQ("CM EE(EACCES)", without->trace);

  // The loopback's own broadcast address is reachable on every machine.
  const Record listener = bound("0.0.0.0");
  DatagramOptions allowed;
  allowed.remote_addr = HostAndPort{"127.255.255.255", name_of(listener).port()};
  allowed.allow_broadcast = true;
  const Record with = create(std::move(allowed));
  with->transport->sendto("to all");
  run_until([&] { return listener->received.size() == 1; });
  EXPECT_EQ("CM", with->trace);
}

TEST_F(RealDatagrams, TwoSocketsShareAPort) {
  const Record first = bound("127.0.0.1", true);
  const Record second = bound("127.0.0.1", true, name_of(first).port());
  EXPECT_EQ(name_of(first), name_of(second));
  DatagramOptions third;
  third.local_addr = HostAndPort{"127.0.0.1", name_of(first).port()};
  try {
    create(std::move(third));
    FAIL() << "the port was shared without a word";
  } catch (const std::system_error& error) {
    EXPECT_EQ(std::errc::address_in_use, error.code());
  }
}

TEST_F(RealDatagrams, SeveralClientsAreAnsweredEach) {
  const Record server = bound("127.0.0.1");
  echo(server);
  std::vector<Record> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(connected(name_of(server)));
    clients.back()->transport->sendto(std::to_string(i));
  }
  for (int i = 0; i < 10; ++i) {
    run_until([&] { return clients[static_cast<std::size_t>(i)]->received.size() == 1; });
    EXPECT_EQ(std::to_string(i), clients[static_cast<std::size_t>(i)]->received[0].bytes);
  }
}

// ---- Unix sockets ----

TEST_F(RealDatagrams, UnixSocketsTalkByTheirPaths) {
  const testing::TempDirectory directory;
  const Record server = at_path(directory.file("server"));
  echo(server);
  const Record client = at_path(directory.file("client"), directory.file("server"));
  client->transport->sendto("ping");
  run_until([&] { return client->received.size() == 1; });
  EXPECT_EQ(directory.file("client"), server->received[0].from.path());
  // A client without a name cannot be answered, and is heard all the same.
  const Record nameless = at_path({}, directory.file("server"));
  server->on_datagram_received = nullptr;
  nameless->transport->sendto("it is me");
  run_until([&] { return server->received.size() == 2; });
  EXPECT_EQ(AddressFamily::unspecified, server->received[1].from.family());
}

// Unix datagrams may be longer than those of IP.
TEST_F(RealDatagrams, ALongUnixDatagramIsNotCut) {
  const testing::TempDirectory directory;
  const Record server = at_path(directory.file("server"));
  const Record client = at_path({}, directory.file("server"));
  const std::string text = testing::pattern(0, 150'000);
  client->transport->sendto(text);
  run_until([&] { return server->received.size() == 1; });
  EXPECT_EQ(text, server->received[0].bytes);
}

// The peer's queue holds a few; the sender is paused and resumed many times, and nothing is lost.
// W-138
void send_many(EventLoop& loop, const Record& server, const Record& client,
               const std::optional<SocketAddress>& to, std::size_t count,
               const std::function<void(const std::function<bool()>&)>& run_until) {
  std::size_t next = 0;
  bool paused = false;
  std::size_t pauses = 0;
  std::size_t wrong = 0;
  std::size_t expected = 0;
  const auto produce = [&] {
    while (!paused && next < count) {
      client->transport->sendto(std::to_string(next++), to);
    }
  };
  client->on_pause_writing = [&] {
    paused = true;
    ++pauses;
  };
  client->on_resume_writing = [&] {
    paused = false;
    produce();
  };
  server->on_datagram_received = [&] {
    wrong += server->received.back().bytes != std::to_string(expected++) ? 1U : 0U;
    server->received.clear();
    // Now and then it looks away for a turn.
    if (expected % 1000 == 0) {
      server->transport->pause_reading();
      loop.call_soon([&] { server->transport->resume_reading(); });
    }
  };
  loop.call_soon(produce);
  run_until([&] { return expected == count; });
  EXPECT_EQ(0U, wrong);
  EXPECT_GT(pauses, 0U);
  EXPECT_EQ(0U, client->transport->get_write_buffer_size());
  EXPECT_EQ(count, client->transport->statistics().datagrams_sent);
  EXPECT_EQ(count, server->transport->statistics().datagrams_received);
  client->on_resume_writing = nullptr;
  client->on_pause_writing = nullptr;
  server->on_datagram_received = nullptr;
}

TEST_F(RealDatagrams, AHundredThousandUnixDatagramsArriveInOrder) {
  const testing::TempDirectory directory;
  const Record server = at_path(directory.file("server"));
  const Record client = at_path({}, directory.file("server"));
  send_many(loop_, server, client, std::nullopt, 100'000,
            [&](const auto& condition) { run_until(condition); });
}

// The kernel tells such a socket nothing of its peer's room, so it asks by timer.
TEST_F(RealDatagrams, AnUnconnectedUnixSocketGetsThroughToAFullPeer) {
  const testing::TempDirectory directory;
  const Record server = at_path(directory.file("server"));
  DatagramOptions options;
  options.family = AddressFamily::unix_unnamed;
  const Record client = create(std::move(options));
  client->transport->set_write_buffer_limits(100, 0);
  send_many(loop_, server, client, name_of(server), 200,
            [&](const auto& condition) { run_until(condition); });
}

// W-139
TEST_F(RealDatagrams, ClosingSendsWhatIsQueued) {
  const testing::TempDirectory directory;
  const Record server = at_path(directory.file("server"));
  const Record client = at_path({}, directory.file("server"));
  server->transport->pause_reading();
  loop_.call_soon([&] {
    for (int i = 0; i < 100; ++i) {
      client->transport->sendto(std::to_string(i));
    }
    client->transport->close();
  });
  run_until([&] { return client->transport->statistics().datagrams_sent > 0; });
  EXPECT_GT(client->transport->get_write_buffer_size(), 0U) << "the peer's queue holds fewer";
  EXPECT_FALSE(client->lost());
  server->transport->resume_reading();
  run_until([&] { return client->lost() && server->received.size() == 100; });
  EXPECT_EQ("99", server->received.back().bytes);
}

}  // namespace
}  // namespace sluice::transports
