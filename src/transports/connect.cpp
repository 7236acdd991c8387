// EventLoop's calls that connect.

#include <stdexcept>
#include <system_error>
#include <utility>

#include "loop/loop_core.hpp"
#include "sluice/event_loop.hpp"
#include "transports/birth.hpp"
#include "transports/connector.hpp"
#include "transports/secure.hpp"

namespace sluice {

Future<detail::Established<Transport>> EventLoop::connect_tcp(detail::ProtocolFactory factory,
                                                              std::string host, std::uint16_t port,
                                                              ConnectOptions options) {
  core_->check_usable();
  transports::check_settings(transports::settings_of(options), transports::TlsRole::client, host);
  if (options.ssl && !options.server_hostname) {
    options.server_hostname = host;
  }
  auto result = transports::make_future<detail::Established<Transport>>(*core_);
  const auto connector = std::make_shared<transports::Connector>(*core_, std::move(factory),
                                                                 std::move(options), result);
  connector->connect_to_host(std::move(host), port);
  return result;
}

Future<detail::Established<Transport>> EventLoop::connect_unix(detail::ProtocolFactory factory,
                                                               std::string path,
                                                               ConnectOptions options) {
  core_->check_usable();
  transports::check_settings(transports::settings_of(options), transports::TlsRole::client);
  auto result = transports::make_future<detail::Established<Transport>>(*core_);
  try {
    const SocketAddress address = transports::unix_address(path);
    const auto connector = std::make_shared<transports::Connector>(*core_, std::move(factory),
                                                                   std::move(options), result);
    connector->connect_to({address});
  } catch (const std::system_error&) {
    result.set_exception(std::current_exception());
  }
  return result;
}

}  // namespace sluice
