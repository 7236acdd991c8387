#include "streams/stream_protocols.hpp"

#include <utility>

#include "sluice/error.hpp"
#include "sluice/tasks.hpp"

namespace sluice::streams {
namespace {

// One connection of a server, from its beginning to the end of the callback (W-209).
Task<> serve_client(std::shared_ptr<ClientService> service, StreamReader reader,
                    StreamWriter writer) {
  std::exception_ptr failure;
  try {
    // Copies: the stream is closed below before its last writer is dropped.
    co_await service->client_connected(reader, writer);
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) {
    co_return;
  }
  const bool cancelled = detail::is_cancellation(failure);
  if (!cancelled) {
    service->loop->call_exception_handler(
        {"Unhandled exception in client_connected_cb", failure, writer.transport().get()});
  }
  writer.close();
  if (cancelled) {
    std::rethrow_exception(failure);
  }
}

}  // namespace

StreamProtocol::StreamProtocol(const std::shared_ptr<detail::Scheduler>& scheduler,
                               std::size_t limit)
    : input_(limit), output_(scheduler, &input_) {}

StreamPair StreamProtocol::ends() {
  const std::shared_ptr<StreamProtocol> self = shared_from_this();
  return {StreamReader({self, &input_}), StreamWriter({self, &output_})};
}

void StreamProtocol::connection_made(std::shared_ptr<Transport> transport) {
  input_.set_transport(transport);
  output_.set_transport(std::move(transport));
  if (const std::shared_ptr<ClientService> service = std::exchange(service_, nullptr)) {
    auto [reader, writer] = ends();
    service->loop->create_task(serve_client(service, std::move(reader), std::move(writer)));
  }
}

void StreamProtocol::data_received(Bytes data) {
  input_.feed_data(data);
}

bool StreamProtocol::eof_received() {
  input_.feed_eof();
  return output_.transport()->can_write_eof();
}

void StreamProtocol::connection_lost(std::error_code error) {
  // Who reads is told before anybody else (W-208).
  input_.connection_lost(error);
  output_.connection_lost(error);
}

WritePipeProtocol::WritePipeProtocol(const std::shared_ptr<detail::Scheduler>& scheduler)
    : output_(std::make_shared<StreamOutput>(scheduler, nullptr)) {}

void WritePipeProtocol::connection_made(std::shared_ptr<WriteTransport> transport) {
  output_->set_transport(std::move(transport));
}

void ReadPipeProtocol::connection_made(std::shared_ptr<ReadTransport> transport) {
  input_->set_transport(transport);
}

void ReadPipeProtocol::data_received(Bytes data) {
  input_->feed_data(data);
}

bool ReadPipeProtocol::eof_received() {
  input_->feed_eof();
  return false;
}

void ReadPipeProtocol::connection_lost(std::error_code error) {
  input_->connection_lost(error);
}

}  // namespace sluice::streams
