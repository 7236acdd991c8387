// TLS for connections of every origin: what the options must be like, and start_tls.
#include "transports/secure.hpp"

#include <stdexcept>
#include <utility>

#include "sluice/event_loop.hpp"
#include "transports/birth.hpp"
#include "transports/relay_ends.hpp"

namespace sluice {
namespace transports {
namespace {

constexpr std::chrono::seconds default_handshake_timeout{60};
constexpr std::chrono::seconds default_shutdown_timeout{30};

void check_timeout(const std::optional<std::chrono::nanoseconds>& timeout, const char* name,
                   bool with_tls) {
  if (!timeout) {
    return;
  }
  if (!with_tls) {
    throw std::invalid_argument(std::string(name) + " is only meaningful with ssl");
  }
  if (*timeout <= std::chrono::nanoseconds::zero()) {
    std::string seconds = std::to_string(std::chrono::duration<double>(*timeout).count());
    seconds.erase(seconds.find_last_not_of('0') + 1);
    throw std::invalid_argument(std::string(name) + " should be a positive number, got " + seconds +
                                (seconds.ends_with('.') ? "0" : ""));
  }
}

struct Secured {
  std::unique_ptr<SecureChannel> channel;
  std::unique_ptr<Session> session;
};

// Several servers may share a host. Which of its addresses was taken does not matter.
std::string server_at(const std::string& host, const std::optional<SocketAddress>& address) {
  if (host.empty() || !address) {
    return host;
  }
  return host + ' ' + std::to_string(address->port()) + address->path();
}

Secured make_secured(loop::LoopCore& loop, int fd, bool edge_tells_all,
                     const std::optional<SocketAddress>& address, const TlsSettings& settings,
                     Session::Purpose purpose, std::string peer) {
  Secured secured;
  const std::string host = settings.server_hostname.value_or("");
  secured.channel = settings.context->make_channel({.sys = loop.sys(),
                                                    .pool = loop.segment_pool(),
                                                    .fd = fd,
                                                    .edge_tells_all = edge_tells_all,
                                                    .server_hostname = host,
                                                    .server = server_at(host, address)});
  Session::Settings session{
      .purpose = purpose,
      .peer = std::move(peer),
      .handshake_timeout = settings.handshake_timeout.value_or(default_handshake_timeout),
      .shutdown_timeout = settings.shutdown_timeout.value_or(default_shutdown_timeout)};
  secured.session = std::make_unique<Session>(loop, *secured.channel, std::move(session));
  return secured;
}

}  // namespace

void check_settings(const TlsSettings& settings, TlsRole role,
                    const std::optional<std::string>& default_hostname) {
  const bool with_tls = settings.context != nullptr;
  check_timeout(settings.handshake_timeout, "ssl_handshake_timeout", with_tls);
  check_timeout(settings.shutdown_timeout, "ssl_shutdown_timeout", with_tls);
  if (!with_tls) {
    if (settings.server_hostname) {
      throw std::invalid_argument("server_hostname is only meaningful with ssl");
    }
    return;
  }
  if (settings.context->server_side() != (role == TlsRole::server)) {
    throw std::invalid_argument(role == TlsRole::server
                                    ? "accepting needs a TlsContext::server, got a client's"
                                    : "connecting needs a TlsContext::client, got a server's");
  }
  if (role == TlsRole::server) {
    if (settings.server_hostname) {
      throw std::invalid_argument("server_hostname is only meaningful for clients");
    }
    return;
  }
  if (!settings.server_hostname && !default_hostname) {
    throw std::invalid_argument("You must set server_hostname when using ssl without a host");
  }
  const std::string host = settings.server_hostname.value_or(default_hostname.value_or(""));
  // The engine would ask for what stands before it.
  if (host.find('\0') != std::string::npos) {
    throw std::invalid_argument("server_hostname cannot have a NUL byte");
  }
  if (settings.context->checks_hostname() && host.empty()) {
    throw std::invalid_argument("check_hostname requires server_hostname");
  }
}

void secure(loop::LoopCore& loop, Birth& birth, const TlsSettings& settings, std::string peer) {
  if (!settings.context) {
    return;
  }
  Secured secured = make_secured(loop, birth.fd.get(), birth.edge_tells_all, birth.peername,
                                 settings, Session::Purpose::connect, std::move(peer));
  birth.channel = std::move(secured.channel);
  birth.session = std::move(secured.session);
}

TlsSettings settings_of(const ConnectOptions& options) {
  return {options.ssl, options.server_hostname, options.ssl_handshake_timeout,
          options.ssl_shutdown_timeout};
}

TlsSettings settings_of(const ServerOptions& options) {
  return {options.ssl, {}, options.ssl_handshake_timeout, options.ssl_shutdown_timeout};
}

TlsSettings settings_of(const AcceptOptions& options) {
  return {options.ssl, {}, options.ssl_handshake_timeout, options.ssl_shutdown_timeout};
}

}  // namespace transports

Future<std::shared_ptr<Transport>> EventLoop::start_tls(const std::shared_ptr<Transport>& transport,
                                                        std::shared_ptr<BaseProtocol> protocol,
                                                        std::shared_ptr<TlsContext> context,
                                                        StartTlsOptions options) {
  core_->check_usable();
  const auto plain = std::dynamic_pointer_cast<transports::FdTransport>(transport);
  if (!plain || !plain->can_be_secured(*core_) ||
      transports::is_relay_end(plain->get_protocol().get())) {
    throw std::invalid_argument(
        "start_tls() needs a plain stream transport of this loop that is open both ways and that no"
        " sendfile() or relay uses");
  }
  if (!context) {
    throw std::invalid_argument("start_tls() needs a TlsContext, not null");
  }
  const transports::TlsSettings settings{context, options.server_hostname,
                                         options.ssl_handshake_timeout,
                                         options.ssl_shutdown_timeout};
  check_settings(
      settings, context->server_side() ? transports::TlsRole::server : transports::TlsRole::client);
  auto result = transports::make_future<std::shared_ptr<Transport>>(*core_);
  const std::optional<SocketAddress> address = plain->peername();
  auto secured = transports::make_secured(*core_, plain->fileno(), plain->edge_tells_all(), address,
                                          settings, transports::Session::Purpose::upgrade,
                                          options.server_hostname ? *options.server_hostname
                                          : address               ? address->to_string()
                                                                  : std::string("the peer"));
  secured.channel->feed(std::move(options.already_received));
  // The transport keeps the report, so the report must not keep the transport.
  plain->secure(std::move(secured.channel), std::move(secured.session), std::move(protocol),
                [result, weak = plain->weak()](const std::exception_ptr& failure) {
                  if (result.done()) {
                    return;
                  }
                  if (failure) {
                    result.set_exception(failure);
                  } else {
                    result.set_result(weak.lock());
                  }
                });
  result.set_on_cancel([weak = plain->weak()] {
    if (const auto alive = weak.lock()) {
      alive->close();
    }
  });
  return result;
}

std::optional<TlsInfo> tls_info(const BaseTransport& transport) {
  const auto* const known = dynamic_cast<const transports::FdTransport*>(&transport);
  const transports::Session* const session = known == nullptr ? nullptr : known->session();
  if (session == nullptr || session->opening() ||
      session->state() == transports::Session::State::failed) {
    return std::nullopt;
  }
  return session->channel().info();
}

}  // namespace sluice
