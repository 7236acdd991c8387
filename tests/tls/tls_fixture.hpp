#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "contract/real_loop.hpp"
#include "sluice/tls.hpp"
#include "testing/tls/certificates.hpp"
#include "testing/tls/tls_peer.hpp"

namespace sluice::testing {

using Strings = std::vector<std::string>;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// A context that trusts the test authority.
[[nodiscard]] inline std::shared_ptr<TlsContext> trusting(TlsOptions options = TlsOptions()) {
  options.ca_file = certificates().authority();
  return TlsContext::client(options);
}
/// A server's context with the certificate for localhost.
[[nodiscard]] inline std::shared_ptr<TlsContext> serving(TlsOptions options = TlsOptions()) {
  if (options.certificate_file.empty()) {
    options.certificate_file = certificates().server();
  }
  return TlsContext::server(options);
}

/// Both ends of TLS connections on one loop, over TCP.
class TlsLoop : public RealLoop {
 protected:
  /// A server on 127.0.0.1 whose connections feed `record`, one after the other.
  std::shared_ptr<Server> serve(const std::shared_ptr<Recording>& record,
                                const std::shared_ptr<TlsContext>& context) {
    auto server = loop().run_until_complete(
        loop().create_server(stream_factory(record), "127.0.0.1", 0, {.ssl = context}));
    servers_.push_back(server);
    return server;
  }
  Future<Connection<RecordingProtocol>> connect(const std::shared_ptr<Recording>& record,
                                                const Server& server, ConnectOptions options) {
    return loop().create_connection(stream_factory(record), "127.0.0.1",
                                    server.sockets().at(0).port(), std::move(options));
  }
  /// Two transports that speak TLS with each other, after the handshake.
  struct Ends {
    std::shared_ptr<Recording> client;
    std::shared_ptr<Recording> server;
    [[nodiscard]] Transport& client_transport() const {
      return dynamic_cast<Transport&>(client->transport());
    }
    [[nodiscard]] Transport& server_transport() const {
      return dynamic_cast<Transport&>(server->transport());
    }
  };
  Ends make_ends(const std::shared_ptr<TlsContext>& at_server,
                 const std::shared_ptr<TlsContext>& at_client) {
    Ends ends{new_record(), new_record()};
    const auto server = serve(ends.server, at_server);
    loop().run_until_complete(connect(ends.client, *server, {.ssl = at_client}));
    run_until([&] { return ends.server->shared_transport() != nullptr; });
    server->close();
    return ends;
  }
  Ends make_ends(TlsVersion version = TlsVersion::tls_1_3) {
    return make_ends(serving({.max_version = version}), trusting());
  }
  void finish(const Ends& ends) {
    ends.client->transport().close();
    run_until([&] { return ends.client->lost() && ends.server->lost(); });
  }

 private:
  std::vector<std::shared_ptr<Server>> servers_;
};

/// A TLS transport on a scripted kernel, whose clock runs as it is needed, and its peer.
class ScriptedTls : public ScriptedLoop {
 protected:
  /// A transport of the server's kind, after the handshake; the peer takes what it gets only when
  /// it is told to read.
  void open(const TlsPeerOptions& options = TlsPeerOptions(),
            const AcceptOptions& accept = accept_options()) {
    const auto made = begin(options, accept);
    run_until([&] {
      peer_->step();
      return made.done();
    });
    made.get();
    run_until([&] { return peer_->step(); });
  }
  Future<Connection<RecordingProtocol>> begin(const TlsPeerOptions& options = TlsPeerOptions(),
                                              const AcceptOptions& accept = accept_options()) {
    record_ = new_record();
    fd_ = kernel().open_stream(local_);
    auto raw = std::make_unique<ScriptedPeer>(shared_kernel(), fd_);
    raw_ = raw.get();
    peer_ = std::make_unique<TlsPeer>(std::move(raw), options);
    return loop().connect_accepted_socket(stream_factory(record_), Fd(fd_), accept);
  }
  static AcceptOptions accept_options() {
    static const auto context = serving();
    return {.ssl = context};
  }
  void in_turn(std::function<void()> action) {
    loop().call_soon(std::move(action));
    turn();
  }
  /// Lets the loop run, and its clock with it, until the transport is lost.
  void run_until_lost() {
    record_->on_connection_lost = [this](std::error_code) { loop().stop(); };
    if (!record_->lost()) {
      loop().run_forever();
    }
    record_->on_connection_lost = nullptr;
  }
  [[nodiscard]] Recording& record() { return *record_; }
  [[nodiscard]] Transport& transport() { return dynamic_cast<Transport&>(record_->transport()); }
  [[nodiscard]] TlsPeer& peer() { return *peer_; }
  [[nodiscard]] ScriptedPeer& raw() { return *raw_; }
  [[nodiscard]] int fd() const { return fd_; }

  /// The address of the transport's end; by default it has none, like a socket pair.
  SocketAddress local_;

 private:
  std::shared_ptr<Recording> record_;
  std::unique_ptr<TlsPeer> peer_;
  ScriptedPeer* raw_ = nullptr;
  int fd_ = -1;
};

}  // namespace sluice::testing
