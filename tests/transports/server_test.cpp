#include "transports/server.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <stdexcept>

#include "server_fixture.hpp"
#include "testing/peers.hpp"

namespace sluice::transports {
namespace {

// W-186
TEST_F(Serving, EachAddressOfEachHostIsListenedOnOnce) {
  kernel_->script_resolve("host", {"192.0.2.1", "::1", "192.0.2.1"});
  const Result result = listen({"host", "192.0.2.2", "192.0.2.1"});
  EXPECT_EQ((Texts{"192.0.2.1:80", "[::1]:80", "192.0.2.2:80"}), names_of(result.get()));
  EXPECT_EQ(3U, kernel_->count_calls("listen"));
}

// W-186
TEST_F(Serving, NoHostMeansAllInterfaces) {
  kernel_->script_resolve("", {"0.0.0.0", "::"});
  EXPECT_EQ((Texts{"0.0.0.0:80", "[::]:80"}), names_of(listen({}).get()));
}

// W-186
TEST_F(Serving, PortZeroGivesAllAddressesOnePort) {
  const Result result = listen({"192.0.2.1", "::1"}, 0);
  const auto sockets = result.get()->sockets();
  ASSERT_EQ(2U, sockets.size());
  EXPECT_NE(0, sockets[0].port());
  EXPECT_EQ(sockets[0].port(), sockets[1].port());
}

// W-186
TEST_F(Serving, TheOptionsOfTheSocketsAreThoseOfTheContract) {
  const Result result = listen({"192.0.2.1", "::1"});
  const int v4 = first_own;
  const int v6 = first_own + 1;
  EXPECT_EQ(1, kernel_->option(v4, SOL_SOCKET, SO_REUSEADDR));
  EXPECT_EQ(0, kernel_->option(v4, SOL_SOCKET, SO_REUSEPORT));
  EXPECT_EQ(0, kernel_->option(v4, IPPROTO_IPV6, IPV6_V6ONLY));
  EXPECT_EQ(1, kernel_->option(v6, IPPROTO_IPV6, IPV6_V6ONLY));
  EXPECT_EQ(Texts{"listen(102, 100) = 0"}, calls(v4, "listen"));
}

// W-186
TEST_F(Serving, TheOptionsCanBeChanged) {
  ServerOptions options;
  options.reuse_address = false;
  options.reuse_port = true;
  options.keep_alive = true;
  options.backlog = 7;
  const auto server = serve(options);
  EXPECT_EQ(0, kernel_->option(listener_, SOL_SOCKET, SO_REUSEADDR));
  EXPECT_EQ(1, kernel_->option(listener_, SOL_SOCKET, SO_REUSEPORT));
  EXPECT_EQ(Texts{"listen(102, 7) = 0"}, calls(listener_, "listen"));
  EXPECT_EQ(1, kernel_->option(client(), SOL_SOCKET, SO_KEEPALIVE));
}

// W-186
TEST_F(Serving, AnAddressThatIsNotAvailableHereIsSkipped) {
  kernel_->fail_next("bind", EADDRNOTAVAIL);
  EXPECT_EQ(Texts{"[::1]:80"}, names_of(listen({"192.0.2.1", "::1"}).get()));
}

// W-186
TEST_F(Serving, WithoutAnyAddressThatIsAvailableItFails) {
  kernel_->fail_next("bind", EADDRNOTAVAIL, 2);
  const Result result = listen({"192.0.2.1", "::1"});
  EXPECT_EQ(std::errc::address_not_available, code_of(result));
  EXPECT_TRUE(outcome_of(result).starts_with(
      "could not bind on any address out of 192.0.2.1:80, [::1]:80"));
  EXPECT_EQ(2U, kernel_->open_descriptors());
}

// W-186
TEST_F(Serving, AnyOtherErrorClosesWhatWasOpenedSoFar) {
  kernel_->script_resolve("host", {"192.0.2.1", "::1"});
  const int taken = kernel_->open_listener(*SocketAddress::from_numeric("::1", 80));
  const Result result = listen({"host"});
  EXPECT_EQ("error while attempting to bind on address [::1]:80: Address already in use",
            outcome_of(result));
  EXPECT_EQ(3U, kernel_->open_descriptors());
  static_cast<void>(kernel_->close(taken));
}

// W-186
TEST_F(Serving, AFamilyThatTheKernelDoesNotHaveIsSkipped) {
  kernel_->fail_next("socket", EAFNOSUPPORT);
  EXPECT_EQ(Texts{"192.0.2.1:80"}, names_of(listen({"::1", "192.0.2.1"}).get()));
}

TEST_F(Serving, OnlyTheFamilyThatWasAskedForIsListenedOn) {
  ServerOptions options;
  options.family = AddressFamily::ipv6;
  EXPECT_EQ(Texts{"[::1]:80"}, names_of(listen({"192.0.2.1", "::1"}, 80, options).get()));
  EXPECT_EQ(std::errc::address_not_available, code_of(listen({"192.0.2.1"}, 80, options)));
}

TEST_F(Serving, ANameThatDoesNotResolveIsNamed) {
  kernel_->fail_resolve("nowhere", EAI_NONAME);
  EXPECT_TRUE(outcome_of(listen({"nowhere"})).starts_with("resolve host name 'nowhere'"));
}

// W-186
TEST_F(Serving, TwoServersMayShareAPort) {
  ServerOptions options;
  options.reuse_port = true;
  const Result one = listen({"192.0.2.1"}, 80, options);
  const Result other = listen({"192.0.2.1"}, 80, options);
  EXPECT_EQ("done", outcome_of(one));
  EXPECT_EQ("done", outcome_of(other));
  EXPECT_EQ(std::errc::address_in_use, code_of(listen({"192.0.2.1"})));
}

// W-189
TEST_F(Serving, AConnectionGetsAProtocolOfItsOwn) {
  const auto server = serve();
  const auto peer = SocketAddress::from_numeric("192.0.2.9", 5);
  kernel_->push_connection(listener_, *peer);
  client();
  EXPECT_EQ(2U, records_.size());
  EXPECT_EQ(2U, server->connection_count());
  EXPECT_EQ(peer, records_[0]->transport().peername());
  EXPECT_EQ("CM", records_[1]->trace());
}

// W-189
TEST_F(Serving, OneEventAcceptsAtMostTheBacklogAndOne) {
  ServerOptions options;
  options.backlog = 3;
  const auto server = serve(options);
  for (int i = 0; i < 10; ++i) {
    kernel_->push_connection(listener_);
  }
  turn();
  EXPECT_EQ(4U, server->connection_count());
  turn();
  EXPECT_EQ(8U, server->connection_count());
  turn();
  EXPECT_EQ(10U, server->connection_count());
}

// W-189
TEST_F(Serving, AConnectionThatWasGivenUpIsSkipped) {
  const auto server = serve();
  kernel_->push_connection(listener_);
  kernel_->push_connection(listener_);
  kernel_->fail_next("accept", ECONNABORTED);
  turn();
  EXPECT_EQ(1U, server->connection_count());
  EXPECT_EQ(Texts{}, reports_);
}

// W-86, W-189
TEST_F(Serving, AFactoryThatThrowsCostsOneConnectionOnly) {
  int calls = 0;
  const auto result = loop_->create_server(
      [&] {
        if (++calls == 1) {
          throw std::runtime_error("no protocol");
        }
        return factory()();
      },
      "192.0.2.1", 80);
  listener_ = first_own;
  const int refused = kernel_->push_connection(listener_);
  client();
  EXPECT_EQ(Texts{"Error on transport creation for incoming connection: no protocol"}, reports_);
  EXPECT_FALSE(kernel_->is_open(refused));
  EXPECT_EQ(1U, result.get()->connection_count());
}

// W-86
TEST_F(Serving, AFactoryThatMakesNothingCostsOneConnectionOnly) {
  const auto result =
      loop_->create_server([] { return std::shared_ptr<RecordingProtocol>(); }, "192.0.2.1", 80);
  listener_ = first_own;
  EXPECT_FALSE(kernel_->is_open(client()));
  EXPECT_EQ(1U, reports_.size());
  EXPECT_EQ(0U, result.get()->connection_count());
}

// W-188
TEST_F(Serving, CloseStopsListeningAndLeavesConnectionsAlone) {
  const auto server = serve();
  const int fd = client();
  EXPECT_TRUE(server->is_serving());
  server->close();
  server->close();
  EXPECT_FALSE(server->is_serving());
  EXPECT_TRUE(server->sockets().empty());
  EXPECT_FALSE(kernel_->is_open(listener_));
  kernel_->deliver(fd, "still here");
  turn();
  EXPECT_EQ("still here", records_[0]->received());
}

// W-188
TEST_F(Serving, CloseClientsDrainsThem) {
  const auto server = serve();
  const int fd = client();
  client();
  kernel_->set_room(fd, 0);
  records_[0]->transport().write("waits");
  server->close_clients();
  turn(2);
  EXPECT_EQ("CM", records_[0]->trace());
  EXPECT_EQ("CM CL(ok)", records_[1]->trace());
  kernel_->set_room(fd, 100);
  turn(2);
  EXPECT_EQ("CM CL(ok)", records_[0]->trace());
  EXPECT_EQ("waits", kernel_->sent(fd));
  EXPECT_TRUE(server->is_serving());
}

// W-188
TEST_F(Serving, AbortClientsDiscardsWhatTheyHaveQueued) {
  const auto server = serve();
  const int fd = client();
  kernel_->set_room(fd, 0);
  records_[0]->transport().write("waits");
  server->abort_clients();
  turn(2);
  EXPECT_EQ("CM CL(ok)", records_[0]->trace());
  EXPECT_EQ("", kernel_->sent(fd));
  EXPECT_EQ(0U, server->connection_count());
}

// W-188
TEST_F(Serving, WaitClosedCompletesWhenTheLastConnectionIsGoneAfterClose) {
  const auto server = serve();
  client();
  const Future<void> closed = server->wait_closed();
  server->close();
  turn(2);
  EXPECT_FALSE(closed.done());
  records_[0]->transport().close();
  turn(2);
  EXPECT_TRUE(closed.done());
}

// W-188
TEST_F(Serving, WaitClosedCompletesAtCloseWhenTheLastConnectionWasGoneBefore) {
  const auto server = serve();
  client();
  const Future<void> closed = server->wait_closed();
  records_[0]->transport().close();
  turn(2);
  EXPECT_FALSE(closed.done());
  server->close();
  EXPECT_TRUE(closed.done());
  EXPECT_TRUE(server->wait_closed().done());
}

// W-188
TEST_F(Serving, SeveralMayWaitAndOneMayGiveUp) {
  const auto server = serve();
  const Future<void> one = server->wait_closed();
  const Future<void> other = server->wait_closed();
  one.cancel();
  server->close();
  EXPECT_TRUE(one.cancelled());
  EXPECT_EQ("done", outcome_of(other));
}

// W-90
TEST_F(Serving, AConnectionLeavesTheListAfterItsLossAlsoIfThatThrows) {
  const auto server = serve();
  client();
  records_[0]->on_connection_lost = [&](std::error_code) {
    EXPECT_EQ(1U, server->connection_count());
    throw std::runtime_error("oops");
  };
  records_[0]->transport().close();
  turn(2);
  EXPECT_EQ(0U, server->connection_count());
  EXPECT_EQ(1U, reports_.size());
}

// W-188
TEST_F(Serving, AServerThatDoesNotServeYetAcceptsNothing) {
  ServerOptions options;
  options.start_serving = false;
  const auto server = serve(options);
  EXPECT_FALSE(server->is_serving());
  EXPECT_EQ(Texts{"192.0.2.1:80"}, names_of(server));
  EXPECT_EQ(0U, kernel_->count_calls("listen"));
  server->start_serving();
  server->start_serving();
  EXPECT_TRUE(server->is_serving());
  EXPECT_EQ(1U, kernel_->count_calls("listen"));
  client();
  EXPECT_EQ(1U, server->connection_count());
}

// W-188
TEST_F(Serving, AClosedServerCannotStart) {
  const auto server = serve();
  server->close();
  EXPECT_THROW(server->start_serving(), std::logic_error);
}

TEST_F(Serving, OneThatNeverServesFreesItsSocketsWithItsLastOwner) {
  ServerOptions options;
  options.start_serving = false;
  auto result = std::make_unique<Result>(listen({"192.0.2.1"}, 80, options));
  EXPECT_EQ(3U, kernel_->open_descriptors());
  result.reset();
  turn();
  EXPECT_EQ(2U, kernel_->open_descriptors());
}

TEST_F(Serving, OneThatTheProgramDropsGoesOnServing) {
  std::weak_ptr<Server> weak = serve();
  turn(2);
  EXPECT_FALSE(weak.expired());
  client();
  EXPECT_EQ(1U, records_.size());
  weak.lock()->close();
  turn();
  // Its connection keeps it.
  EXPECT_FALSE(weak.expired());
  records_[0]->transport().close();
  turn(2);
  EXPECT_TRUE(weak.expired());
}

TEST_F(Serving, TheFactoryMayCloseTheServer) {
  std::shared_ptr<Server> server;
  const auto result = loop_->create_server(
      [&] {
        server->close();
        return factory()();
      },
      "192.0.2.1", 80);
  server = result.get();
  listener_ = first_own;
  kernel_->push_connection(listener_);
  const int second = kernel_->push_connection(listener_);
  turn(2);
  EXPECT_EQ(0U, server->connection_count()) << "wait_closed() has been told that there is none";
  EXPECT_FALSE(kernel_->is_open(second));
}

// W-170
TEST_F(Serving, ALoopThatIsClosedDropsServerAndConnections) {
  const auto server = serve();
  const auto idle = loop_->create_server(factory(), "192.0.2.2", 80, {.start_serving = false});
  client();
  const Future<void> closed = server->wait_closed();
  loop_.reset();
  EXPECT_EQ(0U, kernel_->open_descriptors());
  EXPECT_FALSE(server->is_serving());
  EXPECT_TRUE(server->sockets().empty());
  EXPECT_EQ(0U, server->connection_count());
  EXPECT_FALSE(closed.done());
  EXPECT_EQ("CM", records_[0]->trace());
  server->close();
  server->close_clients();
  server->abort_clients();
  EXPECT_THROW(server->start_serving(), std::logic_error);
  EXPECT_THROW(idle.get()->start_serving(), std::logic_error);
  EXPECT_TRUE(server->wait_closed().done());
}

TEST_F(Serving, CancellingWhileTheNameIsLookedUpListensOnNothing) {
  kernel_->script_resolve("host", {"192.0.2.1"}, seconds(1));
  const auto result = loop_->create_server(factory(), "host", 80);
  EXPECT_TRUE(result.cancel());
  run_for(seconds(2));
  EXPECT_EQ(0U, kernel_->count_calls("socket"));
}

// W-188
TEST(ServingOfTheSystem, WhoConnectsBeforeItServesIsRefused) {
  EventLoop loop;
  const auto record = std::make_shared<Recording>();
  const auto server = loop.run_until_complete(
      loop.create_server([&] { return std::make_shared<RecordingProtocol>(record); }, "127.0.0.1",
                         0, {.start_serving = false}));
  const std::uint16_t port = server->sockets().front().port();
  EXPECT_THROW(static_cast<void>(testing::raw_connect(port)), std::system_error);
  server->start_serving();
  const Fd peer = testing::raw_connect(port);
  record->on_connection_made = [&] { loop.stop(); };
  loop.run_forever();
  EXPECT_EQ(1U, server->connection_count());
  record->release();
}

// W-186
TEST(ServingOfTheSystem, PortZeroIsARealPortThatCanBeReached) {
  EventLoop loop;
  const auto record = std::make_shared<Recording>();
  const auto server = loop.run_until_complete(loop.create_server(
      [&] { return std::make_shared<RecordingProtocol>(record); }, "127.0.0.1", 0));
  record->on_connection_made = [&] { loop.stop(); };
  const Fd peer = testing::raw_connect(server->sockets().front().port());
  loop.run_forever();
  EXPECT_EQ(1U, server->connection_count());
  record->release();
}

}  // namespace
}  // namespace sluice::transports
