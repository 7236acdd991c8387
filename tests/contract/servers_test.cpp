// Section 5.4 of docs/contract.md: servers.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "contract/real_loop.hpp"

namespace sluice::testing {
namespace {

using std::chrono::seconds;

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class Servers : public RealLoop {
 protected:
  // Listens on 127.0.0.1; each connection feeds a record of its own.
  std::shared_ptr<Server> serve(ServerOptions options = {}) {
    return loop().run_until_complete(loop().create_server([this] { return new_protocol(); },
                                                          "127.0.0.1", 0, std::move(options)));
  }
  std::shared_ptr<Server> serve_at(const std::string& path, ServerOptions options = {}) {
    return loop().run_until_complete(
        loop().create_unix_server([this] { return new_protocol(); }, path, std::move(options)));
  }
  std::shared_ptr<RecordingProtocol> new_protocol() {
    accepted_.push_back(new_record());
    return std::make_shared<RecordingProtocol>(accepted_.back());
  }
  [[nodiscard]] FdPeer connect(const Server& server) {
    return FdPeer(raw_connect(server.sockets().at(0).port()));
  }
  [[nodiscard]] const std::vector<std::shared_ptr<Recording>>& accepted() { return accepted_; }

 private:
  std::vector<std::shared_ptr<Recording>> accepted_;
};

TEST_F(Servers, W186_Port0ListensOnAFreePortAndTellsIt) {
  const auto server = serve();
  ASSERT_EQ(server->sockets().size(), 1U);
  EXPECT_NE(server->sockets()[0].port(), 0);
  const FdPeer peer = connect(*server);
  run_until([&] { return server->connection_count() == 1; });
  server->close();
  server->abort_clients();
}

TEST_F(Servers, W186_TheSameAddressTwiceIsListenedOnOnce) {
  const auto server = loop().run_until_complete(loop().create_server(
      [this] { return new_protocol(); }, std::vector<std::string>{"127.0.0.1", "127.0.0.1"}, 0));
  EXPECT_EQ(server->sockets().size(), 1U);
  server->close();
}

TEST_F(Servers, W186_AnAddressInUseIsAnErrorThatNamesIt) {
  const auto server = serve();
  const SocketAddress taken = server->sockets().at(0);
  const std::system_error error = failure_of(
      loop().create_server([this] { return new_protocol(); }, "127.0.0.1", taken.port()));
  EXPECT_EQ(error.code(), std::errc::address_in_use);
  EXPECT_TRUE(says(error.what(), "error while attempting to bind on address")) << error.what();
  EXPECT_TRUE(says(error.what(), taken.to_string())) << error.what();
  server->close();
}

TEST_F(Servers, W186_AnAddressThatIsNotOursIsAnErrorOnlyWhenNoneIsLeft) {
  const std::system_error error =
      failure_of(loop().create_server([this] { return new_protocol(); }, "192.0.2.1", 0));
  EXPECT_TRUE(says(error.what(), "could not bind on any address out of")) << error.what();
  const auto server = loop().run_until_complete(loop().create_server(
      [this] { return new_protocol(); }, std::vector<std::string>{"192.0.2.1", "127.0.0.1"}, 0));
  EXPECT_EQ(server->sockets().size(), 1U);
  server->close();
}

TEST_F(Servers, W187_AServerIsToldWhereToListen) {
  const TempDirectory directory;
  const auto tcp = serve();
  const auto unix = serve_at(directory.file("socket"));
  EXPECT_EQ(tcp->sockets().at(0).host(), "127.0.0.1");
  EXPECT_EQ(unix->sockets().at(0).path(), directory.file("socket"));
  tcp->close();
  unix->close();
}

TEST_F(Servers, W188_StartServingMayBeRepeatedAndThrowsAfterClose) {
  const auto server = serve({.start_serving = false});
  EXPECT_FALSE(server->is_serving());
  server->start_serving();
  server->start_serving();
  EXPECT_TRUE(server->is_serving());
  server->close();
  server->close();
  EXPECT_FALSE(server->is_serving());
  EXPECT_TRUE(server->sockets().empty());
  EXPECT_THROW(server->start_serving(), std::logic_error);
}

TEST_F(Servers, W188_CloseLeavesConnectionsAlone) {
  const auto server = serve();
  FdPeer peer = connect(*server);
  run_until([&] { return server->connection_count() == 1; });
  server->close();
  peer.send("still here");
  run_until([&] { return accepted().at(0)->received() == "still here"; });
  server->abort_clients();
}

TEST_F(Servers, W188_CloseClientsClosesAndAbortClientsAborts) {
  const auto server = serve();
  const FdPeer first = connect(*server);
  const FdPeer second = connect(*server);
  run_until([&] {
    return accepted().size() == 2 && accepted()[0]->shared_transport() &&
           accepted()[1]->shared_transport();
  });
  accepted()[0]->transport().write(std::string(8'000'000, 'x'));
  server->close_clients();
  run_until([&] { return accepted()[1]->lost(); });
  EXPECT_FALSE(accepted()[0]->lost());
  server->abort_clients();
  run_until([&] { return accepted()[0]->lost(); });
  EXPECT_EQ(accepted()[0]->trace(), "CM PW CL(ok)");
  EXPECT_EQ(accepted()[1]->trace(), "CM CL(ok)");
  server->close();
}

TEST_F(Servers, W188_WaitClosedNeedsTheCloseAndTheLastConnection) {
  const auto server = serve();
  const FdPeer peer = connect(*server);
  run_until([&] { return server->connection_count() == 1; });
  const Future<void> closed = server->wait_closed();
  server->close();
  run_some_turns();
  EXPECT_FALSE(closed.done());
  server->close_clients();
  run_until([&] { return closed.done(); });
  EXPECT_EQ(server->connection_count(), 0U);
}

TEST_F(Servers, W188_WaitClosedInTheOtherOrder) {
  const auto server = serve();
  const Future<void> closed = server->wait_closed();
  {
    const FdPeer peer = connect(*server);
    run_until([&] { return server->connection_count() == 1; });
  }
  run_until([&] { return server->connection_count() == 0; });
  EXPECT_FALSE(closed.done());
  server->close();
  run_until([&] { return closed.done(); });
  run_until([&] { return server->wait_closed().done(); });
}

TEST_F(Servers, W191_Q33_ASocketFileInTheWayIsReplacedEvenInUse) {
  const TempDirectory directory;
  const std::string path = directory.file("socket");
  const RawListener other(path);
  const auto server = serve_at(path);
  const FdPeer peer(raw_connect(path));
  run_until([&] { return server->connection_count() == 1; });
  server->close();
  server->abort_clients();
}

TEST_F(Servers, W191_AnyOtherFileInTheWayIsRefused) {
  const TempDirectory directory;
  const std::string path = directory.file("precious");
  std::ofstream(path) << "do not touch";
  const std::system_error error =
      failure_of(loop().create_unix_server([this] { return new_protocol(); }, path));
  EXPECT_EQ(error.code(), std::errc::address_in_use);
  EXPECT_TRUE(says(error.what(), "Address '" + path + "' is already in use by a file"))
      << error.what();
  EXPECT_TRUE(std::filesystem::is_regular_file(path));
}

TEST_F(Servers, W191_ThePathIsRemovedOnCloseIfItIsStillOurs) {
  const TempDirectory directory;
  const std::string path = directory.file("socket");
  serve_at(path)->close();
  EXPECT_FALSE(std::filesystem::exists(path));
  const auto first = serve_at(path);
  const auto second = serve_at(path);
  first->close();
  EXPECT_TRUE(std::filesystem::exists(path)) << "the second server's file was removed";
  second->close();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(Servers, W191_WithoutCleanupThePathStays) {
  const TempDirectory directory;
  const std::string path = directory.file("socket");
  serve_at(path, {.cleanup_socket = false})->close();
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(Servers, W191_AnAbstractNameTouchesNoFile) {
  const std::string name = std::string(1, '\0') + "sluice-server-" + std::to_string(::getpid());
  const auto server = serve_at(name);
  EXPECT_EQ(server->sockets().at(0).family(), AddressFamily::unix_abstract);
  server->close();
}

class ScriptedServers : public ScriptedLoop {
 protected:
  std::shared_ptr<Server> serve(ServerOptions options = {}) {
    const std::size_t before = kernel().calls().size();
    auto server = loop().run_until_complete(loop().create_server(
        [this] {
          accepted_.push_back(new_record());
          if (refuse_next_) {
            refuse_next_ = false;
            throw std::runtime_error("no protocol");
          }
          return std::make_shared<RecordingProtocol>(accepted_.back());
        },
        "127.0.0.1", 8080, std::move(options)));
    for (std::size_t i = before; i < kernel().calls().size(); ++i) {
      if (kernel().calls()[i].name == "listen") {
        listener_ = kernel().calls()[i].fd;
        backlog_ = kernel().calls()[i].argument;
      }
    }
    return server;
  }
  [[nodiscard]] int listener() const { return listener_; }
  [[nodiscard]] long backlog() const { return backlog_; }
  [[nodiscard]] std::size_t made() const { return accepted_.size(); }
  [[nodiscard]] std::size_t accepts() { return kernel().count_calls("accept"); }
  void refuse_next() { refuse_next_ = true; }

 private:
  std::vector<std::shared_ptr<Recording>> accepted_;
  int listener_ = -1;
  long backlog_ = 0;
  bool refuse_next_ = false;
};

TEST_F(ScriptedServers, W186_TheDefaultsOfListening) {
  const auto server = serve();
  EXPECT_EQ(backlog(), 100);
  EXPECT_NE(kernel().option(listener(), SOL_SOCKET, SO_REUSEADDR), 0);
  EXPECT_EQ(kernel().option(listener(), SOL_SOCKET, SO_REUSEPORT), 0);
  server->close();
}

TEST_F(ScriptedServers, W186_TheOptionsOfListening) {
  const auto server = serve({.backlog = 7, .reuse_port = true, .keep_alive = true});
  EXPECT_EQ(backlog(), 7);
  EXPECT_NE(kernel().option(listener(), SOL_SOCKET, SO_REUSEPORT), 0);
  const int connection = kernel().push_connection(listener());
  run_until([&] { return server->connection_count() == 1; });
  EXPECT_NE(kernel().option(connection, SOL_SOCKET, SO_KEEPALIVE), 0);
  server->close();
}

TEST_F(ScriptedServers, W186_Ipv6SocketsAreIpv6Only) {
  const auto server =
      loop().run_until_complete(loop().create_server(stream_factory(new_record()), "::1", 8080));
  int listening = -1;
  for (const CallRecord& call : kernel().calls()) {
    listening = call.name == "listen" ? call.fd : listening;
  }
  EXPECT_NE(kernel().option(listening, IPPROTO_IPV6, IPV6_V6ONLY), 0);
  server->close();
}

TEST_F(ScriptedServers, W189_OneEventAcceptsAtMostBacklogPlusOneConnections) {
  const auto server = serve({.backlog = 3});
  for (int i = 0; i < 10; ++i) {
    kernel().push_connection(listener());
  }
  turn();
  EXPECT_EQ(made(), 4U);
  run_until([&] { return made() == 10; });
  server->close();
}

TEST_F(ScriptedServers, W189_AConnectionThatWasGivenUpIsSkipped) {
  const auto server = serve();
  kernel().fail_next("accept", ECONNABORTED);
  kernel().push_connection(listener());
  kernel().push_connection(listener());
  run_until([&] { return made() == 1; });
  EXPECT_EQ(accepts(), 3U) << "given up, accepted, none left";
  server->close();
}

TEST_F(ScriptedServers, W189_AFailureOfOneConnectionDoesNotTouchTheOthers) {
  const auto server = serve();
  refuse_next();
  const int refused_one = kernel().push_connection(listener());
  kernel().push_connection(listener());
  run_until([&] { return server->connection_count() == 1; });
  EXPECT_FALSE(kernel().is_open(refused_one));
  EXPECT_EQ(reports().size(), 1U);
  reports().clear();
  server->close();
}

class OutOfResources : public ScriptedServers, public ::testing::WithParamInterface<int> {};

TEST_P(OutOfResources, W190_ListeningPausesForASecondAndConnectionsGoOn) {
  const auto server = serve();
  kernel().push_connection(listener());
  run_until([&] { return server->connection_count() == 1; });
  kernel().fail_next("accept", GetParam());
  kernel().push_connection(listener());
  run_until([&] { return !reports().empty(); });
  EXPECT_TRUE(reports().at(0).starts_with("socket.accept() out of system resource"))
      << reports().at(0);
  const std::size_t before = accepts();
  kernel().push_connection(listener());
  run_some_turns();
  EXPECT_EQ(accepts(), before) << "it listens on";
  EXPECT_EQ(server->connection_count(), 1U);
  kernel().advance(seconds(1));
  run_until([&] { return server->connection_count() == 3; });
  EXPECT_EQ(reports().size(), 1U);
  reports().clear();
  server->close();
}

INSTANTIATE_TEST_SUITE_P(All, OutOfResources, ::testing::Values(EMFILE, ENFILE, ENOBUFS, ENOMEM),
                         [](const auto& test) {
                           return std::string(::strerrorname_np(test.param));
                         });

}  // namespace
}  // namespace sluice::testing
