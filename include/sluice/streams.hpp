#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "sluice/detail/unique_function.hpp"
#include "sluice/event_loop.hpp"
#include "sluice/fd.hpp"
#include "sluice/options.hpp"
#include "sluice/server.hpp"
#include "sluice/stream_reader.hpp"
#include "sluice/stream_writer.hpp"
#include "sluice/task.hpp"

namespace sluice {

/// Both ends of a connection, for structured bindings.
struct StreamPair {
  StreamReader reader;
  StreamWriter writer;
};
/// The receiving end of a pipe; closing the transport ends it.
struct ReadPipeStream {
  StreamReader reader;
  std::shared_ptr<ReadTransport> transport;
};

/// How a stream is opened.
struct StreamOptions {
  /// See default_stream_limit.
  std::size_t limit = default_stream_limit;
  ConnectOptions connect{};
};
/// How a server of streams is opened; `limit` is for each connection.
struct StreamServerOptions {
  std::size_t limit = default_stream_limit;
  ServerOptions server{};
};

namespace detail {
using ClientConnected = UniqueFunction<Task<>(StreamReader, StreamWriter)>;

/// A client_connected_cb that is no coroutine is called all the same.
template <class Callback>
ClientConnected client_connected(Callback&& callback) {
  using Result = std::invoke_result_t<std::decay_t<Callback>&, StreamReader, StreamWriter>;
  if constexpr (std::is_same_v<Result, Task<>>) {
    return ClientConnected(std::forward<Callback>(callback));
  } else {
    static_assert(std::is_void_v<Result>, "client_connected_cb returns Task<> or nothing");
    // Not a coroutine itself: the callback is called at once.
    return [callback = std::forward<Callback>(callback)](StreamReader reader,
                                                         StreamWriter writer) mutable -> Task<> {
      callback(std::move(reader), std::move(writer));
      return []() -> Task<> { co_return; }();
    };
  }
}

Task<std::shared_ptr<Server>> start_tcp_server(ClientConnected client_connected, std::string host,
                                               std::uint16_t port, StreamServerOptions options);
Task<std::shared_ptr<Server>> start_unix_stream_server(ClientConnected client_connected,
                                                       std::string path,
                                                       StreamServerOptions options);
}  // namespace detail

/// Connects, as EventLoop::create_connection: `auto [reader, writer] = co_await
/// open_connection(host, port)`. Throws std::system_error that says which address refused what. A
/// cancellation ends the attempt. asyncio: open_connection.
[[nodiscard]] Task<StreamPair> open_connection(std::string host, std::uint16_t port,
                                               StreamOptions options = StreamOptions());
/// The same for a Unix socket. asyncio: open_unix_connection.
[[nodiscard]] Task<StreamPair> open_unix_connection(std::string path,
                                                    StreamOptions options = StreamOptions());

/// Listens, as EventLoop::create_server, and calls `client_connected_cb(StreamReader,
/// StreamWriter)` for each connection. It is a coroutine, Task<>, which runs as a task of the loop
/// and may go on after the server was closed, or a plain function. It is kept until the server is
/// gone and the last of its tasks has ended. What it throws goes to the exception handler, and the
/// connection is closed (W-209). asyncio: start_server.
template <class Callback>
[[nodiscard]] Task<std::shared_ptr<Server>> start_server(
    Callback&& client_connected_cb, std::string host, std::uint16_t port,
    StreamServerOptions options = StreamServerOptions()) {
  return detail::start_tcp_server(
      detail::client_connected(std::forward<Callback>(client_connected_cb)), std::move(host), port,
      std::move(options));
}
/// The same on a Unix socket. asyncio: start_unix_server.
template <class Callback>
[[nodiscard]] Task<std::shared_ptr<Server>> start_unix_server(
    Callback&& client_connected_cb, std::string path,
    StreamServerOptions options = StreamServerOptions()) {
  return detail::start_unix_stream_server(
      detail::client_connected(std::forward<Callback>(client_connected_cb)), std::move(path),
      std::move(options));
}

/// The writing end of a pipe as a stream; owns `pipe`, as EventLoop::connect_write_pipe. asyncio
/// has no such function: its users combine connect_write_pipe with a private class.
[[nodiscard]] Task<StreamWriter> open_write_pipe(Fd pipe);
/// The reading end of a pipe as a stream; owns `pipe`, as EventLoop::connect_read_pipe.
[[nodiscard]] Task<ReadPipeStream> open_read_pipe(Fd pipe,
                                                  std::size_t limit = default_stream_limit);

}  // namespace sluice
