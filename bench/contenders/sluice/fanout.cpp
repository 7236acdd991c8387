// One message to all connections for each byte that arrives on any of them.

#include <cstddef>
#include <memory>
#include <sluice/sluice.hpp>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include "common/messages.hpp"
#include "serving.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

struct Audience {
  sluice::Buffer message;
  std::vector<std::shared_ptr<sluice::Transport>> members{};
};

class Member : public sluice::Protocol {
 public:
  explicit Member(Audience& audience) : audience_(audience) {}
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport_ = transport;
    audience_.members.push_back(std::move(transport));
  }
  void data_received(sluice::Bytes data) override {
    for (std::size_t i = 0; i < data.size(); ++i) {
      for (const auto& member : audience_.members) {
        member->write(audience_.message);
      }
    }
  }
  void connection_lost(std::error_code /*error*/) override {
    std::erase(audience_.members, transport_);
    transport_.reset();
  }

 private:
  Audience& audience_;
  std::shared_ptr<sluice::Transport> transport_;
};

}  // namespace

void serve_fanout(CommandLine& options) {
  Audience audience{sluice::Buffer::copy_of(pattern(options.number("size", 16384)))};
  options.reject_the_rest();
  if (audience.message.empty()) {
    throw std::invalid_argument("--size must be positive");
  }
  serve_protocol([&audience] { return std::make_shared<Member>(audience); });
}

}  // namespace bench
