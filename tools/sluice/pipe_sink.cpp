#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "errors.hpp"
#include "open_file.hpp"
#include "sink_protocol.hpp"
#include "transport_sink.hpp"

namespace sluice::cli {

namespace {

constexpr std::chrono::milliseconds try_again_after{10};

}  // namespace

class PipeSink::Writer final : public SinkProtocol<WriteProtocol> {
 public:
  explicit Writer(PipeSink& sink) : SinkProtocol(sink), sink_(sink) {}
  void connection_made(std::shared_ptr<WriteTransport> transport) override {
    sink_.made(std::move(transport));
  }

 private:
  PipeSink& sink_;
};

PipeSink::PipeSink(EventLoop& loop, const Endpoint& endpoint, BufferMarks marks,
                   SinkListener& listener, Fd fd)
    : TransportSink(loop, endpoint, marks, PeerEnd::never_comes, listener),
      fd_(std::move(fd)),
      takes_files_(fd_ ? is_fifo(fd_) : is_fifo(endpoint.path)) {}

void PipeSink::open() {
  if (fd_) {
    connect(std::move(fd_));
  } else {
    next_try_ = loop_.call_later({}, [this] { open_path(); });
  }
}

// Opening a FIFO for writing would block until it has a reader; asked not to, it fails, and is
// tried again.
void PipeSink::open_path() {
  try {
    if (std::optional<OpenFile> file = open_sink(endpoint())) {
      awaits_reader_ = false;
      connect(std::move(file->fd));
    } else {
      awaits_reader_ = true;
      next_try_ = loop_.call_later(try_again_after, [this] { open_path(); });
    }
  } catch (const RunError& error) {
    awaits_reader_ = false;
    opening_failed(error.what());
  }
}

std::string PipeSink::awaited() const {
  return awaits_reader_ ? "a reader of " + endpoint().name : std::string();
}

void PipeSink::connect(Fd fd) {
  const auto factory = [this] { return std::make_shared<Writer>(*this); };
  loop_.connect_write_pipe(factory, std::move(fd))
      .add_done_callback([this](const Future<WriteConnection<Writer>>& done) {
        try {
          done.get();
        } catch (const std::exception& error) {
          opening_failed("cannot write to " + endpoint().name + ": " + error.what());
        }
      });
}

void PipeSink::cancel_opening() {
  awaits_reader_ = false;
  next_try_.cancel();
}

}  // namespace sluice::cli
