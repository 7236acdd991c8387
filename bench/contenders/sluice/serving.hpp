#pragma once

#include <cstddef>
#include <memory>
#include <sluice/sluice.hpp>
#include <utility>

#include "common/listening_socket.hpp"

namespace bench {

/// Listens as every contender does.
[[nodiscard]] sluice::ServerOptions server_options();

/// Stops `loop`, and with it its group, when standard input ends.
void stop_at_end_of_input(sluice::EventLoop& loop);

/// Serves a protocol on a free port until standard input ends, in a loop of the caller's.
template <class Factory>
void serve_in(sluice::EventLoop& loop, Factory factory,
              sluice::ServerOptions options = server_options()) {
  const auto server =
      loop.run_until_complete(loop.create_server(factory, "127.0.0.1", 0, std::move(options)));
  stop_at_end_of_input(loop);
  announce(server->sockets().front().port());
  loop.run_forever();
}

/// The same in a loop of its own.
template <class Factory>
void serve_protocol(Factory factory) {
  sluice::EventLoop loop;
  serve_in(loop, factory);
}

/// The same on several threads, with a loop each.
template <class Factory>
void serve_protocol(Factory factory, std::size_t threads) {
  if (threads == 1) {
    serve_protocol(factory);
    return;
  }
  sluice::LoopGroup group(threads);
  stop_at_end_of_input(group.loop(0));
  const auto server =
      group.run_until_complete(group.create_server(factory, "127.0.0.1", 0, server_options()));
  announce(server->sockets().front().port());
  group.run_forever();
}

/// The same of a coroutine for each connection, on one thread.
template <class Coroutine>
void serve_coroutine(Coroutine coroutine) {
  sluice::EventLoop loop;
  const auto server = loop.run_until_complete(
      sluice::start_server(coroutine, "127.0.0.1", 0, {.server = server_options()}));
  stop_at_end_of_input(loop);
  announce(server->sockets().front().port());
  loop.run_forever();
}

}  // namespace bench
