#include "sink_protocol.hpp"
#include "transport_sink.hpp"

namespace sluice::cli {

namespace {

// A peer that half-closes can still read, so its end of file ends nothing here.
class StreamSinkProtocol final : public SinkProtocol<Protocol> {
 public:
  using SinkProtocol::SinkProtocol;
  void data_received(Bytes /*data*/) override { peer_sent(); }
  bool eof_received() override {
    peer_ended();
    return true;
  }
};

}  // namespace

StreamSink::StreamSink(EventLoop& loop, const Endpoint& endpoint, BufferMarks marks,
                       SinkListener& listener)
    : TransportSink(loop, endpoint, marks, PeerEnd::awaited, listener),
      opener_(
          loop, endpoint,
          [this](const std::shared_ptr<Transport>& transport) {
            transport->set_protocol(std::make_shared<StreamSinkProtocol>(*this));
            made(transport);
          },
          [this](const std::string& error) { opening_failed(error); }) {}

void StreamSink::open() {
  opener_.open();
}

void StreamSink::cancel_opening() {
  opener_.close();
}

}  // namespace sluice::cli
