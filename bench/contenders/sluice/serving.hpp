#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <sluice/sluice.hpp>
#include <utility>

namespace bench {

/// Starts to listen on 127.0.0.1 and `port`, in `loop`; with the options that it is given.
using Listen = std::function<std::shared_ptr<sluice::Server>(
    sluice::EventLoop& loop, std::uint16_t port, sluice::ServerOptions options)>;

/// Serves on a free port until standard input ends; each thread has a loop and a listening socket
/// of its own, the port is one.
void serve_tcp(const Listen& listen, std::size_t threads = 1);

/// serve_tcp of a protocol for each connection.
template <class Factory>
void serve_protocol(Factory factory, std::size_t threads = 1) {
  serve_tcp(
      [factory](sluice::EventLoop& loop, std::uint16_t port, sluice::ServerOptions options) {
        return loop.run_until_complete(
            loop.create_server(factory, "127.0.0.1", port, std::move(options)));
      },
      threads);
}

/// serve_tcp of a coroutine for each connection.
template <class Coroutine>
void serve_coroutine(Coroutine coroutine, std::size_t threads = 1) {
  serve_tcp(
      [coroutine](sluice::EventLoop& loop, std::uint16_t port, sluice::ServerOptions options) {
        return loop.run_until_complete(
            sluice::start_server(coroutine, "127.0.0.1", port,
                                 sluice::StreamServerOptions{.server = std::move(options)}));
      },
      threads);
}

/// Runs `loop` until standard input ends.
void run_until_end_of_input(sluice::EventLoop& loop);

}  // namespace bench
