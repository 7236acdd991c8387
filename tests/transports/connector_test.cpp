#include "transports/connector.hpp"

#include <netdb.h>

#include <cerrno>
#include <optional>
#include <stdexcept>

#include "testing/no_new_threads.hpp"
#include "testing/peers.hpp"
#include "transport_fixture.hpp"

namespace sluice::transports {
namespace {

using testing::connected;
using testing::connects_after;
using testing::never_connects;
using testing::refused;

SocketAddress address_of(const std::string& host, std::uint16_t port = 80) {
  return SocketAddress::from_numeric(host, port).value();
}

Texts names_of(const std::vector<SocketAddress>& addresses) {
  Texts names;
  for (const SocketAddress& address : addresses) {
    names.push_back(address.host());
  }
  return names;
}

std::vector<SocketAddress> addresses_of(const Texts& hosts) {
  std::vector<SocketAddress> result;
  for (const std::string& host : hosts) {
    result.push_back(address_of(host));
  }
  return result;
}

// W-180
TEST(Interleaving, AlternatesTheFamiliesAfterSomeOfTheFirst) {
  struct Row {
    Texts given;
    int first_count;
    Texts expected;
  };
  const Row rows[] = {
      {{}, 1, {}},
      {{"::1"}, 1, {"::1"}},
      {{"::1", "::2", "::3"}, 1, {"::1", "::2", "::3"}},
      // The order of RFC 8305: one of the first family, one of the other, and so on.
      {{"::1", "::2", "1.1.1.1", "2.2.2.2"}, 1, {"::1", "1.1.1.1", "::2", "2.2.2.2"}},
      {{"1.1.1.1", "::1", "::2", "::3"}, 1, {"1.1.1.1", "::1", "::2", "::3"}},
      {{"::1", "::2", "::3", "1.1.1.1"}, 1, {"::1", "1.1.1.1", "::2", "::3"}},
      {{"::1", "::2", "::3", "1.1.1.1"}, 2, {"::1", "::2", "1.1.1.1", "::3"}},
      // More than there are of the first family: all of them, then the other.
      {{"::1", "::2", "1.1.1.1", "2.2.2.2"}, 9, {"::1", "::2", "1.1.1.1", "2.2.2.2"}},
      {{"1.1.1.1", "::1", "2.2.2.2", "::2"}, 1, {"1.1.1.1", "::1", "2.2.2.2", "::2"}},
      {{"::1", "::2", "1.1.1.1"}, -3, {"::1", "1.1.1.1", "::2"}},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(row.expected, names_of(interleave(addresses_of(row.given), row.first_count)));
  }
}

class Connecting : public TransportTest {
 protected:
  using Result = Future<Connection<RecordingProtocol>>;

  Result connect(const std::string& host, ConnectOptions options = {}) {
    return loop_->create_connection(stream_factory(), host, 80, std::move(options));
  }
  // Connects, and waits for the outcome.
  Result connected_to(const std::string& host, ConnectOptions options = {}) {
    Result result = connect(host, std::move(options));
    result.add_done_callback([this](const Result&) { loop_->stop(); });
    loop_->run_forever();
    return result;
  }
  static ConnectOptions happy(nanoseconds delay = milliseconds(250)) {
    ConnectOptions options;
    options.happy_eyeballs_delay = delay;
    return options;
  }
  void answer(const std::string& host, const testing::ConnectAnswer& how) {
    kernel_->script_connect(address_of(host), how);
  }
  [[nodiscard]] std::string peer_of(const Result& result) const {
    return result.get().transport->peername().value().host();
  }
  // Descriptors of the loop itself: epoll and wake-up.
  static constexpr std::size_t own = 2;
};

// W-180
TEST_F(Connecting, ANumericHostSkipsTheResolver) {
  const Result result = connected_to("192.0.2.1");
  EXPECT_EQ("done", outcome_of(result));
  EXPECT_EQ(0U, kernel_->count_calls("resolve"));
  EXPECT_EQ("CM", trace());
  EXPECT_EQ("192.0.2.1:80", result.get().transport->peername().value().to_string());
}

// W-180
TEST_F(Connecting, AddressesAreTriedInOrderOneAfterTheOther) {
  kernel_->script_resolve("host", {"192.0.2.1", "192.0.2.2", "192.0.2.3"});
  answer("192.0.2.1", refused(ECONNREFUSED));
  answer("192.0.2.2", connects_after(seconds(3), ETIMEDOUT));
  const TimePoint start = loop_->time();
  const Result result = connected_to("host");
  EXPECT_EQ("192.0.2.3", peer_of(result));
  EXPECT_EQ(seconds(3), loop_->time() - start);
  EXPECT_EQ(own + 1, kernel_->open_descriptors());
}

// W-180
TEST_F(Connecting, TheOrderOfTheResolverIsKeptWithoutHappyEyeballs) {
  kernel_->script_resolve("host", {"::1", "::2", "192.0.2.1"});
  answer("::1", refused(ENETUNREACH));
  EXPECT_EQ("::2", peer_of(connected_to("host")));
}

// W-180
TEST_F(Connecting, InterleavingCanBeAskedForWithoutHappyEyeballs) {
  kernel_->script_resolve("host", {"::1", "::2", "192.0.2.1"});
  answer("::1", refused(ENETUNREACH));
  ConnectOptions options;
  options.interleave = 1;
  EXPECT_EQ("192.0.2.1", peer_of(connected_to("host", options)));
}

// W-180
TEST_F(Connecting, HappyEyeballsStartsTheNextAttemptAfterTheDelay) {
  kernel_->script_resolve("host", {"::1", "192.0.2.1"});
  answer("::1", never_connects());
  answer("192.0.2.1", connects_after(milliseconds(10)));
  const TimePoint start = loop_->time();
  const Result result = connected_to("host", happy());
  EXPECT_EQ("192.0.2.1", peer_of(result));
  EXPECT_EQ(milliseconds(260), loop_->time() - start);
  // The other attempt was given up and its socket closed.
  EXPECT_EQ(own + 1, kernel_->open_descriptors());
}

// W-180
TEST_F(Connecting, HappyEyeballsStartsTheNextAttemptAtOnceWhenThePreviousFailed) {
  kernel_->script_resolve("host", {"::1", "192.0.2.1"});
  answer("::1", connects_after(milliseconds(20), ECONNREFUSED));
  const TimePoint start = loop_->time();
  EXPECT_EQ("192.0.2.1", peer_of(connected_to("host", happy())));
  EXPECT_EQ(milliseconds(20), loop_->time() - start);
}

// W-180
TEST_F(Connecting, HappyEyeballsAlternatesTheFamilies) {
  kernel_->script_resolve("host", {"::1", "::2", "192.0.2.1"});
  answer("::1", never_connects());
  answer("::2", never_connects());
  const TimePoint start = loop_->time();
  EXPECT_EQ("192.0.2.1", peer_of(connected_to("host", happy())));
  EXPECT_EQ(milliseconds(250), loop_->time() - start);
}

// W-180
TEST_F(Connecting, AnOlderAttemptThatFailsDoesNotShortenTheDelayOfTheNext) {
  kernel_->script_resolve("host", {"192.0.2.1", "192.0.2.2", "192.0.2.3"});
  answer("192.0.2.1", connects_after(milliseconds(300), ECONNREFUSED));
  answer("192.0.2.2", never_connects());
  const TimePoint start = loop_->time();
  EXPECT_EQ("192.0.2.3", peer_of(connected_to("host", happy())));
  EXPECT_EQ(milliseconds(500), loop_->time() - start);
}

// W-180
TEST_F(Connecting, ADelayThatNeverEndsWaitsForTheFailure) {
  kernel_->script_resolve("host", {"::1", "192.0.2.1"});
  answer("::1", connects_after(seconds(90), ETIMEDOUT));
  const TimePoint start = loop_->time();
  EXPECT_EQ("192.0.2.1", peer_of(connected_to("host", happy(nanoseconds::max()))));
  EXPECT_EQ(seconds(90), loop_->time() - start);
}

// W-180
TEST_F(Connecting, TheFirstSuccessWinsEvenIfItStartedFirst) {
  kernel_->script_resolve("host", {"192.0.2.1", "192.0.2.2", "192.0.2.3"});
  answer("192.0.2.1", connects_after(milliseconds(600)));
  answer("192.0.2.2", never_connects());
  answer("192.0.2.3", never_connects());
  EXPECT_EQ("192.0.2.1", peer_of(connected_to("host", happy())));
  EXPECT_EQ(own + 1, kernel_->open_descriptors());
  EXPECT_EQ("CM", trace());
}

// W-180
TEST_F(Connecting, OnlyTheWinnerCallsTheFactory) {
  int made = 0;
  kernel_->script_resolve("host", {"192.0.2.1", "192.0.2.2"});
  answer("192.0.2.1", connects_after(milliseconds(20), ECONNREFUSED));
  const auto result = loop_->create_connection(
      [&] {
        ++made;
        return std::make_shared<RecordingProtocol>(record_);
      },
      "host", 80);
  EXPECT_EQ(0, made);
  run_for(seconds(1));
  EXPECT_EQ("done", outcome_of(result));
  EXPECT_EQ(1, made);
}

// W-181
TEST_F(Connecting, OneErrorIsReportedAsItIs) {
  answer("192.0.2.1", refused(ECONNREFUSED));
  const Result result = connected_to("192.0.2.1");
  EXPECT_EQ(std::errc::connection_refused, code_of(result));
  EXPECT_EQ("connect to 192.0.2.1:80: Connection refused", outcome_of(result));
  EXPECT_EQ(own, kernel_->open_descriptors());
}

// W-181
TEST_F(Connecting, SeveralErrorsOfOneCodeKeepItAndNameEachAddress) {
  kernel_->script_resolve("host", {"192.0.2.1", "::1"});
  answer("192.0.2.1", refused(ECONNREFUSED));
  answer("::1", connects_after(seconds(1), ECONNREFUSED));
  const Result result = connected_to("host");
  EXPECT_EQ(std::errc::connection_refused, code_of(result));
  EXPECT_EQ("connect to 192.0.2.1:80, connect to [::1]:80: Connection refused", outcome_of(result));
}

// W-181
TEST_F(Connecting, DifferentErrorsAreAllListed) {
  kernel_->script_resolve("host", {"192.0.2.1", "::1"});
  answer("192.0.2.1", refused(ECONNREFUSED));
  answer("::1", refused(ENETUNREACH));
  const Result result = connected_to("host", happy());
  EXPECT_EQ(Errc::all_attempts_failed, code_of(result));
  EXPECT_TRUE(outcome_of(result).starts_with(
      "Multiple exceptions: connect to 192.0.2.1:80: Connection refused; "
      "connect to [::1]:80: Network is unreachable"))
      << outcome_of(result);
}

// W-181
TEST_F(Connecting, ANameWithoutAUsableAddressIsAnErrorOfItsOwn) {
  ConnectOptions options;
  options.family = AddressFamily::ipv6;
  const Result result = connected_to("192.0.2.1", options);
  EXPECT_EQ(Errc::no_address, code_of(result));
  EXPECT_TRUE(outcome_of(result).starts_with("connect to '192.0.2.1'"));
}

TEST_F(Connecting, ANameThatDoesNotResolveIsNamed) {
  kernel_->fail_resolve("nowhere", EAI_NONAME);
  const Result result = connected_to("nowhere");
  EXPECT_EQ(std::error_code(EAI_NONAME, resolver_category()), code_of(result));
  EXPECT_TRUE(outcome_of(result).starts_with("resolve host name 'nowhere'"));
}

TEST_F(Connecting, AnErrorOfTheSystemWhileResolvingKeepsItsCode) {
  kernel_->fail_resolve("nowhere", EAI_SYSTEM, EMFILE);
  EXPECT_EQ(std::errc::too_many_files_open, code_of(connected_to("nowhere")));
}

TEST_F(Connecting, OnlyTheFamilyThatWasAskedForIsTried) {
  kernel_->script_resolve("host", {"192.0.2.1", "::1"});
  ConnectOptions options;
  options.family = AddressFamily::ipv6;
  EXPECT_EQ("::1", peer_of(connected_to("host", options)));
}

TEST_F(Connecting, WithoutADescriptorTheErrorNamesTheAddress) {
  kernel_->fail_next("socket", EMFILE);
  const Result result = connected_to("192.0.2.1");
  EXPECT_EQ("socket for 192.0.2.1:80: Too many open files", outcome_of(result));
}

// W-182
TEST_F(Connecting, TheLocalAddressIsBoundFirst) {
  ConnectOptions options;
  options.local_address = address_of("192.0.2.9", 4711);
  const Result result = connected_to("192.0.2.1", options);
  EXPECT_EQ(options.local_address, result.get().transport->sockname());
}

// W-182
TEST_F(Connecting, ALocalAddressThatCannotBeBoundIsNamed) {
  kernel_->fail_next("bind", EADDRNOTAVAIL);
  ConnectOptions options;
  options.local_address = address_of("192.0.2.9", 4711);
  const Result result = connected_to("192.0.2.1", options);
  EXPECT_EQ(std::errc::address_not_available, code_of(result));
  EXPECT_EQ(
      "error while attempting to bind on address 192.0.2.9:4711: "
      "Cannot assign requested address",
      outcome_of(result));
  EXPECT_EQ(own, kernel_->open_descriptors());
}

// W-87
TEST_F(Connecting, CancellingEndsTheAttemptsAndClosesTheirSockets) {
  kernel_->script_resolve("host", {"192.0.2.1", "192.0.2.2"});
  answer("192.0.2.1", never_connects());
  answer("192.0.2.2", never_connects());
  const Result result = connect("host", happy());
  run_for(milliseconds(400));
  EXPECT_EQ(own + 2, kernel_->open_descriptors());
  EXPECT_TRUE(result.cancel());
  EXPECT_EQ(own, kernel_->open_descriptors());
  run_for(seconds(1));
  EXPECT_EQ("", trace());
}

// W-87
TEST_F(Connecting, CancellingWhileTheNameIsLookedUpConnectsToNothing) {
  kernel_->script_resolve("host", {"192.0.2.1"}, seconds(1));
  const Result result = connect("host");
  run_for(milliseconds(500));
  EXPECT_TRUE(result.cancel());
  run_for(seconds(2));
  EXPECT_EQ(0U, kernel_->count_calls("socket"));
}

// W-86
TEST_F(Connecting, WhatTheFactoryThrowsReachesTheFutureAndTheSocketIsClosed) {
  const auto throwing = []() -> std::shared_ptr<RecordingProtocol> {
    throw std::runtime_error("no protocol");
  };
  const auto result = loop_->create_connection(throwing, "192.0.2.1", 80);
  run_for(seconds(1));
  EXPECT_EQ("no protocol", outcome_of(result));
  EXPECT_EQ(own, kernel_->open_descriptors());
}

// W-87
TEST_F(Connecting, AFactoryThatCancelsTheConnectionGetsNone) {
  std::optional<Result> result;
  result = loop_->create_connection(
      [&] {
        EXPECT_TRUE(result->cancel());
        return std::make_shared<RecordingProtocol>(record_);
      },
      "192.0.2.1", 80);
  run_for(seconds(1));
  EXPECT_EQ("cancelled", outcome_of(*result));
  EXPECT_EQ("", trace());
  EXPECT_EQ(own, kernel_->open_descriptors());
  EXPECT_EQ(Texts{}, reports_);
}

// W-86, W-87
TEST_F(Connecting, AFactoryThatCancelsTheConnectionAndThrowsIsCancelledOnly) {
  std::optional<Result> result;
  result = loop_->create_connection(
      [&]() -> std::shared_ptr<RecordingProtocol> {
        EXPECT_TRUE(result->cancel());
        throw std::runtime_error("no protocol");
      },
      "192.0.2.1", 80);
  run_for(seconds(1));
  EXPECT_EQ("cancelled", outcome_of(*result));
  EXPECT_EQ(own, kernel_->open_descriptors());
  EXPECT_EQ(Texts{}, reports_);
}

// W-87
TEST_F(Connecting, CancellingBetweenConnectionMadeAndTheFutureClosesTheTransport) {
  std::optional<Result> result;
  record_->on_connection_made = [&] { loop_->call_soon([&] { EXPECT_TRUE(result->cancel()); }); };
  result = connect("192.0.2.1");
  run_for(seconds(1));
  EXPECT_EQ("cancelled", outcome_of(*result));
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_EQ(own, kernel_->open_descriptors());
}

TEST_F(Connecting, WithoutAThreadToResolveTheFutureFails) {
  kernel_->script_resolve("host", {"192.0.2.1"});
  const testing::NoNewThreads no_threads;
  const Result result = connected_to("host");
  EXPECT_EQ(std::errc::resource_unavailable_try_again, code_of(result));
  EXPECT_EQ(own, kernel_->open_descriptors());
}

// W-170
TEST_F(Connecting, ALoopThatIsClosedMeanwhileClosesTheSockets) {
  answer("192.0.2.1", never_connects());
  const Result result = connect("192.0.2.1");
  turn();
  loop_->close();
  EXPECT_EQ(0U, kernel_->open_descriptors());
  EXPECT_EQ("pending", outcome_of(result));
  EXPECT_TRUE(result.cancel());
}

// W-170
TEST_F(Connecting, ALoopThatIsClosedDuringALookUpForgetsIt) {
  kernel_->script_resolve("host", {"192.0.2.1"}, seconds(1));
  const Result result = connect("host");
  run_for(milliseconds(1));
  loop_.reset();
  EXPECT_EQ("pending", outcome_of(result));
  EXPECT_TRUE(result.cancel());
}

// W-81, W-82
TEST_F(Connecting, TheFutureCompletesOneTurnAfterConnectionMade) {
  Texts order;
  record_->on_connection_made = [&] {
    order.emplace_back("CM");
    loop_->call_soon([&] { order.emplace_back("queued in CM"); });
  };
  record_->on_data_received = [&](Bytes) { order.emplace_back("DR"); };
  const Result result = connect("192.0.2.1");
  result.add_done_callback([&](const Result&) { order.emplace_back("waiting code"); });
  // The first descriptor after the loop's own two.
  kernel_->deliver(102, "x");
  run_for(seconds(1));
  EXPECT_EQ((Texts{"CM", "queued in CM", "DR", "waiting code"}), order);
}

// ---- Unix sockets ----

class ConnectingUnix : public Connecting {
 protected:
  Result connect_unix(const std::string& path) {
    return loop_->create_unix_connection(stream_factory(), path);
  }
};

// W-183
TEST_F(ConnectingUnix, AFullQueueIsTriedAgainALittleLater) {
  kernel_->script_connect(refused(EAGAIN));
  kernel_->script_connect(refused(EAGAIN));
  kernel_->script_connect(connected());
  const Result result = connect_unix("/run/x");
  const TimePoint start = loop_->time();
  result.add_done_callback([this](const Result&) { loop_->stop(); });
  loop_->run_forever();
  EXPECT_EQ("done", outcome_of(result));
  EXPECT_EQ(milliseconds(20), loop_->time() - start);
}

// W-183
TEST_F(ConnectingUnix, AFullQueueThatTurnsOutToBeGoneIsAnError) {
  kernel_->script_connect(refused(EAGAIN));
  kernel_->script_connect(refused(ECONNREFUSED));
  const Result result = connect_unix("/run/x");
  run_for(seconds(1));
  EXPECT_EQ("connect to /run/x: Connection refused", outcome_of(result));
}

// W-87
TEST_F(ConnectingUnix, CancellingWhileTheQueueIsFullEndsTheAttempts) {
  kernel_->script_connect(refused(EAGAIN));
  const Result result = connect_unix("/run/x");
  turn();
  EXPECT_TRUE(result.cancel());
  run_for(seconds(1));
  EXPECT_EQ(1U, kernel_->count_calls("connect"));
  EXPECT_EQ(own, kernel_->open_descriptors());
}

// W-183
TEST_F(ConnectingUnix, APathThatIsTooLongIsRefusedWithTheLimit) {
  const Result result = connect_unix(std::string(108, 'x'));
  const Result empty = connect_unix("");
  turn();
  EXPECT_EQ(std::errc::filename_too_long, code_of(result));
  EXPECT_NE(std::string::npos, outcome_of(result).find("107"));
  EXPECT_EQ(std::errc::invalid_argument, code_of(empty));
  EXPECT_NE(std::string::npos, outcome_of(empty).find("needs a path"));
}

// W-183
TEST_F(ConnectingUnix, AnAbstractNameBeginsWithANulByte) {
  const Result result = connect_unix(std::string("\0name", 5));
  run_for(seconds(1));
  EXPECT_EQ("@name", result.get().transport->peername().value().to_string());
}

// W-183
TEST(ConnectingOfTheSystem, AUnixSocketIsReached) {
  const testing::TempDirectory directory;
  const testing::RawListener listener(directory.file("s"));
  EventLoop loop;
  const auto record = std::make_shared<Recording>();
  const auto connection = loop.run_until_complete(loop.create_unix_connection(
      [&] { return std::make_shared<RecordingProtocol>(record); }, directory.file("s")));
  EXPECT_EQ("CM", record->trace());
  record->release();
}

// W-181
TEST(ConnectingOfTheSystem, ARefusedConnectionNamesItsAddress) {
  std::uint16_t port = 0;
  {
    const testing::RawListener listener;
    port = listener.port();
  }
  EventLoop loop;
  const auto record = std::make_shared<Recording>();
  try {
    loop.run_until_complete(loop.create_connection(
        [&] { return std::make_shared<RecordingProtocol>(record); }, "127.0.0.1", port));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::system_error& error) {
    EXPECT_EQ(std::errc::connection_refused, error.code());
    EXPECT_EQ("connect to 127.0.0.1:" + std::to_string(port) + ": Connection refused",
              std::string(error.what()));
  }
}

}  // namespace
}  // namespace sluice::transports
