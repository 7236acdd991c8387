#include "source.hpp"

#include <utility>

#include "exec_source.hpp"
#include "file_source.hpp"
#include "pipe_source.hpp"
#include "stream_source.hpp"

namespace sluice::cli {

namespace {

std::unique_ptr<Source> source_of_file(EventLoop& loop, OpenFile file, const Endpoint& endpoint,
                                       SourceListener& listener) {
  if (file.kind == FileKind::regular) {
    return std::make_unique<FileSource>(loop, std::move(file), endpoint.name, listener);
  }
  // Standard input was opened by somebody else, who has waited for the writer already.
  const bool awaited =
      file.kind == FileKind::fifo && endpoint.kind != EndpointKind::standard_stream;
  return std::make_unique<PipeSource>(
      loop, std::move(file.fd), endpoint.name,
      awaited ? PipeSource::Writer::awaited : PipeSource::Writer::present, listener);
}

}  // namespace

std::unique_ptr<Source> make_source(EventLoop& loop, const Endpoint& endpoint,
                                    SourceListener& listener) {
  switch (endpoint.kind) {
    case EndpointKind::standard_stream:
      return source_of_file(loop, open_standard(StandardStream::input), endpoint, listener);
    case EndpointKind::pipe:
    case EndpointKind::file:
      return source_of_file(loop, open_source(endpoint), endpoint, listener);
    case EndpointKind::command:
      return std::make_unique<ExecSource>(loop, endpoint, listener);
    case EndpointKind::tcp:
    case EndpointKind::tcp_listen:
    case EndpointKind::tls:
    case EndpointKind::tls_listen:
    case EndpointKind::unix_stream:
    case EndpointKind::unix_listen:
      break;
  }
  return std::make_unique<StreamSource>(loop, endpoint, listener);
}

}  // namespace sluice::cli
