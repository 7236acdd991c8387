#include "streams/stream_protocols.hpp"

#include <utility>

#include "sluice/error.hpp"
#include "sluice/tasks.hpp"

namespace sluice::streams {
namespace {

// Who reads is told before anybody else (W-208).
void end_input(StreamInput& input, std::error_code error) {
  if (error) {
    input.set_exception(std::make_exception_ptr(
        std::system_error(error, "read from a stream whose connection was lost")));
  } else {
    input.feed_eof();
  }
}

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
    : input_(std::make_shared<StreamInput>(limit)),
      output_(std::make_shared<StreamOutput>(scheduler, input_)) {}

StreamPair StreamProtocol::ends() {
  return {StreamReader(input_), StreamWriter(output_)};
}

void StreamProtocol::replace_transport(std::shared_ptr<Transport> transport, AtEof at_eof) {
  at_eof_ = at_eof;
  input_->set_transport(transport);
  output_->set_transport(std::move(transport));
}

void StreamProtocol::connection_made(std::shared_ptr<Transport> transport) {
  replace_transport(std::move(transport), AtEof::stay_open);
  if (const std::shared_ptr<ClientService> service = std::exchange(service_, nullptr)) {
    auto [reader, writer] = ends();
    service->loop->create_task(serve_client(service, std::move(reader), std::move(writer)));
  }
}

void StreamProtocol::data_received(Bytes data) {
  input_->feed_data(data);
}

bool StreamProtocol::eof_received() {
  input_->feed_eof();
  return at_eof_ == AtEof::stay_open;
}

void StreamProtocol::connection_lost(std::error_code error) {
  end_input(*input_, error);
  output_->connection_lost(error);
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
  end_input(*input_, error);
}

}  // namespace sluice::streams
