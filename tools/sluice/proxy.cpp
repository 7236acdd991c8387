#include "proxy.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "console.hpp"
#include "errors.hpp"
#include "farewell.hpp"
#include "reason.hpp"
#include "sluice/relay.hpp"
#include "stream_opener.hpp"
#include "tls_setup.hpp"

namespace sluice::cli {

// The protocol of a target until the relay takes over: nothing is read before.
class Proxy::Waiting final : public Protocol {
 public:
  void connection_made(std::shared_ptr<Transport> transport) override {
    transport->pause_reading();
  }
};

// The protocol of either end after the relay: all that is left to hear is its end.
class Proxy::Parting final : public Protocol {
 public:
  using OnEnd = std::function<void(std::error_code)>;
  explicit Parting(OnEnd on_end) : on_end_(std::move(on_end)) {}
  void connection_lost(std::error_code error) override { on_end_(error); }

 private:
  OnEnd on_end_;
};

// One client, and the target it was connected to. The protocol of the client until the relay takes
// over; whoever may still call back keeps it alive.
class Proxy::Link final : public Protocol, public std::enable_shared_from_this<Link> {
 public:
  explicit Link(Proxy& proxy) : proxy_(proxy) {}

  void connection_made(std::shared_ptr<Transport> transport) override {
    client_ = std::move(transport);
    ++proxy_.totals_.clients;
    proxy_.links_.insert(this);
    set_up(*client_);
    connect();
  }

  // While the target is not there: nobody is left to be connected.
  void connection_lost(std::error_code error) override {
    if (state_ == State::connecting) {
      proxy_.totals_.clients_lost += error ? 1U : 0U;
      connecting_();
    }
    end();
  }

  void abort() {
    client_->abort();
    if (target_) {
      target_->abort();
    }
  }

 private:
  enum class State : std::uint8_t {
    connecting,  ///< the client waits for the target, and is not read from
    refusing,    ///< there is no target; the client's end is to come
    relaying,    ///< bytes go both ways
    parting,     ///< both have ended; what is buffered for them is sent
    ended,       ///< both are gone
  };

  void set_up(Transport& transport) const {
    transport.pause_reading();
    transport.set_write_buffer_limits(proxy_.marks_.high, proxy_.marks_.low);
  }

  void connect() {
    const auto future = proxy_.connect();
    connecting_ = [future] { future.cancel(); };
    future.add_done_callback([self = shared_from_this()](const Future<Connection<Waiting>>& done) {
      if (done.cancelled()) return;
      self->connecting_ = nullptr;
      // The client may have gone in between; what is finished cannot be cancelled.
      if (self->state_ != State::connecting) {
        if (!done.exception()) done.get().transport->abort();
      } else if (done.exception()) {
        self->refuse(done.exception());
      } else {
        self->relay(done.get().transport);
      }
    });
  }

  void refuse(const std::exception_ptr& reason) {
    state_ = State::refusing;
    ++proxy_.totals_.targets_unreachable;
    print_error("cannot connect to " + proxy_.target_.name + ": " +
                reason_beside(proxy_.target_, reason) + "; a client is turned away");
    client_->abort();
  }

  void relay(std::shared_ptr<Transport> target) {
    target_ = std::move(target);
    set_up(*target_);
    try {
      state_ = State::relaying;
      relay_both(client_, target_)
          .add_done_callback([self = shared_from_this()](const Future<RelayBothResult>& done) {
            self->part(done.get());
          });
    } catch (const std::logic_error&) {
      // One of them is lost since; the client's end is told to connection_lost.
      state_ = State::refusing;
      abort();
    }
  }

  void part(const RelayBothResult& result) {
    state_ = State::parting;
    // The client was told the end, if the way back did not break with it: then only its farewell is
    // missing.
    client_is_lost_ = result.back.write_error ||
                      (result.forth.read_error && !is_missing_farewell(result.forth.read_error));
    target_is_lost_ = result.forth.write_error || result.back.read_error;
    proxy_.totals_.bytes_in += result.forth.bytes + result.forth.discarded;
    await_end(client_, &Link::client_is_lost_);
    await_end(target_, &Link::target_is_lost_);
    one_gone();
  }

  // The relay was the last to hear of a transport that is gone already.
  void await_end(const std::shared_ptr<Transport>& transport, bool Link::*is_lost) {
    if (transport->fileno() >= 0) {
      ++still_there_;
      transport->set_protocol(std::make_shared<Parting>(
          [self = shared_from_this(), is_lost, parting = transport.get()](std::error_code error) {
            if (error && (has_lost_bytes(*parting) || !is_missing_farewell(error))) {
              self.get()->*is_lost = true;
            }
            self->one_gone();
          }));
    }
  }

  void one_gone() {
    if (--still_there_ == 0) {
      proxy_.totals_.clients_lost += client_is_lost_ || has_lost_bytes(*client_) ? 1U : 0U;
      proxy_.totals_.targets_lost += target_is_lost_ ? 1U : 0U;
      end();
    }
  }

  void add(const WriteStatistics& statistics) {
    ServiceTotals& totals = proxy_.totals_;
    totals.bytes_discarded += statistics.bytes_discarded;
    totals.pauses += statistics.pauses;
    totals.syscalls += statistics.send_calls;
    totals.peak_buffer = std::max(totals.peak_buffer, statistics.peak_buffer_size);
  }

  void end() {
    state_ = State::ended;
    add(client_->write_statistics());
    proxy_.totals_.bytes_out += client_->write_statistics().bytes_written;
    if (target_) {
      add(target_->write_statistics());
      proxy_.totals_.bytes_forwarded += target_->write_statistics().bytes_written;
    }
    client_.reset();
    target_.reset();
    proxy_.links_.erase(this);
    if (proxy_.links_.empty()) {
      proxy_.on_idle_();
    }
  }

  Proxy& proxy_;
  State state_ = State::connecting;
  std::shared_ptr<Transport> client_;
  std::shared_ptr<Transport> target_;
  std::function<void()> connecting_;  // ends the connecting
  int still_there_ = 1;               // of the two transports, and one for whoever counts them
  bool client_is_lost_ = false;
  bool target_is_lost_ = false;
};

Proxy::Proxy(EventLoop& loop, Endpoint target, BufferMarks marks, std::function<void()> on_idle)
    : loop_(loop),
      target_(std::move(target)),
      tls_(make_tls_context(target_)),
      marks_(marks),
      on_idle_(std::move(on_idle)) {}

Proxy::~Proxy() = default;

std::shared_ptr<Protocol> Proxy::make_client() {
  return std::make_shared<Link>(*this);
}

Future<Connection<Proxy::Waiting>> Proxy::connect() {
  const auto factory = [] { return std::make_shared<Waiting>(); };
  if (target_.is_tcp()) {
    ConnectOptions options;
    options.happy_eyeballs_delay = next_address_after;
    use_tls(options, tls_, relay_farewell_time);
    return loop_.create_connection(factory, target_.host, target_.port, options);
  }
  return loop_.create_unix_connection(factory, target_.path);
}

void Proxy::abort() {
  // None ends inside: connection_lost comes from the loop.
  for (Link* link : links_) {
    link->abort();
  }
}

}  // namespace sluice::cli
