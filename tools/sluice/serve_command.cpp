#include "serve_command.hpp"

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "console.hpp"
#include "errors.hpp"
#include "failed_handshakes.hpp"
#include "json_object.hpp"
#include "proxy.hpp"
#include "reason.hpp"
#include "signals.hpp"
#include "socket_probe.hpp"
#include "text.hpp"
#include "tls_setup.hpp"

namespace sluice::cli {

namespace {

constexpr std::string_view service_name(ServiceKind service) {
  switch (service) {
    case ServiceKind::echo:
      return "echo";
    case ServiceKind::chargen:
      return "chargen";
    case ServiceKind::proxy:
      return "proxy";
    case ServiceKind::discard:
      break;
  }
  return "discard";
}

// A server has to say when it cannot accept: there is no other sign of it.
LoopOptions talking_loop(FailedHandshakes& failed) {
  LoopOptions options;
  options.log = [&failed](LogLevel level, std::string_view message) {
    if (level >= LogLevel::warning) {
      print_error(message);
    } else if (level == LogLevel::info) {
      // Of a server, that is a handshake that failed (W-118).
      failed.note(message);
    }
  };
  return options;
}

class Serve {
 public:
  explicit Serve(const ServeOptions& options)
      : options_(options),
        loop_(talking_loop(failed_handshakes_)),
        tls_(make_tls_context(options.listen)),
        service_(make_service()) {}

  int run() {
    on_ending_signal(loop_, [this](int /*number*/) { end(); });
    loop_.set_exception_handler([](const ExceptionContext& context) {
      // A lack of descriptors is no error of ours; clients wait in the kernel meanwhile.
      const bool is_pause = context.message.starts_with("socket.accept()");
      print_error((is_pause ? "clients wait: " : "internal error: ") + context.message + ": " +
                  context.what());
    });
    listen();
    loop_.run_forever();
    if (!error_.empty()) {
      throw RunError(error_);
    }
    print(report(), "the report");
    return exit_done;
  }

 private:
  enum class State : std::uint8_t {
    opening,   ///< not listening yet
    serving,   ///< clients are accepted
    flushing,  ///< no more clients; those that are here get what is buffered for them, and the end
    aborting,  ///< they do not any more
    over,      ///< all clients are gone; a proxy's targets may get what is buffered for them
  };

  std::unique_ptr<Service> make_service() {
    if (options_.service == ServiceKind::proxy) {
      return std::make_unique<Proxy>(loop_, options_.target, options_.marks,
                                     [this] { stop_if_over(); });
    }
    return std::make_unique<SmallService>(options_.service, loop_, options_.marks);
  }

  void listen() {
    if (options_.listen.kind == EndpointKind::unix_listen &&
        somebody_listens(options_.listen.path)) {
      throw RunError("cannot listen on " + options_.listen.name + ": " + socket_in_use);
    }
    ServerOptions server_options;
    server_options.start_serving = false;
    use_tls(server_options, tls_,
            options_.service == ServiceKind::proxy ? relay_farewell_time : tls_farewell_time);
    const auto factory = [this] { return service_->make_client(); };
    Future<std::shared_ptr<Server>> future = [&] {
      if (options_.listen.is_tcp()) {
        return loop_.create_server(factory, options_.listen.host, options_.listen.port,
                                   server_options);
      }
      return loop_.create_unix_server(factory, options_.listen.path, server_options);
    }();
    future.add_done_callback([this](const Future<std::shared_ptr<Server>>& done) {
      try {
        serve(done.get());
      } catch (const RunError& error) {
        stop_because(error.what());
      } catch (const std::exception&) {
        stop_because("cannot listen on " + options_.listen.name + ": " +
                     reason_beside(options_.listen, std::current_exception()));
      }
    });
  }

  void serve(std::shared_ptr<Server> server) {
    server_ = std::move(server);
    started_ = loop_.time();
    server_->start_serving();
    // Only now, because whoever reads it may connect at once.
    for (const SocketAddress& address : server_->sockets()) {
      print("listening on " + printable(url_of(address, options_.listen)) + "\n");
    }
    state_ = State::serving;
  }

  void stop_because(const std::string& error) {
    error_ = error;
    if (server_) {
      server_->close();
    }
    loop_.stop();
  }

  void end() {
    switch (state_) {
      case State::opening:
        loop_.stop();
        break;
      case State::serving:
        flush();
        break;
      case State::flushing:
      case State::aborting:
      case State::over:
        abort();
        break;
    }
  }

  void flush() {
    state_ = State::flushing;
    server_->close();
    service_->finish();
    const Seconds grace(options_.grace_seconds);
    grace_ = loop_.call_later(std::chrono::duration_cast<std::chrono::nanoseconds>(grace),
                              [this] { abort(); });
    server_->wait_closed().add_done_callback([this](const Future<void>& /*done*/) {
      state_ = State::over;
      stop_if_over();
    });
  }

  void stop_if_over() {
    if (state_ == State::over && !service_->is_busy()) {
      grace_.cancel();
      loop_.stop();
    }
  }

  void abort() {
    if (state_ != State::over) {
      state_ = State::aborting;
    }
    server_->abort_clients();
    service_->abort();
  }

  [[nodiscard]] std::string report() const {
    const Seconds seconds = started_ ? loop_.time() - *started_ : Seconds(0);
    switch (options_.report) {
      case ReportFormat::json:
        return json_report(seconds);
      case ReportFormat::text:
        return text_report(seconds);
      case ReportFormat::none:
        break;
    }
    return {};
  }

  [[nodiscard]] std::string json_report(Seconds seconds) const {
    const ServiceTotals& totals = service_->totals();
    JsonObject object;
    object.text("service", service_name(options_.service))
        .text("listen", options_.listen.text)
        .seconds("seconds", seconds)
        .number("clients", totals.clients)
        .number("clients_lost", totals.clients_lost)
        .number("handshakes_failed", failed_handshakes_.count())
        .number("bytes_in", totals.bytes_in)
        .number("bytes_out", totals.bytes_out)
        .number("bytes_discarded", totals.bytes_discarded)
        .number("pauses", totals.pauses)
        .number("peak_buffer", totals.peak_buffer)
        .number("syscalls", totals.syscalls);
    if (options_.service == ServiceKind::proxy) {
      object.text("to", options_.target.text)
          .number("bytes_forwarded", totals.bytes_forwarded)
          .number("targets_unreachable", totals.targets_unreachable)
          .number("targets_lost", totals.targets_lost);
    }
    return object.str() + "\n";
  }

  [[nodiscard]] std::string text_report(Seconds seconds) const {
    const ServiceTotals& totals = service_->totals();
    std::string text(service_name(options_.service));
    text += ": " + std::to_string(totals.clients) + " clients, " +
            std::to_string(totals.clients_lost) + " lost, ";
    if (tls_) {
      text += std::to_string(failed_handshakes_.count()) + " failed handshakes, ";
    }
    text += "in " + fixed(seconds.count(), 3) + " s\n";
    text += "in:  " + exact_bytes(totals.bytes_in) + "\n";
    text += "out: " + exact_bytes(totals.bytes_out) + ", " + exact_bytes(totals.bytes_discarded) +
            " discarded, " + std::to_string(totals.pauses) + " pauses, peak buffer " +
            std::to_string(totals.peak_buffer) + ", " + std::to_string(totals.syscalls) +
            " syscalls\n";
    if (options_.service == ServiceKind::proxy) {
      text += "to:  " + printable(options_.target.text) + ": " +
              exact_bytes(totals.bytes_forwarded) + ", " +
              std::to_string(totals.targets_unreachable) + " times unreachable, " +
              std::to_string(totals.targets_lost) + " lost\n";
    }
    return text;
  }

  const ServeOptions& options_;
  FailedHandshakes failed_handshakes_;
  EventLoop loop_;
  std::shared_ptr<TlsContext> tls_;  // null: plain
  std::unique_ptr<Service> service_;
  std::shared_ptr<Server> server_;
  State state_ = State::opening;
  TimerHandle grace_;
  std::optional<TimePoint> started_;
  std::string error_;
};

}  // namespace

int run_serve(const ServeOptions& options) {
  return Serve(options).run();
}

}  // namespace sluice::cli
