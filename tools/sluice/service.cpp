#include "service.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::cli {

namespace {

// What the three services share: the marks and the accounting.
class Client : public Protocol {
 public:
  Client(EventLoop& loop, BufferMarks marks, ServiceTotals& totals)
      : loop_(loop), marks_(marks), totals_(totals) {}

  void connection_made(std::shared_ptr<Transport> transport) override {
    transport_ = std::move(transport);
    transport_->set_write_buffer_limits(marks_.high, marks_.low);
    ++totals_.clients;
    begin();
  }
  void data_received(Bytes data) override {
    totals_.bytes_in += data.size();
    receive(data);
  }
  void connection_lost(std::error_code error) override {
    end();
    const WriteStatistics statistics = transport_->write_statistics();
    totals_.clients_lost += error ? 1U : 0U;
    totals_.bytes_out += statistics.bytes_written;
    totals_.bytes_discarded += statistics.bytes_discarded;
    totals_.pauses += statistics.pauses;
    totals_.syscalls += statistics.send_calls;
    totals_.peak_buffer = std::max(totals_.peak_buffer, statistics.peak_buffer_size);
    transport_.reset();
  }

 protected:
  virtual void begin() {}
  virtual void receive(Bytes /*data*/) {}
  virtual void end() {}
  [[nodiscard]] EventLoop& loop() { return loop_; }
  [[nodiscard]] Transport& transport() { return *transport_; }

 private:
  EventLoop& loop_;
  BufferMarks marks_;
  ServiceTotals& totals_;
  std::shared_ptr<Transport> transport_;
};

// RFC 863: everything is read and thrown away.
class DiscardClient final : public Client {
 public:
  using Client::Client;
};

// RFC 862: everything comes back. Who does not read the echo is not read from either.
class EchoClient final : public Client {
 public:
  using Client::Client;
  void pause_writing() override { transport().pause_reading(); }
  void resume_writing() override { transport().resume_reading(); }

 private:
  void receive(Bytes data) override { transport().write(data); }
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
  void pause_writing() override { next_.cancel(); }
  void resume_writing() override { produce_later(); }
  // A client that has nothing to say goes on reading.
  bool eof_received() override { return true; }

 private:
  void begin() override { produce_later(); }
  void end() override { next_.cancel(); }

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

std::shared_ptr<Protocol> make_service(ServiceKind kind, EventLoop& loop, BufferMarks marks,
                                       ServiceTotals& totals) {
  switch (kind) {
    case ServiceKind::echo:
      return std::make_shared<EchoClient>(loop, marks, totals);
    case ServiceKind::chargen:
      return std::make_shared<ChargenClient>(loop, marks, totals);
    case ServiceKind::discard:
      break;
  }
  return std::make_shared<DiscardClient>(loop, marks, totals);
}

}  // namespace sluice::cli
