// Section 3.3 of docs/contract.md: handshakes that fail. The protocol hears nothing, the Future
// says why in words, and no descriptor is left.
#include <algorithm>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>

#include "tls/tls_fixture.hpp"

namespace sluice::testing {
namespace {

class TlsFailures : public TlsLoop {
 protected:
  // A client that must fail, against a server of ours.
  std::system_error client_failure(const std::shared_ptr<TlsContext>& at_server,
                                   const std::shared_ptr<TlsContext>& at_client,
                                   std::optional<std::string> host = {}) {
    const auto served = new_record();
    const auto server = serve(served, at_server);
    const auto record = new_record();
    const std::system_error error = failure_of(
        connect(record, *server, {.ssl = at_client, .server_hostname = std::move(host)}));
    EXPECT_EQ(record->trace(), "");
    run_until([&] { return server->connection_count() == 0; });
    EXPECT_EQ(served->trace(), "");
    server->close();
    return error;
  }
  // A client that must fail, against what `act` makes of the other end of the connection.
  std::system_error failure_against(const std::function<void(FdPeer&)>& act) {
    const RawListener listener;
    const auto record = new_record();
    auto connecting = loop().create_connection(stream_factory(record), "127.0.0.1", listener.port(),
                                               {.ssl = trusting()});
    turn();
    FdPeer peer(listener.accept());
    act(peer);
    const std::system_error error = failure_of(connecting);
    EXPECT_EQ(record->trace(), "");
    return error;
  }
  static bool says(const std::system_error& error, const std::string& text) {
    return std::string(error.what()).find(text) != std::string::npos;
  }
};

TEST_F(TlsFailures, AnExpiredCertificateIsNamedWithSubjectAndDate) {
  const auto error =
      client_failure(serving({.certificate_file = certificates().expired()}), trusting());
  EXPECT_EQ(error.code(), TlsErrc::certificate_expired);
  EXPECT_TRUE(says(error, "TLS handshake with 127.0.0.1")) << error.what();
  EXPECT_TRUE(says(error, "subject CN=localhost, not after ")) << error.what();
  EXPECT_TRUE(says(error, "has expired")) << error.what();
}

TEST_F(TlsFailures, ACertificateFromTheFutureIsNamedWithItsDate) {
  const auto error =
      client_failure(serving({.certificate_file = certificates().future()}), trusting());
  EXPECT_EQ(error.code(), TlsErrc::certificate_not_yet_valid);
  EXPECT_TRUE(says(error, "not before ")) << error.what();
}

TEST_F(TlsFailures, ASelfSignedCertificateIsRefused) {
  const auto error =
      client_failure(serving({.certificate_file = certificates().self_signed()}), trusting());
  EXPECT_EQ(error.code(), TlsErrc::certificate_self_signed);
  EXPECT_TRUE(says(error, "subject CN=localhost")) << error.what();
}

TEST_F(TlsFailures, ACertificateOfAnUnknownIssuerIsRefusedAndTheIssuerNamed) {
  const auto error =
      client_failure(serving(), TlsContext::client({.ca_file = certificates().other_authority()}));
  EXPECT_EQ(error.code(), TlsErrc::issuer_unknown);
  EXPECT_TRUE(says(error, "issuer CN=Sluice Test Authority")) << error.what();
}

TEST_F(TlsFailures, TheSystemsStoreIsTheDefaultAndDoesNotKnowTheTestAuthority) {
  EXPECT_EQ(client_failure(serving(), TlsContext::client()).code(), TlsErrc::issuer_unknown);
}

TEST_F(TlsFailures, AFolderWithoutTheIssuerDoesNotHelp) {
  const TempDirectory folder;
  TlsOptions options;
  options.ca_path = std::filesystem::path(folder.file("none")).parent_path();
  EXPECT_EQ(client_failure(serving(), TlsContext::client(options)).code(), TlsErrc::issuer_unknown);
}

TEST_F(TlsFailures, ACertificateForAnotherHostIsRefusedAndBothNamesAreSaid) {
  const auto error =
      client_failure(serving({.certificate_file = certificates().other_host()}), trusting());
  EXPECT_EQ(error.code(), TlsErrc::host_name_mismatch);
  EXPECT_TRUE(says(error, "subject CN=example.org")) << error.what();
  EXPECT_TRUE(says(error, "wanted 127.0.0.1")) << error.what();
}

TEST_F(TlsFailures, AHostNameThatTheCertificateDoesNotHaveIsRefused) {
  const auto error = client_failure(serving(), trusting(), "example.org");
  EXPECT_EQ(error.code(), TlsErrc::host_name_mismatch);
  EXPECT_TRUE(says(error, "wanted example.org")) << error.what();
}

TEST_F(TlsFailures, WithoutVerificationAllOfTheseAreAccepted) {
  for (const std::string& file :
       {certificates().expired(), certificates().self_signed(), certificates().other_host()}) {
    finish(make_ends(serving({.certificate_file = file}), TlsContext::client({.verify = false})));
  }
}

TEST_F(TlsFailures, WithoutTheHostCheckOnlyTheNameMayBeWrong) {
  const auto lenient = trusting({.check_hostname = false});
  finish(make_ends(serving({.certificate_file = certificates().other_host()}), lenient));
  EXPECT_EQ(client_failure(serving({.certificate_file = certificates().expired()}), lenient).code(),
            TlsErrc::certificate_expired);
}

TEST_F(TlsFailures, VersionsThatDoNotMeetAreToldToBothEnds) {
  const auto error = client_failure(serving({.min_version = TlsVersion::tls_1_3}),
                                    trusting({.max_version = TlsVersion::tls_1_2}));
  EXPECT_EQ(error.code(), TlsErrc::peer_refused);
  EXPECT_TRUE(says(error, "protocol version")) << error.what();
}

TEST_F(TlsFailures, ApplicationProtocolsThatDoNotMeetEndTheHandshake) {
  const auto error = client_failure(serving({.alpn = {"h2"}}), trusting({.alpn = {"other"}}));
  EXPECT_EQ(error.code(), TlsErrc::peer_refused);
  EXPECT_TRUE(says(error, "no application protocol")) << error.what();
}

TEST_F(TlsFailures, AClientWithoutTheCertificateThatIsRequiredIsRefused) {
  const auto error = client_failure(serving({.ca_file = certificates().authority(),
                                             .client_auth = ClientAuth::required,
                                             .max_version = TlsVersion::tls_1_2}),
                                    trusting());
  EXPECT_EQ(error.code(), TlsErrc::peer_refused);
}

TEST_F(TlsFailures, ACertificateThatNeedNotBeShownMustBeGoodIfItIs) {
  for (const ClientAuth auth : {ClientAuth::optional, ClientAuth::required}) {
    const auto error = client_failure(serving({.ca_file = certificates().authority(),
                                               .client_auth = auth,
                                               .max_version = TlsVersion::tls_1_2}),
                                      trusting({.certificate_file = certificates().self_signed()}));
    EXPECT_EQ(error.code(), TlsErrc::peer_refused);
  }
}

// With TLS 1.3 the client is done before the server has looked at its certificate.
TEST_F(TlsFailures, WithTls13ARefusedClientLosesAConnectionThatWasMade) {
  const auto served = new_record();
  const auto server =
      serve(served,
            serving({.ca_file = certificates().authority(), .client_auth = ClientAuth::required}));
  const auto record = new_record();
  loop().run_until_complete(connect(record, *server, {.ssl = trusting()}));
  run_until([&] { return record->lost() && server->connection_count() == 0; });
  EXPECT_EQ(record->calls().back().error, TlsErrc::peer_refused) << record->trace();
  EXPECT_EQ(served->trace(), "");
  server->close();
}

TEST_F(TlsFailures, AServerThatSpeaksPlainTextIsToldFromOneThatSpeaksTls) {
  const auto error =
      failure_against([](FdPeer& peer) { peer.send("220 mail.example.org ESMTP\n"); });
  EXPECT_EQ(error.code(), TlsErrc::peer_not_tls);
  EXPECT_TRUE(says(error, "does not speak TLS")) << error.what();
}

TEST_F(TlsFailures, APlainClientOfATlsServerIsLoggedAsThat) {
  std::string log;
  LoopOptions options;
  options.log = [&](LogLevel, std::string_view text) { log += std::string(text) + "\n"; };
  EventLoop own(std::move(options));
  const auto served = new_record();
  const auto server = own.run_until_complete(
      own.create_server(stream_factory(served), "127.0.0.1", 0, {.ssl = serving()}));
  FdPeer peer(raw_connect(server->sockets().at(0).port()));
  peer.send("GET / HTTP/1.0\r\n\r\n");
  peer.start_reading();
  while (!peer.at_end()) {
    own.stop();
    own.run_forever();
    peer.pump();
  }
  EXPECT_NE(log.find("does not speak TLS"), std::string::npos) << log;
  EXPECT_NE(log.find("127.0.0.1"), std::string::npos) << log;
  EXPECT_EQ(served->trace(), "");
  EXPECT_TRUE(server->is_serving());
}

// W-118
TEST_F(TlsFailures, APeerThatClosesDuringTheHandshakeIsAConnectionReset) {
  const auto error = failure_against([](FdPeer& peer) { peer.send_eof(); });
  EXPECT_EQ(error.code(), TlsErrc::closed_in_handshake);
  EXPECT_EQ(error.code(), std::errc::connection_reset);
}

TEST_F(TlsFailures, APeerThatResetsDuringTheHandshakeIsToldAsTheSystemTellsIt) {
  const auto error = failure_against([](FdPeer& peer) { peer.reset(); });
  EXPECT_EQ(error.code(), std::errc::connection_reset);
}

TEST_F(TlsFailures, ADamagedRecordEndsTheHandshake) {
  const auto error =
      failure_against([](FdPeer& peer) { peer.send(std::string("\x16\x03\x03\x00\x04nope", 9)); });
  EXPECT_EQ(error.code(), TlsErrc::protocol_violated);
}

// W-122
TEST_F(TlsFailures, CancellingDuringTheHandshakeClosesTheSocket) {
  const RawListener listener;
  const auto record = new_record();
  auto connecting = loop().create_connection(stream_factory(record), "127.0.0.1", listener.port(),
                                             {.ssl = trusting()});
  turn();
  FdPeer peer(listener.accept());
  peer.start_reading();
  run_until([&] {
    peer.pump();
    return !peer.received().empty();
  });
  EXPECT_TRUE(connecting.cancel());
  run_until([&] {
    peer.pump();
    return peer.at_end();
  });
  EXPECT_EQ(record->trace(), "");
}

TEST_F(TlsFailures, AServersClientsCanBeClosedDuringTheHandshake) {
  for (const bool abort : {false, true}) {
    const auto record = new_record();
    const auto server = serve(record, serving());
    FdPeer peer(raw_connect(server->sockets().at(0).port()));
    run_until([&] { return server->connection_count() == 1; });
    abort ? server->abort_clients() : server->close_clients();
    server->close();
    loop().run_until_complete(server->wait_closed());
    EXPECT_EQ(record->trace(), "");
  }
}

TEST_F(TlsFailures, AServerWithoutMemoryToCloseItsClientsStillKnowsThemAll) {
  std::vector<std::shared_ptr<Recording>> served;
  const auto server = loop().run_until_complete(
      loop().create_server([&] { return stream_factory(served.emplace_back(new_record()))(); },
                           "127.0.0.1", 0, {.ssl = serving()}));
  // More than the timers for which the loop has memory left over.
  constexpr std::size_t count = 8;
  std::vector<std::shared_ptr<Recording>> clients;
  while (clients.size() < count) {
    clients.push_back(new_record());
    loop().run_until_complete(connect(clients.back(), *server, {.ssl = trusting()}));
  }
  run_until([&] {
    return served.size() == count && std::ranges::all_of(served, [](const auto& record) {
             return record->shared_transport() != nullptr;
           });
  });
  {
    const FailingAllocation failing(1);
    EXPECT_THROW(server->close_clients(), std::bad_alloc);
  }
  server->abort_clients();
  run_until([&] { return server->connection_count() == 0; });
  for (const auto& record : served) {
    EXPECT_TRUE(record->lost());
  }
  run_until([&] {
    return std::ranges::all_of(clients, [](const auto& record) { return record->lost(); });
  });
}

TEST_F(TlsFailures, ALoopThatClosesDuringAHandshakeLeavesNothing) {
  const RawListener listener;
  auto own = std::make_unique<EventLoop>();
  const auto record = new_record();
  auto connecting = own->create_connection(stream_factory(record), "127.0.0.1", listener.port(),
                                           {.ssl = trusting()});
  const Fd peer = listener.accept();
  for (int i = 0; i < 5; ++i) {
    own->stop();
    own->run_forever();
  }
  own.reset();
  EXPECT_FALSE(connecting.done());
  EXPECT_EQ(record->trace(), "");
}

class TlsTimes : public ScriptedTls {};

// W-118
TEST_F(TlsTimes, AHandshakeThatTakesTooLongIsAborted) {
  AcceptOptions options = accept_options();
  options.ssl_handshake_timeout = milliseconds(2500);
  const TimePoint before = loop().time();
  auto made = begin({}, options);
  std::string what;
  std::error_code code;
  try {
    loop().run_until_complete(made);
  } catch (const std::system_error& error) {
    what = error.what();
    code = error.code();
  }
  EXPECT_EQ(code, TlsErrc::handshake_timed_out);
  EXPECT_EQ(code, std::errc::connection_aborted);
  EXPECT_NE(what.find("SSL handshake is taking longer than 2.5 seconds: aborting the connection"),
            std::string::npos)
      << what;
  EXPECT_EQ(loop().time() - before, milliseconds(2500));
  turn();
  EXPECT_FALSE(kernel().is_open(fd()));
  EXPECT_EQ(record().trace(), "");
}

TEST_F(TlsTimes, TheHandshakeMayTake60SecondsByDefault) {
  const TimePoint before = loop().time();
  auto made = begin();
  EXPECT_THROW(loop().run_until_complete(made), std::system_error);
  EXPECT_EQ(loop().time() - before, seconds(60));
  turn();
}

TEST_F(TlsTimes, AHandshakeInSingleBytesSucceeds) {
  auto made = begin();
  run_until([&] {
    kernel().set_room(fd(), 1);
    peer().step();
    return made.done();
  });
  made.get();
  kernel().set_room(fd(), ScriptedKernel::no_limit);
  transport().write("arrives");
  peer().start_reading();
  run_until([&] {
    peer().pump();
    return peer().received() == "arrives";
  });
}

TEST_F(TlsTimes, AWriteThatFailsDuringTheHandshakeFailsIt) {
  auto made = begin();
  run_some_turns();
  kernel().fail_writes(fd(), EPIPE);
  peer().step();
  EXPECT_EQ(failure_of(made).code(), std::errc::broken_pipe);
  EXPECT_EQ(record().trace(), "");
}

}  // namespace
}  // namespace sluice::testing
