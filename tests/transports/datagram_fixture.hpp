#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "testing/recording_datagrams.hpp"
#include "transports/transport_fixture.hpp"

namespace sluice::transports {

using testing::DatagramRecord;
using testing::RecordingDatagramProtocol;
using testing::SentDatagram;
using MadeDatagrams = Future<DatagramConnection<RecordingDatagramProtocol>>;

inline const SocketAddress alice = *SocketAddress::from_numeric("10.0.0.1", 1111);
inline const SocketAddress bob = *SocketAddress::from_numeric("10.0.0.2", 2222);
inline const SocketAddress here = *SocketAddress::from_numeric("10.0.0.9", 9999);

/// A loop over a scripted kernel with a datagram transport on it.
class DatagramTest : public TransportTest {
 protected:
  ~DatagramTest() override { record_->transport.reset(); }
  void TearDown() override {
    record_->transport.reset();
    record_->on_connection_made = nullptr;
    TransportTest::TearDown();
  }

  /// Adopts a socket without a peer, or with one, and lets the transport begin.
  int open(const SocketAddress& peer = {}) {
    const int fd = kernel_->open_datagram(here, peer);
    adopt(fd);
    return fd;
  }
  MadeDatagrams adopt(int fd) {
    DatagramOptions options;
    options.sock = Fd(fd);
    return create(std::move(options));
  }
  MadeDatagrams create(DatagramOptions options) {
    auto made =
        loop_->create_datagram_endpoint(testing::datagram_factory(record_), std::move(options));
    turn(3);
    return made;
  }
  /// On a loop that sends inside sendto().
  void make_immediate() {
    LoopOptions options;
    options.write_policy = WritePolicy::immediate;
    make_loop(std::move(options));
  }
  [[nodiscard]] DatagramTransport& transport() { return *record_->transport; }
  [[nodiscard]] std::size_t size() { return transport().get_write_buffer_size(); }
  [[nodiscard]] DatagramStatistics statistics() { return transport().statistics(); }
  [[nodiscard]] const std::string& trace() const { return record_->trace; }
  /// The datagrams that the kernel took, as text.
  [[nodiscard]] Texts sent(int fd) const {
    Texts all;
    for (const SentDatagram& each : kernel_->sent_datagrams(fd)) {
      all.push_back(each.bytes);
    }
    return all;
  }
  /// Runs `action` inside a turn of the loop.
  void in_turn(std::function<void()> action) {
    loop_->call_soon(std::move(action));
    turn();
  }

  std::shared_ptr<DatagramRecord> record_ = std::make_shared<DatagramRecord>();
};

/// The same with WritePolicy::immediate.
class ImmediateDatagramTest : public DatagramTest {
 protected:
  ImmediateDatagramTest() { make_immediate(); }
};

}  // namespace sluice::transports
