#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "transport_fixture.hpp"

namespace sluice::transports {

/// Servers on a scripted kernel, whose protocols record what they are told.
class Serving : public TransportTest {
 protected:
  using Result = Future<std::shared_ptr<Server>>;

  [[nodiscard]] auto factory() {
    return [this] {
      records_.push_back(std::make_shared<Recording>());
      return std::make_shared<RecordingProtocol>(records_.back());
    };
  }
  Result listen(std::vector<std::string> hosts, std::uint16_t port = 80,
                ServerOptions options = {}) {
    Result result = loop_->create_server(factory(), std::move(hosts), port, std::move(options));
    if (!result.done()) {
      result.add_done_callback([this](const Result&) { loop_->stop(); });
      loop_->run_forever();
    }
    return result;
  }
  // A server on one numeric address; its listening descriptor is listener_.
  std::shared_ptr<Server> serve(ServerOptions options = {}) {
    const Result result = listen({"192.0.2.1"}, 80, std::move(options));
    listener_ = first_own;
    return result.get();
  }
  // A connection that has been accepted.
  int client() {
    const int fd = kernel_->push_connection(listener_);
    turn(2);
    return fd;
  }
  void TearDown() override {
    for (const auto& record : records_) {
      record->release();
    }
    TransportTest::TearDown();
  }
  static Texts names_of(const std::shared_ptr<Server>& server) {
    Texts names;
    for (const SocketAddress& address : server->sockets()) {
      names.push_back(address.to_string());
    }
    return names;
  }
  // The loop's own two come first.
  static constexpr int first_own = 102;
  int listener_ = -1;
  std::vector<std::shared_ptr<Recording>> records_;
};

}  // namespace sluice::transports
