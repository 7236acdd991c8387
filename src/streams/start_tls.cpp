// StreamWriter::start_tls.

#include <string>
#include <utility>

#include "sluice/event_loop.hpp"
#include "sluice/stream_writer.hpp"
#include "sluice/tasks.hpp"
#include "streams/stream_output.hpp"

namespace sluice {
namespace {

// What was read of the peer's handshake before: by the program, then by the stream.
Buffer joined(const Buffer& given, const std::string& buffered) {
  const Bytes first = given.bytes();
  std::string all(reinterpret_cast<const char*>(first.data()), first.size());
  return Buffer::take(all + buffered);
}

Future<std::shared_ptr<Transport>> secure(EventLoop& loop, const streams::StreamOutput& output,
                                          std::shared_ptr<TlsContext> context,
                                          StartTlsOptions options) {
  const auto transport = std::dynamic_pointer_cast<Transport>(output.transport());
  streams::StreamInput* const input = output.input();
  const std::string buffered = input != nullptr ? input->take_buffered() : std::string();
  options.already_received = joined(options.already_received, buffered);
  try {
    return loop.start_tls(transport, output.transport()->get_protocol(), std::move(context),
                          std::move(options));
  } catch (...) {
    // Nothing has changed: the bytes are still the reader's.
    if (input != nullptr) {
      input->feed_data(std::as_bytes(std::span(buffered)));
    }
    throw;
  }
}

// A copy of the writer: the stream stays open meanwhile.
Task<> secure_stream(StreamWriter writer, std::shared_ptr<streams::StreamOutput> output,
                     std::shared_ptr<TlsContext> context, StartTlsOptions options) {
  co_await writer.drain();
  EventLoop& loop = co_await get_running_loop();
  const auto secured = secure(loop, *output, std::move(context), std::move(options));
  co_await secured;
}

}  // namespace

Task<> StreamWriter::start_tls(std::shared_ptr<TlsContext> context, StartTlsOptions options) const {
  return secure_stream(*this, output(), std::move(context), std::move(options));
}

}  // namespace sluice
