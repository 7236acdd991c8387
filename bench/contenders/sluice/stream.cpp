// Chunks without end: writes until it is told to pause, and goes on when it is told to.

#include <fcntl.h>

#include <memory>
#include <sluice/sluice.hpp>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "common/listening_socket.hpp"
#include "common/messages.hpp"
#include "common/require.hpp"
#include "serving.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

struct Chunk {
  std::string borrowed;
  sluice::Buffer owned{};
};

// Of a Protocol for sockets and of a WriteProtocol for pipes.
template <class Kind, class TransportKind>
class Streamer : public Kind {
 public:
  explicit Streamer(const Chunk& chunk) : chunk_(chunk) {}
  void connection_made(std::shared_ptr<TransportKind> transport) override {
    transport_ = std::move(transport);
    produce();
  }
  void pause_writing() override { paused_ = true; }
  void resume_writing() override {
    paused_ = false;
    produce();
  }
  void connection_lost(std::error_code /*error*/) override { transport_.reset(); }

 private:
  void produce() {
    while (!paused_ && !transport_->is_closing()) {
      if (chunk_.owned.empty()) {
        transport_->write(chunk_.borrowed);
      } else {
        transport_->write(chunk_.owned);
      }
    }
  }

  const Chunk& chunk_;
  bool paused_ = false;
  std::shared_ptr<TransportKind> transport_;
};

using SocketStreamer = Streamer<sluice::Protocol, sluice::Transport>;
using PipeStreamer = Streamer<sluice::WriteProtocol, sluice::WriteTransport>;

}  // namespace

void serve_stream(CommandLine& options) {
  Chunk chunk{pattern(options.number("size", 65536))};
  const std::string transport = options.text("transport", "tcp");
  const std::string path = options.text("path");
  if (options.flag("owned")) {
    chunk.owned = sluice::Buffer::copy_of(chunk.borrowed);
  }
  options.reject_the_rest();
  if (chunk.borrowed.empty()) {
    throw std::invalid_argument("--size must be positive");
  }

  const auto streamer = [&chunk] { return std::make_shared<SocketStreamer>(chunk); };
  if (transport == "tcp") {
    serve_protocol(streamer);
  } else if (transport == "unix") {
    sluice::EventLoop loop;
    const auto server = loop.run_until_complete(
        loop.create_unix_server(streamer, path, {.backlog = listen_backlog}));
    announce(0);
    run_until_end_of_input(loop);
  } else if (transport == "pipe") {
    announce(0);
    // Blocks until the reader has opened it too.
    sluice::Fd fifo(require(open(path.c_str(), O_WRONLY | O_CLOEXEC), "open"));
    sluice::EventLoop loop;
    loop.run_until_complete(loop.connect_write_pipe(
        [&chunk] { return std::make_shared<PipeStreamer>(chunk); }, std::move(fifo)));
    run_until_end_of_input(loop);
  } else {
    throw std::invalid_argument("no transport " + transport);
  }
}

}  // namespace bench
