// The server on libuv.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>
#include <uv.h>

#include <cstdint>
#include <functional>
#include <string>

#include "common/listening_socket.hpp"
#include "connection.hpp"
#include "contenders/peer.hpp"
#include "relay.hpp"
#include "workloads.hpp"

namespace bench::libuv {
namespace {

union Listener {
  uv_stream_t stream;
  uv_tcp_t tcp;
  uv_pipe_t pipe;
};

std::uint16_t bind_port(uv_loop_t* loop, uv_tcp_t& listener) {
  check(uv_tcp_init(loop, &listener), "uv_tcp_init");
  sockaddr_in address{};
  check(uv_ip4_addr("127.0.0.1", 0, &address), "uv_ip4_addr");
  check(uv_tcp_bind(&listener, reinterpret_cast<sockaddr*>(&address), 0), "uv_tcp_bind");
  int size = sizeof address;
  check(uv_tcp_getsockname(&listener, reinterpret_cast<sockaddr*>(&address), &size),
        "uv_tcp_getsockname");
  return ntohs(address.sin_port);
}

// Takes the next client.
using Accept = std::function<void(uv_stream_t* listener)>;

void on_client(uv_stream_t* listener, int status) {
  if (status >= 0) {
    (*static_cast<Accept*>(listener->data))(listener);
  }
}

void listen(uv_loop_t* loop, Listener& listener, const PeerOptions& options, Accept& accept) {
  std::uint16_t port = 0;
  if (options.transport == "tcp") {
    port = bind_port(loop, listener.tcp);
  } else {
    unlink(options.path.c_str());
    check(uv_pipe_init(loop, &listener.pipe, 0), "uv_pipe_init");
    check(uv_pipe_bind(&listener.pipe, options.path.c_str()), "uv_pipe_bind");
  }
  listener.stream.data = &accept;
  check(uv_listen(&listener.stream, listen_backlog, on_client), "uv_listen");
  announce(port);
}

void on_stdin(uv_poll_t* poll, int /*status*/, int /*events*/) {
  if (stdin_has_ended()) {
    uv_stop(poll->loop);
  }
}

void serve(const PeerOptions& options) {
  MakeConnection make;
  Accept accept = [&](uv_stream_t* of) { accept_relayed(of, options.to); };
  if (options.workload != "relay") {
    make = find_workload(options);
    accept = [&](uv_stream_t* of) { Connection::accept(make(), of); };
  }
  uv_loop_t* const loop = uv_default_loop();
  uv_poll_t watch_stdin{};
  check(uv_poll_init(loop, &watch_stdin, STDIN_FILENO), "standard input");
  check(uv_poll_start(&watch_stdin, UV_READABLE, on_stdin), "standard input");
  Listener listener{};
  if (options.transport == "pipe" && make) {
    announce(0);
    for (const int fifo : open_fifos(options)) {
      Connection::open_pipe(make(), loop, fifo);
    }
  } else if (options.transport == "tcp" || options.transport == "unix") {
    listen(loop, listener, options, accept);
  } else {
    throw UnknownWorkload(options.workload + " --transport " + options.transport);
  }
  uv_run(loop, UV_RUN_DEFAULT);
  if (options.transport == "unix") {
    unlink(options.path.c_str());
  }
}

}  // namespace
}  // namespace bench::libuv

int main(int argc, char** argv) {
  return bench::run_peer(argc, argv, bench::libuv::serve);
}
