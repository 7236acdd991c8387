// EventLoop's calls that listen.

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "loop/loop_core.hpp"
#include "sluice/error.hpp"
#include "sluice/event_loop.hpp"
#include "sys/constants.hpp"
#include "sys/error_table.hpp"
#include "transports/birth.hpp"
#include "transports/secure.hpp"
#include "transports/server.hpp"
#include "transports/socket_path.hpp"

namespace sluice {
namespace {

using transports::BoundSocket;
using transports::StreamServer;
using ServerFuture = Future<std::shared_ptr<Server>>;

[[noreturn]] void throw_error(int error, const std::string& what) {
  throw std::system_error(sys::to_error_code(error), what);
}

/// Binds sockets to addresses and closes them all again unless a server takes them.
class Binder {
 public:
  Binder(loop::LoopCore& loop, const ServerOptions& options) : loop_(&loop), options_(&options) {}
  Binder(const Binder&) = delete;
  Binder& operator=(const Binder&) = delete;
  ~Binder() {
    for (const BoundSocket& socket : bound_) {
      static_cast<void>(loop_->sys().close(socket.fd));
    }
  }

  /// Throws std::system_error. An address that the machine does not have is left out (W-186).
  void bind(const SocketAddress& address);
  [[nodiscard]] bool empty() const noexcept { return bound_.empty(); }
  [[nodiscard]] std::vector<BoundSocket> take() { return std::exchange(bound_, {}); }

 private:
  void set(int fd, sys::SocketOption option, const char* name);
  [[nodiscard]] sys::Status bind_like_the_first(int fd, const SocketAddress& address);

  loop::LoopCore* loop_;
  const ServerOptions* options_;
  std::vector<BoundSocket> bound_;
};

void Binder::set(int fd, sys::SocketOption option, const char* name) {
  const sys::Status status = loop_->sys().setsockopt(fd, option.level, option.name, 1);
  if (!status.ok()) {
    throw_error(status.error, std::string("setting ") + name + " of a listening socket");
  }
}

// With port 0 and several addresses, the port the system chose for the first serves them all if it
// is free.
sys::Status Binder::bind_like_the_first(int fd, const SocketAddress& address) {
  if (address.port() == 0 && !bound_.empty()) {
    const auto same = SocketAddress::from_numeric(address.host(), bound_.front().address.port());
    if (same && loop_->sys().bind(fd, *same).ok()) {
      return {};
    }
  }
  return loop_->sys().bind(fd, address);
}

void Binder::bind(const SocketAddress& address) {
  sys::SystemCalls& sys = loop_->sys();
  const sys::Result<int> made = sys.socket(sys::socket_domain(address.family()), sys::stream_type);
  if (!made.ok()) {
    // A kernel without IPv6 still resolves to it.
    if (made.error == EAFNOSUPPORT) {
      return;
    }
    throw_error(made.error, "socket for " + address.to_string());
  }
  transports::OwnedFd fd(*loop_, made.value);
  const bool tcp =
      address.family() == AddressFamily::ipv4 || address.family() == AddressFamily::ipv6;
  if (tcp && options_->reuse_address) {
    set(fd.get(), sys::reuse_address, "SO_REUSEADDR");
  }
  if (tcp && options_->reuse_port) {
    set(fd.get(), sys::reuse_port, "SO_REUSEPORT");
  }
  if (tcp) {
    // Inherited by every accepted socket, which saves a call for each.
    set(fd.get(), sys::no_delay, "TCP_NODELAY");
  }
  if (address.family() == AddressFamily::ipv6) {
    set(fd.get(), sys::ipv6_only, "IPV6_V6ONLY");
  }
  const sys::Status status =
      tcp ? bind_like_the_first(fd.get(), address) : sys.bind(fd.get(), address);
  if (!status.ok()) {
    if (status.error == EADDRNOTAVAIL) {
      return;
    }
    static_cast<void>(sys::judge(sys::Call::bind, status.error));
    throw_error(status.error, "error while attempting to bind on address " + address.to_string());
  }
  const sys::Result<SocketAddress> name = sys.getsockname(fd.get());
  bound_.push_back({fd.release().release(), name.ok() ? name.value : address});
}

/// Throws std::system_error, with nothing left open.
std::shared_ptr<Server> make_tcp_server(loop::LoopCore& loop, detail::ProtocolFactory factory,
                                        const std::vector<SocketAddress>& addresses,
                                        const ServerOptions& options) {
  Binder binder(loop, options);
  std::string names;
  for (const SocketAddress& address : addresses) {
    names += (names.empty() ? "" : ", ") + address.to_string();
    binder.bind(address);
  }
  if (binder.empty()) {
    throw std::system_error(
        std::make_error_code(std::errc::address_not_available),
        "could not bind on any address out of " + (names.empty() ? "none" : names));
  }
  auto server = std::make_shared<StreamServer>(loop, std::move(factory), options, binder.take());
  if (options.start_serving) {
    server->start_serving();
  }
  return server;
}

/// One create_server: collects the addresses of all hosts, then binds.
class ServerSetup : public std::enable_shared_from_this<ServerSetup> {
 public:
  ServerSetup(loop::LoopCore& loop, detail::ProtocolFactory factory, ServerOptions options,
              ServerFuture result)
      : loop_(&loop),
        factory_(std::move(factory)),
        options_(std::move(options)),
        result_(std::move(result)) {}

  void resolve(const std::vector<std::string>& hosts, std::uint16_t port) {
    waiting_for_ = hosts.size();
    answers_.resize(hosts.size());
    for (std::size_t i = 0; i < hosts.size(); ++i) {
      if (const auto numeric = SocketAddress::from_numeric(hosts[i], port)) {
        sys::Resolved answer;
        answer.addresses.push_back(*numeric);
        resolved(i, hosts[i], answer);
      } else {
        loop_->resolver().resolve({hosts[i], port, options_.family, true},
                                  [self = shared_from_this(), i, host = hosts[i]](
                                      const auto& answer) { self->resolved(i, host, answer); });
      }
    }
  }

 private:
  void resolved(std::size_t index, const std::string& host, const sys::Resolved& answer) {
    if (result_.done()) {
      return;
    }
    if (answer.error != 0) {
      const std::error_code error = answer.system_error != 0
                                        ? sys::to_error_code(answer.system_error)
                                        : std::error_code(answer.error, resolver_category());
      result_.set_exception(
          std::make_exception_ptr(std::system_error(error, "resolve host name '" + host + "'")));
      return;
    }
    answers_[index] = answer.addresses;
    // Numeric hosts have not been through the resolver.
    if (options_.family != AddressFamily::unspecified) {
      std::erase_if(answers_[index],
                    [&](const auto& each) { return each.family() != options_.family; });
    }
    if (--waiting_for_ == 0) {
      listen();
    }
  }

  void listen() {
    std::vector<SocketAddress> all;
    for (const auto& addresses : answers_) {
      std::ranges::copy_if(addresses, std::back_inserter(all), [&](const SocketAddress& address) {
        return std::ranges::find(all, address) == all.end();
      });
    }
    try {
      result_.set_result(make_tcp_server(*loop_, std::move(factory_), all, options_));
    } catch (...) {
      result_.set_exception(std::current_exception());
    }
  }

  loop::LoopCore* loop_;
  detail::ProtocolFactory factory_;
  ServerOptions options_;
  ServerFuture result_;
  std::vector<std::vector<SocketAddress>> answers_;
  std::size_t waiting_for_ = 0;
};

std::shared_ptr<Server> make_unix_server(loop::LoopCore& loop, detail::ProtocolFactory factory,
                                         const std::string& path, const ServerOptions& options) {
  const SocketAddress address = transports::unix_address(path);
  const bool file = address.family() == AddressFamily::unix_path;
  if (file) {
    transports::remove_stale_socket(loop.sys(), path);
  }
  Binder binder(loop, options);
  binder.bind(address);
  if (binder.empty()) {
    throw_error(EADDRNOTAVAIL, "could not bind on any address out of " + address.to_string());
  }
  auto server = std::make_shared<StreamServer>(loop, std::move(factory), options, binder.take());
  if (file && options.cleanup_socket) {
    server->own_path(path);
  }
  if (options.start_serving) {
    server->start_serving();
  }
  return server;
}

}  // namespace

Future<std::shared_ptr<Server>> EventLoop::listen_tcp(detail::ProtocolFactory factory,
                                                      std::vector<std::string> hosts,
                                                      std::uint16_t port, ServerOptions options) {
  core_->check_usable();
  transports::check_settings(transports::settings_of(options), transports::TlsRole::server);
  auto result = transports::make_future<std::shared_ptr<Server>>(*core_);
  if (hosts.empty()) {
    hosts.emplace_back();
  }
  const auto setup =
      std::make_shared<ServerSetup>(*core_, std::move(factory), std::move(options), result);
  try {
    setup->resolve(hosts, port);
  } catch (const std::system_error&) {
    // No thread could be started to resolve a name.
    result.set_exception(std::current_exception());
  }
  return result;
}

std::shared_ptr<Server> EventLoop::listen_at(detail::ProtocolFactory factory,
                                             const std::vector<SocketAddress>& addresses,
                                             const ServerOptions& options) {
  core_->check_usable();
  return make_tcp_server(*core_, std::move(factory), addresses, options);
}

Future<std::shared_ptr<Server>> EventLoop::listen_unix(detail::ProtocolFactory factory,
                                                       std::string path, ServerOptions options) {
  core_->check_usable();
  transports::check_settings(transports::settings_of(options), transports::TlsRole::server);
  auto result = transports::make_future<std::shared_ptr<Server>>(*core_);
  try {
    result.set_result(make_unix_server(*core_, std::move(factory), path, options));
  } catch (...) {
    result.set_exception(std::current_exception());
  }
  return result;
}

}  // namespace sluice
