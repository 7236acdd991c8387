// Section 2.9 of docs/contract.md: birth and death.
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "contract/real_loop.hpp"
#include "contract/suites.hpp"

namespace sluice::testing {
namespace {

TEST_P(Contract, W81_NothingOfTheProtocolRunsInsideTheConnectingCall) {
  std::string order;
  record().on_connection_made = [&] { order += "CM "; };
  const MadeTransport made = begin();
  EXPECT_EQ(trace(), "");
  made.add_done_callback([&](const MadeTransport&) { order += "connected "; });
  run_until("the transport is made", [&] { return order.ends_with("connected "); });
  EXPECT_EQ(order, "CM connected ");
}

TEST_P(Contract, W84_AWriteInsideMadeIsOrdinaryAndMayPauseAtOnce) {
  bool connected = false;
  record().on_connection_made = [&] { put(big); };
  record().on_pause_writing = [&] { EXPECT_FALSE(connected); };
  const MadeTransport made = begin();
  made.add_done_callback([&](const MadeTransport&) { connected = true; });
  run_until("the transport is made", [&] { return connected; });
  expect_delivered();
  EXPECT_EQ(trace(), "CM PW RW");
  EXPECT_EQ(record().nested_trace().substr(0, 6), "CM[PW]");
}

TEST_P(Contract, W85_AnExceptionFromMadeIsReportedAndTheConnectionStays) {
  record().on_connection_made = [] { throw std::runtime_error("from CM"); };
  start();
  const std::vector<std::string> reports = take_reports();
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_TRUE(reports[0].starts_with("Exception in callback")) << reports[0];
  EXPECT_FALSE(transport().is_closing());
  if (traits().reads) {
    peer().send("hello");
    run_until("reading has started", [&] { return record().received() == "hello"; });
  }
  in_turn([&] { put(100); });
  expect_delivered();
}

TEST_P(Contract, W88_TheLossComesBehindEverythingQueued) {
  start();
  std::string order;
  record().on_connection_lost = [&](std::error_code) { order += "CL "; };
  in_turn([&] {
    loop().call_soon([&] { order += "first "; });
    transport().abort();
    loop().call_soon([&] { order += "last "; });
  });
  turn();
  EXPECT_EQ(order, "first CL last ");
}

TEST_P(Contract, W89_TheLossAfterCloseAndAbortHasNoError) {
  start();
  std::optional<std::error_code> told;
  record().on_connection_lost = [&](std::error_code error) { told = error; };
  transport().close();
  run_until_lost();
  EXPECT_EQ(told, std::error_code());
}

TEST_P(BreakingContract, W89_TheLossAfterAFatalErrorTellsIt) {
  start();
  std::optional<std::error_code> told;
  record().on_connection_lost = [&](std::error_code error) { told = error; };
  peer().close();
  put(10);
  run_until_lost();
  EXPECT_EQ(told, traits().broken);
}

TEST_P(StreamContract, W89_TheLossAfterTheEndOfTheStreamHasNoError) {
  start();
  peer().send_eof();
  run_until_lost();
  EXPECT_EQ(trace(), "CM ER CL(ok)");
}

TEST_P(StreamContract, W83_PausingInsideMadeHolds) {
  record().on_connection_made = [&] {
    duplex().pause_reading();
    peer().send("early");
  };
  start();
  run_some_turns();
  EXPECT_EQ(trace(), "CM");
  duplex().resume_reading();
  run_until("reading goes on", [&] { return record().received() == "early"; });
}

class BirthAndDeath : public RealLoop {};

TEST_F(BirthAndDeath, W81_W82_TheOrderOfABirth) {
  FdPair pair = make_socket_pair();
  FdPeer peer(std::move(pair.peer));
  peer.send("early");
  std::string order;
  const auto record = new_record();
  record->on_connection_made = [&] { order += "CM "; };
  record->on_data_received = [&](Bytes) { order += "DR "; };
  loop().call_soon([&] { order += "earlier "; });
  auto connecting =
      loop().connect_accepted_socket(stream_factory(record), std::move(pair.transport));
  loop().call_soon([&] { order += "meanwhile "; });
  connecting.add_done_callback([&](const auto&) { order += "waiting "; });
  run_until([&] { return order.ends_with("waiting "); });
  EXPECT_EQ(order, "earlier CM meanwhile DR waiting ");
}

TEST_F(BirthAndDeath, W86_AnExceptionFromTheFactoryReachesTheFutureAndClosesTheDescriptor) {
  FdPair pair = make_socket_pair();
  FdPeer peer(std::move(pair.peer));
  auto connecting = loop().connect_accepted_socket(
      []() -> std::shared_ptr<RecordingProtocol> { throw std::runtime_error("no protocol"); },
      std::move(pair.transport));
  EXPECT_THROW(loop().run_until_complete(connecting), std::runtime_error);
  peer.start_reading();
  run_until([&] {
    peer.pump();
    return peer.at_end();
  });
}

TEST_F(BirthAndDeath, W86_AnExceptionFromAServersFactoryIsReportedAndClosesTheConnection) {
  const auto server = loop().run_until_complete(loop().create_server(
      []() -> std::shared_ptr<RecordingProtocol> { throw std::runtime_error("no protocol"); },
      "127.0.0.1", 0));
  FdPeer peer(raw_connect(server->sockets().at(0).port()));
  peer.start_reading();
  run_until([&] {
    peer.pump();
    return peer.at_end();
  });
  ASSERT_EQ(reports().size(), 1U);
  EXPECT_TRUE(reports()[0].ends_with("no protocol")) << reports()[0];
  EXPECT_TRUE(server->is_serving());
  reports().clear();
  server->close();
}

TEST_F(BirthAndDeath, W87_CancellingAConnectCallClosesATransportThatExists) {
  FdPair pair = make_socket_pair();
  FdPeer peer(std::move(pair.peer));
  const auto record = new_record();
  auto connecting =
      loop().connect_accepted_socket(stream_factory(record), std::move(pair.transport));
  record->on_connection_made = [&] { EXPECT_TRUE(connecting.cancel()); };
  run_until([&] { return record->lost(); });
  EXPECT_EQ(record->trace(), "CM CL(ok)");
  EXPECT_TRUE(connecting.cancelled());
}

TEST_F(BirthAndDeath, W90_AnAcceptedConnectionLeavesTheServersListAlsoWhenLostThrows) {
  const auto record = new_record();
  const auto server =
      loop().run_until_complete(loop().create_server(stream_factory(record), "127.0.0.1", 0));
  FdPeer peer(raw_connect(server->sockets().at(0).port()));
  run_until([&] { return server->connection_count() == 1 && record->shared_transport(); });
  record->on_connection_lost = [&](std::error_code) {
    EXPECT_EQ(server->connection_count(), 1U);
    throw std::runtime_error("from CL");
  };
  record->transport().close();
  run_until([&] { return record->lost(); });
  EXPECT_EQ(server->connection_count(), 0U);
  EXPECT_EQ(reports().size(), 1U);
  reports().clear();
  server->close();
}

}  // namespace
}  // namespace sluice::testing
