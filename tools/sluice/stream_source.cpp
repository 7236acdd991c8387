#include "stream_source.hpp"

#include <cstddef>
#include <memory>
#include <span>

#include "read_block.hpp"

namespace sluice::cli {

class StreamSource::Reader final : public BufferedProtocol {
 public:
  explicit Reader(StreamSource& source) : source_(source) {}

  std::span<std::byte> get_buffer(std::size_t /*hint*/) override {
    return block_.prepare(source_.listener().read_limit());
  }
  void buffer_updated(std::size_t count) override { source_.received(block_.take(count)); }
  void connection_lost(std::error_code error) override { source_.lost(error); }

 private:
  StreamSource& source_;
  ReadBlock block_;
};

StreamSource::StreamSource(EventLoop& loop, const Endpoint& endpoint, SourceListener& listener)
    : ReadingSource(loop, endpoint.name, listener),
      opener_(
          loop, endpoint,
          [this](const std::shared_ptr<Transport>& transport) {
            transport->set_protocol(std::make_shared<Reader>(*this));
            made(transport);
          },
          [this](const std::string& error) { opening_failed(error); }) {}

void StreamSource::open() {
  opener_.open();
}

void StreamSource::abort() {
  if (state() == State::opening) {
    opener_.close();
    abort_opening();
  } else {
    ReadingSource::abort();
  }
}

}  // namespace sluice::cli
