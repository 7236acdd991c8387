// Section 3.3 of docs/contract.md: the beginning of a TLS connection that comes to be.
#include <openssl/bio.h>
#include <openssl/pem.h>

#include <filesystem>
#include <iomanip>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

#include "tls/tls_fixture.hpp"

namespace sluice::testing {
namespace {

class TlsHandshakes : public TlsLoop {
 protected:
  static TlsInfo info_of(const std::shared_ptr<Recording>& record) {
    return tls_info(record->transport()).value();
  }
  // A server that says something to each connection: the tickets of TLS 1.3 come before it.
  std::shared_ptr<Server> serve_tickets(const std::shared_ptr<TlsContext>& context) {
    ServerOptions options;
    options.ssl = context;
    const auto factory = [this] {
      served_ = new_record();
      served_->at_birth = [](WriteTransport& transport) { transport.write("tickets come first"); };
      return std::make_shared<RecordingProtocol>(served_);
    };
    return loop().run_until_complete(loop().create_server(factory, "127.0.0.1", 0, options));
  }
  // Connects and closes; "+" when both ends say that a session was resumed.
  std::string visit(const Server& server, const std::shared_ptr<TlsContext>& context) {
    const auto record = new_record();
    loop().run_until_complete(connect(record, server, {.ssl = context}));
    run_until([&] { return !record->received().empty(); });
    const bool reused = info_of(record).session_reused;
    EXPECT_EQ(info_of(served_).session_reused, reused);
    finish({record, served_});
    return reused ? "+" : "-";
  }

  std::shared_ptr<Recording> served_;
};

TEST_F(TlsHandshakes, BytesGoBothWaysInBothVersions) {
  for (const TlsVersion version : {TlsVersion::tls_1_2, TlsVersion::tls_1_3}) {
    const Ends ends = make_ends(version);
    ends.server->on_data_received = [&](Bytes data) { ends.server->transport().write(data); };
    ends.client->transport().write("there and back");
    run_until([&] { return ends.client->received() == "there and back"; });
    EXPECT_EQ(info_of(ends.client).version, version);
    EXPECT_EQ(info_of(ends.server).version, version);
    EXPECT_EQ(info_of(ends.client).cipher, info_of(ends.server).cipher);
    finish(ends);
    EXPECT_EQ(ends.client->trace(), "CM DR CL(ok)");
    EXPECT_EQ(ends.server->trace(), "CM DR ER CL(ok)");
  }
}

// W-118
TEST_F(TlsHandshakes, TheProtocolHearsOfTheConnectionBeforeTheFutureAndAfterTheHandshake) {
  const auto at_server = new_record();
  const auto at_client = new_record();
  const auto server = serve(at_server, serving());
  std::string order;
  bool agreed = false;
  at_client->on_connection_made = [&] {
    order += "CM ";
    agreed = tls_info(at_client->transport()).has_value();
  };
  auto connecting = connect(at_client, *server, {.ssl = trusting()});
  connecting.add_done_callback([&](const auto&) { order += "connected "; });
  run_until([&] { return order.ends_with("connected "); });
  EXPECT_EQ(order, "CM connected ");
  EXPECT_TRUE(agreed);
  at_client->transport().abort();
  run_until([&] { return at_client->lost() && at_server->lost(); });
  server->close();
}

TEST_F(TlsHandshakes, WhatComesInOneBurstWithTheHandshakeIsReceived) {
  const auto at_server = new_record();
  const auto at_client = new_record();
  at_server->on_connection_made = [&] { at_server->transport().write("welcome"); };
  at_client->on_connection_made = [&] { at_client->transport().write("hello"); };
  const auto server = serve(at_server, serving());
  loop().run_until_complete(connect(at_client, *server, {.ssl = trusting()}));
  run_until([&] { return at_server->received() == "hello" && at_client->received() == "welcome"; });
  server->close();
  finish({at_client, at_server});
}

// W-83
TEST_F(TlsHandshakes, ReadingPausedInsideMadeHolds) {
  const auto at_server = new_record();
  const auto at_client = new_record();
  at_server->on_connection_made = [&] { at_server->transport().write("welcome"); };
  at_client->on_connection_made = [&] {
    dynamic_cast<Transport&>(at_client->transport()).pause_reading();
  };
  const auto server = serve(at_server, serving());
  loop().run_until_complete(connect(at_client, *server, {.ssl = trusting()}));
  run_some_turns();
  EXPECT_EQ(at_client->trace(), "CM");
  dynamic_cast<Transport&>(at_client->transport()).resume_reading();
  run_until([&] { return at_client->received() == "welcome"; });
  server->close();
  finish({at_client, at_server});
}

TEST_F(TlsHandshakes, UnixSocketsSpeakItToo) {
  const TempDirectory directory;
  const std::string path = directory.file("socket");
  const auto at_server = new_record();
  const auto at_client = new_record();
  const auto server = loop().run_until_complete(
      loop().create_unix_server(stream_factory(at_server), path, {.ssl = serving()}));
  loop().run_until_complete(loop().create_unix_connection(
      stream_factory(at_client), path, {.ssl = trusting(), .server_hostname = "localhost"}));
  at_client->transport().write("over a path");
  run_until([&] { return at_server->received() == "over a path"; });
  server->close();
  finish({at_client, at_server});
}

TEST_F(TlsHandshakes, TheServerLearnsTheNameThatTheClientAskedFor) {
  const auto at_server = new_record();
  const auto at_client = new_record();
  const auto server = serve(at_server, serving());
  loop().run_until_complete(
      connect(at_client, *server, {.ssl = trusting(), .server_hostname = "localhost"}));
  run_until([&] { return at_server->shared_transport() != nullptr; });
  EXPECT_EQ(info_of(at_server).server_name, "localhost");
  EXPECT_EQ(info_of(at_client).peer_certificate_subject, "CN=localhost");
  EXPECT_EQ(info_of(at_server).peer_certificate_subject, "");
  server->close();
  finish({at_client, at_server});
}

// An address is compared with the certificate, but never asked for (RFC 6066).
TEST_F(TlsHandshakes, AnAddressIsVerifiedWithoutBeingAskedFor) {
  const Ends ends = make_ends();
  EXPECT_EQ(info_of(ends.server).server_name, "");
  finish(ends);
}

TEST_F(TlsHandshakes, TheServersFirstCommonApplicationProtocolIsChosen) {
  const Ends ends = make_ends(serving({.alpn = {"second", "first"}}),
                              trusting({.alpn = {"first", "other", "second"}}));
  EXPECT_EQ(info_of(ends.client).alpn_protocol, "second");
  EXPECT_EQ(info_of(ends.server).alpn_protocol, "second");
  finish(ends);
}

TEST_F(TlsHandshakes, AClientShowsItsCertificateWhenItIsAsked) {
  for (const ClientAuth auth : {ClientAuth::optional, ClientAuth::required}) {
    const Ends ends =
        make_ends(serving({.ca_file = certificates().authority(), .client_auth = auth}),
                  trusting({.certificate_file = certificates().client()}));
    EXPECT_EQ(info_of(ends.server).peer_certificate_subject, "CN=Test Client");
    finish(ends);
  }
}

TEST_F(TlsHandshakes, AClientWithoutACertificateIsServedWhenNoneIsRequired) {
  const Ends ends = make_ends(
      serving({.ca_file = certificates().authority(), .client_auth = ClientAuth::optional}),
      trusting());
  EXPECT_EQ(info_of(ends.server).peer_certificate_subject, "");
  finish(ends);
}

// The name that c_rehash gives to the certificate in `file`.
std::string hashed_name(const std::string& file) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_file(file.c_str(), "r"), BIO_free);
  const Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  std::ostringstream name;
  name << std::hex << std::setw(8) << std::setfill('0') << X509_subject_name_hash(certificate.get())
       << ".0";
  return name.str();
}

TEST_F(TlsHandshakes, AFolderOfCertificatesIsTrusted) {
  const TempDirectory folder;
  const std::string file = folder.file(hashed_name(certificates().authority()));
  std::filesystem::copy_file(certificates().authority(), file);
  TlsOptions options;
  // The folder itself.
  options.ca_path = std::filesystem::path(file).parent_path();
  finish(make_ends(serving(), TlsContext::client(options)));
}

TEST_F(TlsHandshakes, ASessionIsResumedWithTheSameContextInBothVersions) {
  for (const TlsVersion version : {TlsVersion::tls_1_2, TlsVersion::tls_1_3}) {
    const auto server = serve_tickets(serving({.max_version = version}));
    const auto at_client = trusting();
    std::string reused;
    for (int i = 0; i < 3; ++i) {
      reused += visit(*server, at_client);
    }
    EXPECT_EQ(reused, "-++");
    server->close();
  }
}

// Two servers on one host do not know each other's tickets.
TEST_F(TlsHandshakes, ASessionIsOfferedToTheServerThatGaveIt) {
  const auto first = serve_tickets(serving());
  const auto second = serve_tickets(serving());
  const auto at_client = trusting();
  std::string reused;
  for (int i = 0; i < 2; ++i) {
    reused += visit(*first, at_client);
    reused += visit(*second, at_client);
  }
  EXPECT_EQ(reused, "--++");
  first->close();
  second->close();
}

TEST_F(TlsHandshakes, NoSessionIsResumedWhenThatIsSwitchedOff) {
  const auto server = serve_tickets(serving());
  const auto at_client = trusting({.resume_sessions = false});
  EXPECT_EQ(visit(*server, at_client), "-");
  EXPECT_EQ(visit(*server, at_client), "-");
  server->close();
}

TEST_F(TlsHandshakes, ThereIsNoInfoAboutAPlainTransportAndItStaysAfterTheLoss) {
  const Ends ends = make_ends();
  const std::string cipher = info_of(ends.client).cipher;
  finish(ends);
  turn();
  EXPECT_EQ(info_of(ends.client).cipher, cipher);
  const auto plain = new_record();
  FdPair pair = make_socket_pair();
  loop().run_until_complete(
      loop().connect_accepted_socket(stream_factory(plain), std::move(pair.transport)));
  EXPECT_EQ(tls_info(plain->transport()), std::nullopt);
}

// What a call throws at once.
std::string thrown_by(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing";
}

// W-119
TEST_F(TlsHandshakes, SettingsThatMakeNoSenseAreRefusedInAsynciosWords) {
  const auto connecting = [&](ConnectOptions options) {
    return thrown_by([&] {
      static_cast<void>(loop().create_connection(stream_factory(new_record()), "localhost", 1,
                                                 std::move(options)));
    });
  };
  const auto listening = [&](ServerOptions options) {
    return thrown_by([&] {
      static_cast<void>(
          loop().create_server(stream_factory(new_record()), "localhost", 0, std::move(options)));
    });
  };
  const auto client = trusting();
  const auto server = serving();
  EXPECT_EQ(connecting({.ssl = client, .ssl_handshake_timeout = seconds(0)}),
            "ssl_handshake_timeout should be a positive number, got 0.0");
  EXPECT_EQ(connecting({.ssl = client, .ssl_shutdown_timeout = milliseconds(-1500)}),
            "ssl_shutdown_timeout should be a positive number, got -1.5");
  EXPECT_EQ(connecting({.ssl_handshake_timeout = seconds(1)}),
            "ssl_handshake_timeout is only meaningful with ssl");
  EXPECT_EQ(connecting({.ssl_shutdown_timeout = seconds(1)}),
            "ssl_shutdown_timeout is only meaningful with ssl");
  EXPECT_EQ(connecting({.server_hostname = "x"}), "server_hostname is only meaningful with ssl");
  EXPECT_EQ(connecting({.ssl = client, .server_hostname = ""}),
            "check_hostname requires server_hostname");
  for (const auto& context : {client, trusting({.check_hostname = false})}) {
    EXPECT_EQ(connecting({.ssl = context, .server_hostname = std::string("a\0b", 3)}),
              "server_hostname cannot have a NUL byte");
    EXPECT_EQ(
        thrown_by([&] {
          static_cast<void>(loop().create_connection(
              stream_factory(new_record()), std::string("localhost\0b", 11), 1, {.ssl = context}));
        }),
        "server_hostname cannot have a NUL byte");
  }
  EXPECT_EQ(connecting({.ssl = server}), "connecting needs a TlsContext::client, got a server's");
  EXPECT_EQ(listening({.ssl = client}), "accepting needs a TlsContext::server, got a client's");
  EXPECT_EQ(listening({.ssl_handshake_timeout = seconds(1)}),
            "ssl_handshake_timeout is only meaningful with ssl");
  EXPECT_EQ(listening({.ssl = server, .ssl_handshake_timeout = seconds(-1)}),
            "ssl_handshake_timeout should be a positive number, got -1.0");
  EXPECT_EQ(thrown_by([&] {
              static_cast<void>(loop().create_unix_connection(stream_factory(new_record()),
                                                              "/nowhere", {.ssl = client}));
            }),
            "You must set server_hostname when using ssl without a host");
}

}  // namespace
}  // namespace sluice::testing
