// A client that begins with 'E' has its bytes back; one that begins with 'S' is offered 100 MB.

#include <cstddef>
#include <memory>
#include <sluice/sluice.hpp>
#include <string>
#include <system_error>
#include <utility>

#include "common/messages.hpp"
#include "common/slow_offer.hpp"
#include "serving.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

class EchoOrOffer : public sluice::Protocol {
 public:
  explicit EchoOrOffer(const std::string& chunk) : chunk_(chunk) {}
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport_ = std::move(transport);
  }
  void data_received(sluice::Bytes data) override {
    if (role_ == Role::unknown) {
      role_ = data.front() == std::byte{'S'} ? Role::offer : Role::echo;
      data = data.subspan(1);
      offer();
    }
    if (role_ == Role::echo) {
      transport_->write(data);
    }
  }
  void pause_writing() override {
    paused_ = true;
    if (role_ == Role::echo) {
      transport_->pause_reading();
    }
  }
  void resume_writing() override {
    paused_ = false;
    transport_->resume_reading();
    offer();
  }
  void connection_lost(std::error_code /*error*/) override { transport_.reset(); }

 private:
  enum class Role { unknown, echo, offer };

  void offer() {
    for (; role_ == Role::offer && offered_ < slow_chunks && !paused_; ++offered_) {
      transport_->write(chunk_);
    }
  }

  const std::string& chunk_;
  Role role_ = Role::unknown;
  std::size_t offered_ = 0;
  bool paused_ = false;
  std::shared_ptr<sluice::Transport> transport_;
};

}  // namespace

void serve_slow(CommandLine& options) {
  options.reject_the_rest();
  const std::string chunk = pattern(slow_chunk_bytes);
  serve_protocol([&chunk] { return std::make_shared<EchoOrOffer>(chunk); });
}

}  // namespace bench
