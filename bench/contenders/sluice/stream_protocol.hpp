#pragma once

#include <memory>
#include <sluice/sluice.hpp>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/row.hpp"

namespace bench {

/// Written as bytes that the writer borrows, or, if there is one, as a shared buffer.
struct Chunk {
  Row borrowed;
  sluice::Buffer owned{};
};

/// Writes until it is told to pause, and goes on when it is told to. Of a Protocol
/// for sockets and of a WriteProtocol for pipes.
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
        transport_->write(std::string_view(chunk_.borrowed));
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

}  // namespace bench
