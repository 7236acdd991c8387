#include "service.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "farewell.hpp"
#include "linger.hpp"

namespace sluice::cli {

// What the three services share: the marks, the accounting and the end.
class Client : public Protocol {
 public:
  explicit Client(SmallService& service) : service_(service), linger_(service.loop_) {}

  void connection_made(std::shared_ptr<Transport> transport) override {
    transport_ = std::move(transport);
    transport_->set_write_buffer_limits(service_.marks_.high, service_.marks_.low);
    ++service_.totals_.clients;
    service_.clients_.insert(this);
    if (service_.state_ == SmallService::State::finishing) {
      finish();
    } else {
      begin();
    }
  }
  void data_received(Bytes data) override {
    if (state_ == State::serving) {
      service_.totals_.bytes_in += data.size();
      receive(data);
    } else {
      linger_.heard();
    }
  }
  bool eof_received() override {
    peer_has_ended_ = true;
    if (state_ == State::serving && !goes_on_without_input()) {
      finish();
    }
    // The library would close with bytes still buffered, and over TLS soon lose patience. It does
    // so in any case where there is no half-close.
    return state_ != State::lingering && transport_->can_write_eof();
  }
  void pause_writing() override {
    if (state_ == State::serving) {
      hold();
    }
  }
  void resume_writing() override {
    if (state_ == State::serving) {
      go_on();
    } else {
      flushed();
    }
  }
  void connection_lost(std::error_code error) override {
    halt();
    linger_.cancel();
    service_.clients_.erase(this);
    const WriteStatistics statistics = transport_->write_statistics();
    ServiceTotals& totals = service_.totals_;
    totals.clients_lost += is_loss(error) ? 1U : 0U;
    totals.bytes_out += statistics.bytes_written;
    totals.bytes_discarded += statistics.bytes_discarded;
    totals.pauses += statistics.pauses;
    totals.syscalls += statistics.send_calls;
    totals.peak_buffer = std::max(totals.peak_buffer, statistics.peak_buffer_size);
    transport_.reset();
  }

  void finish() {
    if (state_ != State::serving) {
      return;
    }
    state_ = State::flushing;
    halt();
    // A client may have to be read from before it reads.
    if (!peer_has_ended_) {
      transport_->resume_reading();
    }
    if (transport_->get_write_buffer_size() == 0) {
      flushed();
    } else {
      // With both marks at zero, resume_writing says when the last byte has gone.
      transport_->set_write_buffer_limits(0, 0);
    }
  }

 protected:
  virtual void begin() {}
  virtual void receive(Bytes /*data*/) {}
  // The buffer is above its high mark; at its low mark again.
  virtual void hold() {}
  virtual void go_on() {}
  // Nothing more is produced.
  virtual void halt() {}
  [[nodiscard]] virtual bool goes_on_without_input() const { return false; }
  [[nodiscard]] EventLoop& loop() { return service_.loop_; }
  [[nodiscard]] Transport& transport() { return *transport_; }

 private:
  enum class State : std::uint8_t {
    serving,    // bytes come and go
    flushing,   // what is buffered is sent; what comes is thrown away
    lingering,  // all has gone, and the end; the client's is awaited
  };

  [[nodiscard]] bool is_loss(std::error_code error) const {
    const bool told_the_end = state_ == State::lingering;
    return has_lost_bytes(*transport_) || (error && !(told_the_end && is_missing_farewell(error)));
  }

  // Closing a socket with unread data in it would reset the connection and could cost the client
  // its last bytes. So the end is sent, and what comes is read until the client ends too.
  void flushed() {
    if (state_ != State::flushing) {
      return;
    }
    state_ = State::lingering;
    // Where there is no half-close (TLS 1.2), close() says the end and awaits the client's.
    if (peer_has_ended_ || !transport_->can_write_eof()) {
      transport_->close();
      return;
    }
    linger_.start(transport_->fileno(), [this] { transport_->close(); });
    transport_->write_eof();
  }

  SmallService& service_;
  std::shared_ptr<Transport> transport_;
  Linger linger_;
  State state_ = State::serving;
  bool peer_has_ended_ = false;
};

namespace {

// RFC 863: everything is read and thrown away.
class DiscardClient final : public Client {
 public:
  using Client::Client;
};

// RFC 862: everything comes back. Who does not read the echo is not read from either.
class EchoClient final : public Client {
 public:
  using Client::Client;

 private:
  void receive(Bytes data) override { transport().write(data); }
  void hold() override { transport().pause_reading(); }
  void go_on() override { transport().resume_reading(); }
};

// One whole period of RFC 864: 95 lines, each of 72 of the 95 printable characters, each beginning
// one character later than the one before.
std::string chargen_period() {
  constexpr int first = ' ';
  constexpr int printable = 95;
  constexpr int line_length = 72;
  std::string text;
  for (int line = 0; line < printable; ++line) {
    for (int column = 0; column < line_length; ++column) {
      text += static_cast<char>(first + (line + column) % printable);
    }
    text += "\r\n";
  }
  return text;
}

// RFC 864: lines without end, as fast as the client reads them.
class ChargenClient final : public Client {
 public:
  using Client::Client;

 private:
  void begin() override { produce_later(); }
  void hold() override { next_.cancel(); }
  void go_on() override { produce_later(); }
  void halt() override { next_.cancel(); }
  // A client that has nothing to say goes on reading.
  [[nodiscard]] bool goes_on_without_input() const override { return true; }

  // One block each turn: a fast client must not keep the others waiting.
  void produce_later() {
    next_ = loop().call_soon([this] { produce(); });
  }
  void produce() {
    static const Buffer period = Buffer::take(chargen_period());
    if (transport().is_closing()) {
      return;
    }
    // Before the write, because pause_writing may come from inside it.
    produce_later();
    transport().write(period);
  }

  Handle next_;
};

}  // namespace

std::shared_ptr<Protocol> SmallService::make_client() {
  switch (kind_) {
    case ServiceKind::echo:
      return std::make_shared<EchoClient>(*this);
    case ServiceKind::chargen:
      return std::make_shared<ChargenClient>(*this);
    case ServiceKind::discard:
    case ServiceKind::proxy:
      break;
  }
  return std::make_shared<DiscardClient>(*this);
}

void SmallService::finish() {
  state_ = State::finishing;
  // None is lost inside: connection_lost comes from the loop.
  for (Client* client : clients_) {
    client->finish();
  }
}

}  // namespace sluice::cli
