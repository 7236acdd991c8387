// Header and body: a write() for each piece of a reply, of its bytes or of a shared buffer.

#include <cstddef>
#include <memory>
#include <optional>
#include <sluice/sluice.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "common/messages.hpp"
#include "serving.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

/// Writes pieces of type `Piece`, which are what a transport takes.
template <class Piece>
class PieceWriter : public sluice::Protocol {
 public:
  PieceWriter(const std::vector<Piece>& pieces, std::optional<std::size_t> high)
      : pieces_(pieces), high_(high) {}
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport_ = std::move(transport);
    transport_->set_write_buffer_limits(high_);
  }
  void data_received(sluice::Bytes data) override {
    partial_ += data.size();
    for (; partial_ >= request_bytes; partial_ -= request_bytes) {
      for (const Piece& piece : pieces_) {
        transport_->write(piece);
      }
    }
  }
  void pause_writing() override { transport_->pause_reading(); }
  void resume_writing() override { transport_->resume_reading(); }
  void connection_lost(std::error_code /*error*/) override { transport_.reset(); }

 private:
  const std::vector<Piece>& pieces_;
  std::optional<std::size_t> high_;
  std::size_t partial_ = 0;
  std::shared_ptr<sluice::Transport> transport_;
};

template <class Piece>
void serve(const std::vector<Piece>& pieces, std::optional<std::size_t> high) {
  serve_protocol([&pieces, high] { return std::make_shared<PieceWriter<Piece>>(pieces, high); });
}

std::vector<sluice::Buffer> owned(const std::vector<std::string_view>& pieces) {
  std::vector<sluice::Buffer> buffers;
  for (const std::string_view piece : pieces) {
    buffers.push_back(sluice::Buffer::copy_of(piece));
  }
  return buffers;
}

}  // namespace

void serve_pieces(CommandLine& options) {
  const std::string text = pattern(pieces_bytes);
  const auto pieces = split(text, pieces_of(options.number("pieces", 2)));
  const bool share = options.flag("owned");
  const std::size_t high_bytes = options.number("high", 0);
  options.reject_the_rest();
  const std::optional<std::size_t> high = high_bytes > 0 ? std::optional(high_bytes) : std::nullopt;
  if (share) {
    serve(owned(pieces), high);
  } else {
    serve(pieces, high);
  }
}

}  // namespace bench
