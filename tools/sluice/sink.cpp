#include "sink.hpp"

#include "exec_sink.hpp"
#include "file_sink.hpp"
#include "transport_sink.hpp"

namespace sluice::cli {

std::unique_ptr<Sink> make_sink(EventLoop& loop, const Endpoint& endpoint,
                                const SinkOptions& options, SinkListener& listener) {
  const BufferMarks marks = options.marks;
  switch (endpoint.kind) {
    case EndpointKind::standard_stream: {
      OpenFile file = open_standard(StandardStream::output);
      if (file.kind == FileKind::regular) {
        return std::make_unique<FileSink>(loop, endpoint, options, listener, std::move(file));
      }
      return std::make_unique<PipeSink>(loop, endpoint, marks, listener, std::move(file.fd));
    }
    case EndpointKind::pipe:
      return std::make_unique<PipeSink>(loop, endpoint, marks, listener);
    case EndpointKind::command:
      return std::make_unique<ExecSink>(loop, endpoint, marks, listener);
    case EndpointKind::file:
      // A device or a FIFO is written itself, whatever it is called.
      if (is_stream(endpoint.path)) {
        return std::make_unique<PipeSink>(loop, endpoint, marks, listener);
      }
      return std::make_unique<FileSink>(loop, endpoint, options, listener);
    case EndpointKind::tcp:
    case EndpointKind::tcp_listen:
    case EndpointKind::tls:
    case EndpointKind::tls_listen:
    case EndpointKind::unix_stream:
    case EndpointKind::unix_listen:
      break;
  }
  return std::make_unique<StreamSink>(loop, endpoint, marks, listener);
}

}  // namespace sluice::cli
