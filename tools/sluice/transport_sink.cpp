#include "transport_sink.hpp"

#include <utility>

#include "farewell.hpp"

namespace sluice::cli {

TransportSink::TransportSink(EventLoop& loop, Endpoint endpoint, BufferMarks marks,
                             PeerEnd peer_end, SinkListener& listener)
    : Sink(loop, std::move(endpoint), listener),
      marks_(marks),
      peer_end_(peer_end),
      linger_(loop) {}

void TransportSink::write(const Buffer& block) {
  if (state_ == SinkState::open) {
    transport_->write(block);
  }
}

void TransportSink::finish() {
  if (state_ != SinkState::open) {
    return;
  }
  state_ = SinkState::flushing;
  // With both marks at zero, resume_writing says when the last byte has gone.
  transport_->set_write_buffer_limits(0, 0);
  if (transport_->get_write_buffer_size() == 0) {
    flushed();
  }
}

void TransportSink::flushed() {
  if (state_ != SinkState::flushing) {
    return;
  }
  // Where there is no half-close (TLS 1.2), close() says the end and awaits the peer's by itself.
  if (peer_end_ != PeerEnd::awaited || !transport_->can_write_eof()) {
    close();
    return;
  }
  // Closing a socket with unread data in it would reset the connection and could cost the peer its
  // last bytes. So the end is sent, and what comes is read until the peer ends too.
  state_ = SinkState::lingering;
  linger_.start(transport_->fileno(), [this] { close(); });
  transport_->write_eof();
}

void TransportSink::close() {
  if (state_ == SinkState::flushing || state_ == SinkState::lingering) {
    linger_.cancel();
    state_ = SinkState::closing;
    transport_->close();
  }
}

void TransportSink::abort() {
  if (is_gone()) {
    return;
  }
  const bool was_opening = state_ == SinkState::opening;
  state_ = SinkState::aborted;
  linger_.cancel();
  if (was_opening) {
    cancel_opening();
    loop_.call_soon([this] { gone(); });
  } else {
    transport_->abort();
  }
}

void TransportSink::made(std::shared_ptr<WriteTransport> transport) {
  if (state_ != SinkState::opening) {
    transport->abort();
    return;
  }
  transport_ = std::move(transport);
  state_ = SinkState::open;
  transport_->set_write_buffer_limits(marks_.high, marks_.low);
  limits_ = transport_->get_write_buffer_limits();
  listener_.sink_ready(*this);
}

void TransportSink::opening_failed(const std::string& error) {
  if (state_ == SinkState::opening) {
    state_ = SinkState::failed;
    error_ = error;
    gone();
  }
}

void TransportSink::paused() {
  if (state_ == SinkState::open) {
    begin_pause();
    listener_.sink_paused(*this);
  }
}

void TransportSink::resumed() {
  if (end_pause()) {
    listener_.sink_resumed(*this);
  }
  flushed();
}

void TransportSink::peer_ended() {
  peer_end_ = PeerEnd::seen;
  if (state_ == SinkState::lingering) {
    close();
  }
}

void TransportSink::lost(std::error_code error) {
  // A transport that was made after abort() is no business of the listener any more.
  if (!transport_) return;
  linger_.cancel();
  const bool told_the_end = state_ == SinkState::lingering || state_ == SinkState::closing;
  if (told_the_end && is_missing_farewell(error)) {
    state_ = SinkState::closing;
    error = {};
  }
  const std::string fault = state_ == SinkState::aborted ? std::string() : reader_fault();
  if (!fault.empty()) {
    state_ = SinkState::failed;
    error_ = fault;
  } else if (state_ == SinkState::closing && !error) {
    state_ = SinkState::closed;
  } else if (state_ != SinkState::aborted) {
    fail_because(error);
  }
  gone();
}

void TransportSink::fail_because(std::error_code error) {
  const bool all_sent = state_ == SinkState::lingering || state_ == SinkState::closing;
  state_ = SinkState::failed;
  if (!error) {
    error_ = "cannot write to " + endpoint_.name + ": the reader closed its end";
  } else if (all_sent) {
    error_ = "cannot close " + endpoint_.name +
             " in order: its last bytes may be lost: " + error.message();
  } else {
    error_ = "cannot write to " + endpoint_.name + ": " + error.message();
  }
}

void TransportSink::gone() {
  end_pause();
  listener_.sink_gone(*this);
}

WriteStatistics TransportSink::statistics() const {
  return transport_ ? transport_->write_statistics() : WriteStatistics{};
}

std::size_t TransportSink::buffer_size() const {
  return transport_ ? transport_->get_write_buffer_size() : 0;
}

WriteBufferLimits TransportSink::limits() const {
  return limits_.value_or(default_write_buffer_limits);
}

}  // namespace sluice::cli
