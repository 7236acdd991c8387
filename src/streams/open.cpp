// The functions of streams.hpp that open streams.

#include <utility>

#include "sluice/streams.hpp"
#include "sluice/tasks.hpp"
#include "streams/established.hpp"
#include "streams/stream_protocols.hpp"

namespace sluice {
namespace {

using streams::ClientService;
using streams::established;
using streams::ReadPipeProtocol;
using streams::StreamProtocol;
using streams::WritePipeProtocol;

}  // namespace

// What is called and what is awaited are statements of their own below: GCC 12 destroys a lambda's
// captures twice when the lambda is a temporary of an expression that awaits.

Task<StreamPair> open_connection(std::string host, std::uint16_t port, StreamOptions options) {
  detail::TaskContext& task = co_await detail::running_task();
  auto protocol = std::make_shared<StreamProtocol>(task.scheduler(), options.limit);
  auto connecting = task.loop().create_connection([protocol] { return protocol; }, std::move(host),
                                                  port, std::move(options.connect));
  co_await established(std::move(connecting));
  co_return protocol->ends();
}

Task<StreamPair> open_unix_connection(std::string path, StreamOptions options) {
  detail::TaskContext& task = co_await detail::running_task();
  auto protocol = std::make_shared<StreamProtocol>(task.scheduler(), options.limit);
  auto connecting = task.loop().create_unix_connection([protocol] { return protocol; },
                                                       std::move(path), std::move(options.connect));
  co_await established(std::move(connecting));
  co_return protocol->ends();
}

Task<StreamWriter> open_write_pipe(Fd pipe) {
  detail::TaskContext& task = co_await detail::running_task();
  auto protocol = std::make_shared<WritePipeProtocol>(task.scheduler());
  auto connecting =
      task.loop().connect_write_pipe([protocol] { return protocol; }, std::move(pipe));
  co_await established(std::move(connecting));
  co_return protocol->writer();
}

Task<ReadPipeStream> open_read_pipe(Fd pipe, std::size_t limit) {
  EventLoop& loop = co_await get_running_loop();
  auto protocol = std::make_shared<ReadPipeProtocol>(limit);
  auto connecting = loop.connect_read_pipe([protocol] { return protocol; }, std::move(pipe));
  auto connection = co_await established(std::move(connecting));
  co_return ReadPipeStream{protocol->reader(), std::move(connection.transport)};
}

namespace detail {
namespace {

// Makes the protocol of each connection.
auto client_factory(TaskContext& task, ClientConnected client_connected, std::size_t limit) {
  auto service =
      std::make_shared<ClientService>(ClientService{&task.loop(), std::move(client_connected)});
  return [service = std::move(service), scheduler = task.scheduler(), limit] {
    auto protocol = std::make_shared<StreamProtocol>(scheduler, limit);
    protocol->serve(service);
    return protocol;
  };
}

}  // namespace

Task<std::shared_ptr<Server>> start_tcp_server(ClientConnected client_connected, std::string host,
                                               std::uint16_t port, StreamServerOptions options) {
  TaskContext& task = co_await running_task();
  auto factory = client_factory(task, std::move(client_connected), options.limit);
  auto opening = task.loop().create_server(std::move(factory), std::move(host), port,
                                           std::move(options.server));
  co_return co_await established(std::move(opening));
}

Task<std::shared_ptr<Server>> start_unix_stream_server(ClientConnected client_connected,
                                                       std::string path,
                                                       StreamServerOptions options) {
  TaskContext& task = co_await running_task();
  auto factory = client_factory(task, std::move(client_connected), options.limit);
  auto opening = task.loop().create_unix_server(std::move(factory), std::move(path),
                                                std::move(options.server));
  co_return co_await established(std::move(opening));
}

}  // namespace detail
}  // namespace sluice
