#include "file_sink.hpp"

#include <exception>
#include <utility>

#include "reason.hpp"
#include "sink_protocol.hpp"

namespace sluice::cli {

class FileSink::Writer final : public SinkProtocol<WriteProtocol> {
 public:
  explicit Writer(FileSink& sink) : SinkProtocol(sink), sink_(sink) {}
  void connection_made(std::shared_ptr<WriteTransport> transport) override {
    sink_.made(std::move(transport));
  }

 private:
  FileSink& sink_;
};

FileSink::FileSink(EventLoop& loop, const Endpoint& endpoint, const SinkOptions& options,
                   SinkListener& listener)
    : TransportSink(loop, endpoint, options.marks, PeerEnd::never_comes, listener),
      options_({.if_exists = options.in_place ? IfExists::truncate : IfExists::replace,
                .fsync_on_close = options.fsync}) {
  if (options.in_place) {
    identity_ = identity_of(endpoint.path);
  }
}

FileSink::FileSink(EventLoop& loop, const Endpoint& endpoint, const SinkOptions& options,
                   SinkListener& listener, OpenFile file)
    : TransportSink(loop, endpoint, options.marks, PeerEnd::never_comes, listener),
      options_({.fsync_on_close = options.fsync}),
      fd_(std::move(file.fd)),
      identity_(file.identity) {}

void FileSink::open() {
  const auto factory = [this] { return std::make_shared<Writer>(*this); };
  opening_ = fd_ ? loop_.connect_file(factory, std::move(fd_), options_)
                 : loop_.connect_file(factory, endpoint().path, options_);
  opening_->add_done_callback([this](const Future<WriteConnection<Writer>>& done) {
    try {
      done.get();
    } catch (const std::exception&) {
      opening_failed("cannot write to " + endpoint().name + ": " +
                     reason_beside(endpoint(), std::current_exception()));
    }
  });
}

void FileSink::cancel_opening() {
  opening_->cancel();
}

// A file that is not whole does not take the place of one that is.
void FileSink::finish_incomplete() {
  if (replaces()) {
    abort();
  } else {
    finish();
  }
}

// What went into a file that was never given its name is nowhere.
WriteStatistics FileSink::statistics() const {
  WriteStatistics statistics = TransportSink::statistics();
  if (replaces() && is_gone() && state() != SinkState::closed) {
    statistics.bytes_discarded += std::exchange(statistics.bytes_written, 0);
  }
  return statistics;
}

}  // namespace sluice::cli
