// Header and body: a write() for each piece of a reply.

#include <cstddef>
#include <memory>
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

class PieceWriter : public sluice::Protocol {
 public:
  explicit PieceWriter(const std::vector<std::string_view>& pieces) : pieces_(pieces) {}
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport_ = std::move(transport);
  }
  void data_received(sluice::Bytes data) override {
    partial_ += data.size();
    for (; partial_ >= request_bytes; partial_ -= request_bytes) {
      for (const std::string_view piece : pieces_) {
        transport_->write(piece);
      }
    }
  }
  void pause_writing() override { transport_->pause_reading(); }
  void resume_writing() override { transport_->resume_reading(); }
  void connection_lost(std::error_code /*error*/) override { transport_.reset(); }

 private:
  const std::vector<std::string_view>& pieces_;
  std::size_t partial_ = 0;
  std::shared_ptr<sluice::Transport> transport_;
};

}  // namespace

void serve_pieces(CommandLine& options) {
  const std::string text = pattern(pieces_bytes);
  const auto pieces = split(text, pieces_of(options.number("pieces", 2)));
  options.reject_the_rest();
  serve_protocol([&pieces] { return std::make_shared<PieceWriter>(pieces); });
}

}  // namespace bench
