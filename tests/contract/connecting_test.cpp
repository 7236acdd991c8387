// Section 5.3 of docs/contract.md: connecting.
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "contract/real_loop.hpp"

namespace sluice::testing {
namespace {

using std::chrono::milliseconds;

bool says(const std::exception& error, const std::string& text) {
  return std::string(error.what()).find(text) != std::string::npos;
}

SocketAddress numeric(const char* host, std::uint16_t port) {
  return *SocketAddress::from_numeric(host, port);
}

class Connecting : public RealLoop {};
class ScriptedConnecting : public ScriptedLoop {
 protected:
  static constexpr std::uint16_t port = 80;
  auto connect(const std::string& host, ConnectOptions options = {}) {
    record_ = new_record();
    return loop().create_connection(stream_factory(record_), host, port, std::move(options));
  }
  // The connect() calls made so far, as the numbers of their sockets.
  [[nodiscard]] std::size_t attempts() { return kernel().count_calls("connect"); }
  [[nodiscard]] Recording& record() { return *record_; }

 private:
  std::shared_ptr<Recording> record_;
};

TEST_F(Connecting, W179_ADatagramSocketIsRefused) {
  const std::system_error error = failure_of(loop().connect_accepted_socket(
      stream_factory(new_record()), Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))));
  EXPECT_TRUE(says(error, "A Stream Socket was expected, got ")) << error.what();
}

TEST_F(Connecting, W179_APipeIsNoSocket) {
  FdPair pair = make_pipe_pair();
  const std::system_error error = failure_of(
      loop().connect_accepted_socket(stream_factory(new_record()), std::move(pair.transport)));
  EXPECT_TRUE(says(error, "A Stream Socket was expected, got ")) << error.what();
}

TEST_F(ScriptedConnecting, W180_AddressesAreTriedInOrderUntilOneSucceeds) {
  kernel().script_resolve("host", {"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  kernel().script_connect(numeric("10.0.0.1", port), refused(ECONNREFUSED));
  kernel().script_connect(numeric("10.0.0.2", port), connects_after(milliseconds(5)));
  const auto connection = loop().run_until_complete(connect("host"));
  EXPECT_EQ(connection.transport->peername(), numeric("10.0.0.2", port));
  EXPECT_EQ(attempts(), 2U);
}

TEST_F(ScriptedConnecting, W180_NumericHostsSkipTheResolver) {
  loop().run_until_complete(connect("10.0.0.1"));
  EXPECT_EQ(kernel().count_calls("resolve"), 0U);
}

TEST_F(ScriptedConnecting, W180_WithHappyEyeballsTheNextAttemptStartsAfterTheDelay) {
  kernel().script_resolve("host", {"10.0.0.1", "10.0.0.2"});
  kernel().script_connect(numeric("10.0.0.1", port), never_connects());
  kernel().script_connect(numeric("10.0.0.2", port), connected());
  const std::size_t before = kernel().open_descriptors();
  const auto connection =
      loop().run_until_complete(connect("host", {.happy_eyeballs_delay = milliseconds(250)}));
  EXPECT_EQ(connection.transport->peername(), numeric("10.0.0.2", port));
  // The attempt that did not win is over and its socket closed.
  EXPECT_EQ(kernel().open_descriptors(), before + 1);
}

TEST_F(ScriptedConnecting, W180_WithHappyEyeballsAFailureStartsTheNextAttemptAtOnce) {
  kernel().script_resolve("host", {"10.0.0.1", "10.0.0.2"});
  kernel().script_connect(numeric("10.0.0.1", port), connects_after(milliseconds(1), ECONNREFUSED));
  kernel().script_connect(numeric("10.0.0.2", port), connected());
  const TimePoint start = loop().time();
  loop().run_until_complete(connect("host", {.happy_eyeballs_delay = std::chrono::seconds(60)}));
  EXPECT_LT(loop().time() - start, std::chrono::seconds(1));
}

TEST_F(ScriptedConnecting, W180_FamiliesAlternateWithHappyEyeballs) {
  kernel().script_resolve("host", {"::1", "::2", "10.0.0.1"});
  for (const char* host : {"::1", "::2"}) {
    kernel().script_connect(numeric(host, port), refused(ECONNREFUSED));
  }
  kernel().script_connect(numeric("10.0.0.1", port), connected());
  const auto connection =
      loop().run_until_complete(connect("host", {.happy_eyeballs_delay = milliseconds(250)}));
  EXPECT_EQ(connection.transport->peername(), numeric("10.0.0.1", port));
  EXPECT_EQ(attempts(), 2U);
}

TEST_F(ScriptedConnecting, W180_InterleaveTakesSoManyOfTheFirstFamilyFirst) {
  kernel().script_resolve("host", {"::1", "::2", "::3", "10.0.0.1"});
  for (const char* host : {"::1", "::2", "::3"}) {
    kernel().script_connect(numeric(host, port), refused(ECONNREFUSED));
  }
  loop().run_until_complete(connect("host", {.interleave = 2}));
  EXPECT_EQ(attempts(), 3U);
}

TEST_F(ScriptedConnecting, W181_OneFailureIsReportedAsItIs) {
  kernel().script_connect(numeric("10.0.0.1", port), refused(ECONNREFUSED));
  const std::system_error error = failure_of(connect("10.0.0.1"));
  EXPECT_EQ(error.code(), std::errc::connection_refused);
  EXPECT_TRUE(says(error, "10.0.0.1:80")) << error.what();
}

TEST_F(ScriptedConnecting, W181_DifferentFailuresAreReportedTogether) {
  kernel().script_resolve("host", {"10.0.0.1", "10.0.0.2"});
  kernel().script_connect(numeric("10.0.0.1", port), refused(ECONNREFUSED));
  kernel().script_connect(numeric("10.0.0.2", port), refused(ENETUNREACH));
  const std::system_error error = failure_of(connect("host"));
  EXPECT_EQ(error.code(), Errc::all_attempts_failed);
  EXPECT_TRUE(says(error, "10.0.0.1:80")) << error.what();
  EXPECT_TRUE(says(error, "10.0.0.2:80")) << error.what();
}

TEST_F(ScriptedConnecting, W181_NoUsableAddressIsSaid) {
  kernel().script_resolve("host", {"10.0.0.1"});
  const std::system_error error = failure_of(connect("10.0.0.1", {.family = AddressFamily::ipv6}));
  EXPECT_EQ(error.code(), Errc::no_address);
}

TEST_F(ScriptedConnecting, W181_ANameThatDoesNotResolveIsSaid) {
  const std::system_error error = failure_of(connect("nowhere"));
  EXPECT_EQ(error.code().category(), resolver_category());
  EXPECT_TRUE(says(error, "nowhere")) << error.what();
}

TEST_F(ScriptedConnecting, W182_TheLocalAddressIsBoundFirst) {
  const auto connection =
      loop().run_until_complete(connect("10.0.0.1", {.local_address = numeric("10.0.0.9", 4000)}));
  EXPECT_EQ(connection.transport->sockname(), numeric("10.0.0.9", 4000));
}

TEST_F(ScriptedConnecting, W182_AFailureToBindNamesTheAddress) {
  kernel().fail_next("bind", EADDRINUSE);
  const std::system_error error =
      failure_of(connect("10.0.0.1", {.local_address = numeric("10.0.0.9", 4000)}));
  EXPECT_EQ(error.code(), std::errc::address_in_use);
  EXPECT_TRUE(says(error, "error while attempting to bind on address")) << error.what();
  EXPECT_TRUE(says(error, "10.0.0.9:4000")) << error.what();
}

TEST_F(Connecting, W183_APathAndAnAbstractNameAreConnectedTo) {
  const TempDirectory directory;
  const std::string abstract =
      std::string(1, '\0') + "sluice-contract-" + std::to_string(::getpid());
  for (const std::string& path : {directory.file("socket"), abstract}) {
    const auto at_server = new_record();
    const auto at_client = new_record();
    const auto server =
        loop().run_until_complete(loop().create_unix_server(stream_factory(at_server), path));
    loop().run_until_complete(loop().create_unix_connection(stream_factory(at_client), path));
    run_until([&] { return at_server->shared_transport() != nullptr; });
    at_client->transport().write("hello");
    run_until([&] { return at_server->received() == "hello"; });
    EXPECT_EQ(at_client->transport().peername()->path(), path);
    server->close();
    at_client->transport().close();
    run_until([&] { return at_client->lost() && at_server->lost(); });
  }
}

TEST_F(Connecting, W183_AnEmptyPathIsRefused) {
  const std::system_error error =
      failure_of(loop().create_unix_connection(stream_factory(new_record()), ""));
  EXPECT_EQ(error.code(), std::errc::invalid_argument);
  EXPECT_TRUE(says(error, "a Unix socket needs a path")) << error.what();
}

TEST_F(Connecting, W183_APathOf108BytesIsRefusedAndTheLimitNamed) {
  const std::system_error error = failure_of(
      loop().create_unix_connection(stream_factory(new_record()), std::string(108, 'p')));
  EXPECT_EQ(error.code(), std::errc::filename_too_long);
  EXPECT_TRUE(says(error, "107")) << error.what();
}

TEST_F(Connecting, W184_AnAdoptedSocketIsATransportLikeAnyOther) {
  for (FdPair (*make)() : {make_tcp_pair, make_socket_pair}) {
    FdPair pair = make();
    FdPeer peer(std::move(pair.peer));
    const auto record = new_record();
    const auto connection = loop().run_until_complete(
        loop().connect_accepted_socket(stream_factory(record), std::move(pair.transport)));
    EXPECT_EQ(connection.transport, record->shared_transport());
    peer.send("ping");
    run_until([&] { return record->received() == "ping"; });
    connection.transport->write("pong");
    peer.start_reading();
    run_until([&] {
      peer.pump();
      return peer.received() == "pong";
    });
    connection.transport->close();
    run_until([&] { return record->lost(); });
    EXPECT_EQ(record->trace(), "CM DR CL(ok)");
  }
}

TEST_F(Connecting, W185_ThePipeCallsCallTheFactoryFirst) {
  FdPair pair = make_pipe_pair();
  const FdPeer peer(std::move(pair.peer));
  const auto record = new_record();
  bool made = false;
  const auto connecting = loop().connect_write_pipe(
      [&] {
        made = true;
        return std::make_shared<RecordingWriteProtocol>(record);
      },
      std::move(pair.transport));
  EXPECT_TRUE(made);
  EXPECT_EQ(record->trace(), "");
  const auto connection = loop().run_until_complete(connecting);
  EXPECT_EQ(record->trace(), "CM");
  EXPECT_EQ(connection.transport, record->shared_transport());
  EXPECT_EQ(connection.transport->get_protocol(), connection.protocol);
}

TEST_F(Connecting, W185_AFactoryThatThrowsClosesThePipe) {
  FdPair pair = make_pipe_pair();
  FdPeer peer(std::move(pair.peer));
  auto connecting = loop().connect_write_pipe(
      []() -> std::shared_ptr<RecordingWriteProtocol> { throw std::runtime_error("none"); },
      std::move(pair.transport));
  EXPECT_THROW(loop().run_until_complete(connecting), std::runtime_error);
  peer.start_reading();
  peer.pump();
  EXPECT_TRUE(peer.at_end());
}

}  // namespace
}  // namespace sluice::testing
