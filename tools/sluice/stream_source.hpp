#pragma once

#include "reading_source.hpp"
#include "stream_opener.hpp"

namespace sluice::cli {

/// Reads a TCP, TLS or Unix connection, straight into the blocks that the sinks share. Sends
/// nothing.
class StreamSource final : public ReadingSource {
 public:
  StreamSource(EventLoop& loop, const Endpoint& endpoint, SourceListener& listener);

  void open() override;
  void abort() override;

 private:
  class Reader;

  StreamOpener opener_;
};

}  // namespace sluice::cli
