// Section 3.1 of docs/contract.md: what TCP and Unix streams have of their own.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "contract/real_loop.hpp"
#include "contract/suites.hpp"

namespace sluice::testing {
namespace {

class Streams : public RealLoop {
 protected:
  // A transport on one end of the pair; the peer on the other.
  void adopt(FdPair pair) {
    peer_ = std::make_unique<FdPeer>(std::move(pair.peer));
    record_ = new_record();
    loop().run_until_complete(
        loop().connect_accepted_socket(stream_factory(record_), std::move(pair.transport)));
  }
  [[nodiscard]] Recording& record() { return *record_; }
  [[nodiscard]] Transport& transport() { return dynamic_cast<Transport&>(record_->transport()); }
  [[nodiscard]] FdPeer& peer() { return *peer_; }
  [[nodiscard]] int option(int level, int name) {
    int value = 0;
    socklen_t size = sizeof(value);
    EXPECT_EQ(::getsockopt(transport().fileno(), level, name, &value, &size), 0);
    return value;
  }

 private:
  std::unique_ptr<FdPeer> peer_;
  std::shared_ptr<Recording> record_;
};

TEST_F(Streams, W91_TcpNodelayIsSetOnAdoptedSockets) {
  adopt(make_tcp_pair());
  EXPECT_NE(option(IPPROTO_TCP, TCP_NODELAY), 0);
}

TEST_F(Streams, W91_TcpNodelayIsSetOnConnectedAndAcceptedSockets) {
  const auto at_server = new_record();
  const auto at_client = new_record();
  const auto server =
      loop().run_until_complete(loop().create_server(stream_factory(at_server), "127.0.0.1", 0));
  loop().run_until_complete(loop().create_connection(stream_factory(at_client), "127.0.0.1",
                                                     server->sockets().at(0).port()));
  run_until([&] { return at_server->shared_transport() != nullptr; });
  for (const auto& record : {at_server, at_client}) {
    int value = 0;
    socklen_t size = sizeof(value);
    ASSERT_EQ(::getsockopt(record->transport().fileno(), IPPROTO_TCP, TCP_NODELAY, &value, &size),
              0);
    EXPECT_NE(value, 0);
  }
  server->close();
}

TEST_F(Streams, W92_AddressesAreStoredAtConstructionAndStay) {
  const auto at_server = new_record();
  const auto at_client = new_record();
  const auto server =
      loop().run_until_complete(loop().create_server(stream_factory(at_server), "127.0.0.1", 0));
  const SocketAddress listening = server->sockets().at(0);
  const auto [client, protocol] = loop().run_until_complete(
      loop().create_connection(stream_factory(at_client), "127.0.0.1", listening.port()));
  run_until([&] { return at_server->shared_transport() != nullptr; });
  EXPECT_EQ(client->peername(), listening);
  EXPECT_EQ(at_server->transport().sockname(), listening);
  EXPECT_EQ(at_server->transport().peername(), client->sockname());
  client->close();
  run_until([&] { return at_client->lost() && at_server->lost(); });
  EXPECT_EQ(client->peername(), listening);
  EXPECT_EQ(client->fileno(), -1);
  server->close();
}

TEST_F(ScriptedLoop, W92_AddressesTheKernelCannotTellAreEmpty) {
  const auto record = new_record();
  kernel().fail_next("getpeername", ENOTCONN);
  kernel().fail_next("getsockname", EINVAL);
  loop().run_until_complete(
      loop().connect_accepted_socket(stream_factory(record), Fd(kernel().open_stream())));
  EXPECT_EQ(record->transport().peername(), std::nullopt);
  EXPECT_EQ(record->transport().sockname(), std::nullopt);
}

TEST_P(Contract, W93_ADescriptorHasAtMostOneTransport) {
  start();
  const int fd = transport().fileno();
  const auto second = std::make_shared<Recording>();
  std::string told;
  const auto refused = [&](const auto& making) {
    run_until("the refusal", [&] { return making.done(); });
    try {
      making.get();
    } catch (const std::logic_error& error) {
      told = error.what();
    }
  };
  if (traits().reads) {
    refused(loop().connect_accepted_socket(stream_factory(second), Fd(fd)));
  } else {
    refused(loop().connect_write_pipe(write_factory(second), Fd(fd)));
  }
  EXPECT_EQ(told, "File descriptor " + std::to_string(fd) + " is used by another transport");
  EXPECT_EQ(second->trace(), "");
  in_turn([&] { put(100); });
  expect_delivered();
}

TEST_P(StreamContract, W94_TheEndOfThePeersStreamClosesWhatIsQueuedFirst) {
  start();
  block();
  peer().send("last words");
  peer().send_eof();
  run_until("the end was told", [&] { return transport().is_closing(); });
  EXPECT_EQ(record().received(), "last words");
  expect_delivered_then_end();
  run_until_lost();
  EXPECT_EQ(trace(), "CM DR ER CL(ok)");
}

TEST_P(HalfCloseContract, W94_AnEofReceivedThatReturnsTrueKeepsTheTransportOpen) {
  start();
  record().on_eof_received = [] { return true; };
  peer().send_eof();
  run_until("the end was told", [&] { return trace() == "CM ER"; });
  EXPECT_FALSE(transport().is_closing());
  in_turn([&] { put(5000); });
  expect_delivered();
}

TEST_F(Streams, W94_AResetIsToldByWhoeverMeetsItFirst) {
  adopt(make_tcp_pair());
  peer().reset();
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().trace(), "CM CL(ECONNRESET)");
}

TEST_F(Streams, W94_AResetWithBytesQueuedIsToldByReading) {
  adopt(make_tcp_pair());
  transport().write(pattern(0, big));
  turn();
  peer().reset();
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().trace(), "CM PW CL(ECONNRESET)");
}

TEST_F(Streams, W95_WhileReadingIsPausedTheEndGoesUnnoticed) {
  adopt(make_tcp_pair());
  transport().pause_reading();
  peer().close();
  run_some_turns();
  EXPECT_EQ(record().trace(), "CM");
  EXPECT_FALSE(transport().is_closing());
  transport().resume_reading();
  run_until([&] { return record().lost(); });
  EXPECT_EQ(record().trace(), "CM ER CL(ok)");
}

TEST_F(Streams, W95_WhileReadingIsPausedALaterWriteFails) {
  adopt(make_tcp_pair());
  transport().pause_reading();
  peer().close();
  transport().write("accepted");
  EXPECT_FALSE(transport().is_closing());
  run_until([&] {
    transport().write("fails sooner or later");
    return record().lost();
  });
  EXPECT_TRUE(record().trace() == "CM CL(EPIPE)" || record().trace() == "CM CL(ECONNRESET)")
      << record().trace();
  warnings().clear();
}

TEST_P(BreakingContract, W96_AnErrorWhilePausedGivesNoResume) {
  start();
  in_turn([&] { put(big); });
  if (traits().reads) {
    duplex().pause_reading();
  }
  peer().close();
  run_until("the loss", [&] {
    if (!traits().watches_peer && !transport().is_closing()) {
      transport().writelines(std::array{std::string("x")});
    }
    return record().lost();
  });
  EXPECT_TRUE(trace() == "CM PW " + broken_loss() || trace() == "CM PW CL(ECONNRESET)") << trace();
}

TEST_F(Streams, W97_AUnixStreamFailsWithTheFirstWriteAfterThePeerClosed) {
  adopt(make_socket_pair());
  transport().pause_reading();
  peer().close();
  transport().write("refused");
  EXPECT_TRUE(transport().is_closing());
  turn();
  EXPECT_EQ(record().trace(), "CM CL(EPIPE)");
}

}  // namespace
}  // namespace sluice::testing
