// As many writes as are asked for, in one callback, whatever the peer reads.

#include <memory>
#include <sluice/sluice.hpp>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/deep_messages.hpp"
#include "serving.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

class DeepWriter : public sluice::Protocol {
 public:
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport_ = std::move(transport);
  }
  void data_received(sluice::Bytes data) override {
    const auto writes = deep_request({reinterpret_cast<const char*>(data.data()), data.size()});
    if (!writes) {
      transport_->write(data);
      return;
    }
    DeepMessage message;
    for (std::uint64_t number = 0; number < *writes; ++number) {
      transport_->write(message.numbered(number));
    }
  }
  void connection_lost(std::error_code /*error*/) override { transport_.reset(); }

 private:
  std::shared_ptr<sluice::Transport> transport_;
};

}  // namespace

void serve_deep(CommandLine& options) {
  options.reject_the_rest();
  serve_protocol([] { return std::make_shared<DeepWriter>(); });
}

}  // namespace bench
