#include "stream_opener.hpp"

#include <exception>
#include <utility>

#include "console.hpp"
#include "errors.hpp"
#include "reason.hpp"
#include "socket_probe.hpp"
#include "text.hpp"
#include "tls_setup.hpp"

namespace sluice::cli {

// The first protocol of every connection: it decides whether the connection is wanted.
class StreamOpener::Gate final : public Protocol {
 public:
  explicit Gate(StreamOpener& opener) : opener_(opener) {}
  void connection_made(std::shared_ptr<Transport> transport) override { opener_.take(transport); }

 private:
  StreamOpener& opener_;
};

StreamOpener::StreamOpener(EventLoop& loop, Endpoint endpoint, OnStream on_stream,
                           OnFailure on_failure)
    : loop_(loop),
      endpoint_(std::move(endpoint)),
      tls_(make_tls_context(endpoint_)),
      on_stream_(std::move(on_stream)),
      on_failure_(std::move(on_failure)) {}

void StreamOpener::open() {
  state_ = State::opening;
  if (endpoint_.listens()) {
    listen();
  } else {
    connect();
  }
}

void StreamOpener::close() {
  state_ = State::ended;
  if (cancel_) {
    std::exchange(cancel_, nullptr)();
  }
  if (server_) {
    server_->close();
  }
}

void StreamOpener::connect() {
  const auto factory = [this] { return std::make_shared<Gate>(*this); };
  Future<Connection<Gate>> future = [&] {
    if (endpoint_.is_tcp()) {
      ConnectOptions options;
      options.happy_eyeballs_delay = next_address_after;
      use_tls(options, tls_, tls_farewell_time);
      return loop_.create_connection(factory, endpoint_.host, endpoint_.port, options);
    }
    return loop_.create_unix_connection(factory, endpoint_.path);
  }();
  cancel_ = [future] { future.cancel(); };
  future.add_done_callback([this](const Future<Connection<Gate>>& done) {
    if (!done.cancelled() && done.exception()) {
      fail("connect to", done.exception());
    }
  });
}

void StreamOpener::listen() {
  if (endpoint_.kind == EndpointKind::unix_listen && somebody_listens(endpoint_.path)) {
    loop_.call_soon(
        [this] { fail("listen on", std::make_exception_ptr(RunError(socket_in_use))); });
    return;
  }
  const auto factory = [this] { return std::make_shared<Gate>(*this); };
  ServerOptions options;
  options.start_serving = false;
  Future<std::shared_ptr<Server>> future = [&] {
    if (endpoint_.is_tcp()) {
      return loop_.create_server(factory, endpoint_.host, endpoint_.port, options);
    }
    return loop_.create_unix_server(factory, endpoint_.path, options);
  }();
  cancel_ = [future] { future.cancel(); };
  future.add_done_callback([this](const Future<std::shared_ptr<Server>>& done) {
    if (done.cancelled()) return;
    if (done.exception()) {
      fail("listen on", done.exception());
    } else {
      serve_first(done.get());
    }
  });
}

void StreamOpener::serve_first(std::shared_ptr<Server> server) {
  server_ = std::move(server);
  if (state_ == State::ended) {
    server_->close();
    return;
  }
  try {
    server_->start_serving();
  } catch (const std::exception&) {
    fail("listen on", std::current_exception());
    return;
  }
  // Only now, because whoever reads it may connect at once.
  for (const SocketAddress& address : server_->sockets()) {
    write_all(StandardStream::error,
              "listening on " + printable(url_of(address, endpoint_)) + "\n");
  }
}

void StreamOpener::take(const std::shared_ptr<Transport>& transport) {
  if (state_ != State::opening) {
    transport->abort();
    return;
  }
  if (server_) {
    server_->close();
  }
  if (tls_ && endpoint_.listens()) {
    secure(transport);
    return;
  }
  state_ = State::ended;
  on_stream_(transport);
}

// The first connection is the one, also when it turns out not to speak TLS: who connects by mistake
// is told of, not passed over.
void StreamOpener::secure(const std::shared_ptr<Transport>& transport) {
  state_ = State::securing;
  transport->pause_reading();
  StartTlsOptions options;
  options.ssl_handshake_timeout = tls_handshake_time;
  options.ssl_shutdown_timeout = tls_farewell_time;
  const auto future = loop_.start_tls(transport, transport->get_protocol(), tls_, options);
  cancel_ = [future] { future.cancel(); };
  future.add_done_callback([this](const Future<std::shared_ptr<Transport>>& done) {
    if (done.cancelled()) return;
    if (done.exception()) {
      fail("accept on", done.exception());
    } else if (state_ == State::securing) {
      state_ = State::ended;
      on_stream_(done.get());
    }
  });
}

void StreamOpener::fail(const std::string& attempt, std::exception_ptr reason) {
  if (state_ == State::ended) {
    return;
  }
  state_ = State::ended;
  on_failure_("cannot " + attempt + " " + endpoint_.name + ": " + reason_beside(endpoint_, reason));
}

}  // namespace sluice::cli
