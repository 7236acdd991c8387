#include "pipe_source.hpp"

#include <poll.h>

#include <chrono>
#include <exception>
#include <utility>

namespace sluice::cli {

namespace {

constexpr std::chrono::milliseconds look_again_after{10};

// poll(2) does not report the hang-up of a FIFO that never had a writer, so whatever it reports
// means that one is, or was, there.
bool had_writer(int fd) {
  pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&entry, 1, 0) != 0;
}

}  // namespace

class PipeSource::Reader final : public ReadProtocol {
 public:
  explicit Reader(PipeSource& source) : source_(source) {}

  void connection_made(std::shared_ptr<ReadTransport> transport) override {
    source_.made(transport);
  }
  void data_received(Bytes data) override {
    if (source_.state_ == State::open) {
      source_.listener_.source_block(Buffer::copy_of(data));
    }
  }
  void connection_lost(std::error_code error) override { source_.lost(error); }

 private:
  PipeSource& source_;
};

PipeSource::PipeSource(EventLoop& loop, Fd fd, std::string name, Writer writer,
                       SourceListener& listener)
    : loop_(loop),
      fd_(std::move(fd)),
      name_(std::move(name)),
      writer_(writer),
      listener_(listener) {}

void PipeSource::open() {
  if (writer_ == Writer::awaited) {
    wait_for_writer();
  } else {
    connect();
  }
}

void PipeSource::wait_for_writer() {
  if (had_writer(fd_.get())) {
    connect();
  } else {
    next_look_ = loop_.call_later(look_again_after, [this] { wait_for_writer(); });
  }
}

void PipeSource::connect() {
  state_ = State::opening;
  const auto factory = [this] { return std::make_shared<Reader>(*this); };
  loop_.connect_read_pipe(factory, std::move(fd_))
      .add_done_callback([this](const Future<ReadConnection<Reader>>& done) {
        try {
          done.get();
        } catch (const std::exception& error) {
          finish(state_ == State::aborted ? SourceEnd::aborted : SourceEnd::failed,
                 "cannot read " + name_ + ": " + error.what());
        }
      });
}

void PipeSource::made(const std::shared_ptr<ReadTransport>& transport) {
  transport_ = transport;
  if (state_ == State::aborted) {
    transport->close();
    return;
  }
  state_ = State::open;
  transport->pause_reading();
  listener_.source_ready();
}

void PipeSource::pause() {
  if (state_ == State::open) transport_->pause_reading();
}

void PipeSource::resume() {
  if (state_ == State::open) transport_->resume_reading();
}

void PipeSource::abort() {
  switch (state_) {
    case State::waiting:
      next_look_.cancel();
      fd_.reset();
      state_ = State::aborted;
      loop_.call_soon([this] { finish(SourceEnd::aborted, {}); });
      break;
    case State::opening:
      state_ = State::aborted;
      break;
    case State::open:
      state_ = State::aborted;
      transport_->close();
      break;
    case State::aborted:
    case State::done:
      break;
  }
}

void PipeSource::lost(std::error_code error) {
  if (state_ == State::aborted) {
    finish(SourceEnd::aborted, {});
  } else if (error) {
    finish(SourceEnd::failed, "cannot read " + name_ + ": " + error.message());
  } else {
    finish(SourceEnd::end_of_file, {});
  }
}

void PipeSource::finish(SourceEnd end, const std::string& error) {
  state_ = State::done;
  transport_.reset();
  listener_.source_done(end, error);
}

}  // namespace sluice::cli
