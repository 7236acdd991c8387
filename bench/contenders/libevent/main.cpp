// The server on libevent.

#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "common/listening_socket.hpp"
#include "common/tls_channel.hpp"
#include "connection.hpp"
#include "contenders/peer.hpp"
#include "relay.hpp"
#include "workloads.hpp"

namespace bench::libevent {
namespace {

template <auto free>
struct FreeWith {
  template <class T>
  void operator()(T* object) const noexcept {
    free(object);
  }
};
using Base = std::unique_ptr<event_base, FreeWith<event_base_free>>;
using Event = std::unique_ptr<event, FreeWith<event_free>>;
using Listener = std::unique_ptr<evconnlistener, FreeWith<evconnlistener_free>>;

struct Server {
  Base base;
  MakeConnection make;
  // Null: plain.
  TlsContextPointer tls;
  bool is_tcp = true;
  // 0: it is no relay.
  std::uint16_t relay_to = 0;
};

template <class T>
T* require_made(T* object, const char* what) {
  if (object == nullptr) {
    throw std::runtime_error(std::string(what) + " failed");
  }
  return object;
}

void on_client(evconnlistener* /*listener*/, evutil_socket_t socket, sockaddr* /*address*/,
               int /*size*/, void* data) {
  const Server& server = *static_cast<Server*>(data);
  if (server.is_tcp) {
    send_without_delay(socket);
  }
  if (server.relay_to != 0) {
    relay(server.base.get(), socket, server.relay_to);
    return;
  }
  bufferevent* const events =
      server.tls == nullptr
          ? bufferevent_socket_new(server.base.get(), socket, BEV_OPT_CLOSE_ON_FREE)
          : bufferevent_openssl_socket_new(server.base.get(), socket, SSL_new(server.tls.get()),
                                           BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
  Connection::adopt(server.make(), events);
}

template <class Address>
Listener listen_on(Server& server, const Address& address) {
  return Listener(require_made(
      evconnlistener_new_bind(server.base.get(), on_client, &server,
                              LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, listen_backlog,
                              reinterpret_cast<const sockaddr*>(&address), sizeof address),
      "evconnlistener_new_bind"));
}

void on_stdin(evutil_socket_t /*input*/, short /*what*/, void* base) {
  if (stdin_has_ended()) {
    event_base_loopbreak(static_cast<event_base*>(base));
  }
}

void serve(const PeerOptions& options) {
  Server server{.base = Base(require_made(event_base_new(), "event_base_new")),
                .make = options.to != 0 ? MakeConnection() : find_workload(options),
                .relay_to = options.to};
  if (options.workload.starts_with("tls_")) {
    server.tls = tls_server_context(options.certificate, options.key);
  }
  const Event input(event_new(server.base.get(), STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin,
                              server.base.get()));
  event_add(input.get(), nullptr);
  Listener listener;
  if (options.transport == "tcp") {
    listener = listen_on(server, loopback_address(0));
    announce(port_of(evconnlistener_get_fd(listener.get())));
  } else if (options.transport == "unix") {
    unlink(options.path.c_str());
    server.is_tcp = false;
    listener = listen_on(server, unix_address(options.path));
    announce(0);
  } else {
    throw UnknownWorkload(options.workload + " --transport " + options.transport);
  }
  event_base_dispatch(server.base.get());
  if (!server.is_tcp) {
    unlink(options.path.c_str());
  }
}

}  // namespace
}  // namespace bench::libevent

int main(int argc, char** argv) {
  return bench::run_peer(argc, argv, bench::libevent::serve);
}
