#include "pipe_source.hpp"

#include <poll.h>

#include <chrono>
#include <exception>
#include <memory>
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
    source_.made(std::move(transport));
  }
  void data_received(Bytes data) override { source_.received(Buffer::copy_of(data)); }
  void connection_lost(std::error_code error) override { source_.lost(error); }

 private:
  PipeSource& source_;
};

PipeSource::PipeSource(EventLoop& loop, Fd fd, std::string name, Writer writer,
                       SourceListener& listener)
    : ReadingSource(loop, std::move(name), listener), fd_(std::move(fd)), writer_(writer) {}

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
    next_look_ = loop().call_later(look_again_after, [this] { wait_for_writer(); });
  }
}

std::string PipeSource::awaited() const {
  return fd_ && writer_ == Writer::awaited ? "a writer of " + name() : std::string();
}

void PipeSource::connect() {
  const auto factory = [this] { return std::make_shared<Reader>(*this); };
  loop()
      .connect_read_pipe(factory, std::move(fd_))
      .add_done_callback([this](const Future<ReadConnection<Reader>>& done) {
        try {
          done.get();
        } catch (const std::exception& error) {
          opening_failed("cannot read " + name() + ": " + error.what());
        }
      });
}

void PipeSource::abort() {
  if (state() == State::opening && fd_) {
    next_look_.cancel();
    fd_.reset();
    abort_opening();
  } else {
    ReadingSource::abort();
  }
}

}  // namespace sluice::cli
