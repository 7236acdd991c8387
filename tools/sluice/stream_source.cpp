#include "stream_source.hpp"

#include <cstddef>
#include <span>
#include <utility>

#include "read_block.hpp"

namespace sluice::cli {

class StreamSource::Reader final : public BufferedProtocol {
 public:
  explicit Reader(StreamSource& source) : source_(source) {}

  std::span<std::byte> get_buffer(std::size_t /*hint*/) override {
    return block_.prepare(source_.listener_.read_limit());
  }
  void buffer_updated(std::size_t count) override {
    const Buffer block = block_.take(count);
    if (source_.state_ == State::open) {
      source_.listener_.source_block(block);
    }
  }
  void connection_lost(std::error_code error) override { source_.lost(error); }

 private:
  StreamSource& source_;
  ReadBlock block_;
};

StreamSource::StreamSource(EventLoop& loop, const Endpoint& endpoint, SourceListener& listener)
    : loop_(loop),
      name_(endpoint.name),
      listener_(listener),
      opener_(
          loop, endpoint, [this](const std::shared_ptr<Transport>& made_one) { made(made_one); },
          [this](const std::string& error) { finish(SourceEnd::failed, error); }) {}

void StreamSource::open() {
  opener_.open();
}

void StreamSource::made(const std::shared_ptr<Transport>& transport) {
  transport_ = transport;
  state_ = State::open;
  transport->set_protocol(std::make_shared<Reader>(*this));
  transport->pause_reading();
  listener_.source_ready();
}

void StreamSource::pause() {
  if (state_ == State::open) transport_->pause_reading();
}

void StreamSource::resume() {
  if (state_ == State::open) transport_->resume_reading();
}

void StreamSource::abort() {
  if (state_ == State::opening) {
    opener_.close();
    state_ = State::aborted;
    loop_.call_soon([this] { finish(SourceEnd::aborted, {}); });
  } else if (state_ == State::open) {
    state_ = State::aborted;
    transport_->abort();
  }
}

void StreamSource::lost(std::error_code error) {
  if (state_ == State::aborted) {
    finish(SourceEnd::aborted, {});
  } else if (error) {
    finish(SourceEnd::failed, "cannot read " + name_ + ": " + error.message());
  } else {
    finish(SourceEnd::end_of_file, {});
  }
}

void StreamSource::finish(SourceEnd end, const std::string& error) {
  state_ = State::done;
  transport_.reset();
  listener_.source_done(end, error);
}

}  // namespace sluice::cli
