#pragma once

#include <system_error>

#include "transport_sink.hpp"

namespace sluice::cli {

/// Tells a TransportSink what its transport says; Base is the protocol of the kind of transport.
template <class Base>
class SinkProtocol : public Base {
 public:
  explicit SinkProtocol(TransportSink& sink) : sink_(sink) {}
  void pause_writing() override { sink_.paused(); }
  void resume_writing() override { sink_.resumed(); }
  void connection_lost(std::error_code error) override { sink_.lost(error); }

 protected:
  void peer_sent() { sink_.peer_sent(); }
  void peer_ended() { sink_.peer_ended(); }

 private:
  TransportSink& sink_;
};

}  // namespace sluice::cli
