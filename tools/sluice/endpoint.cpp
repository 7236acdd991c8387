#include "endpoint.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <system_error>

#include "errors.hpp"
#include "exec_child.hpp"
#include "open_file.hpp"

namespace sluice::cli {

namespace {

struct Scheme {
  std::string_view name;
  EndpointKind kind;
};

constexpr std::array<Scheme, 8> schemes{{
    {"tcp", EndpointKind::tcp},
    {"tcp-listen", EndpointKind::tcp_listen},
    {"tls", EndpointKind::tls},
    {"tls-listen", EndpointKind::tls_listen},
    {"unix", EndpointKind::unix_stream},
    {"unix-listen", EndpointKind::unix_listen},
    {"pipe", EndpointKind::pipe},
    {"file", EndpointKind::file},
}};

constexpr std::string_view command_prefix = "exec:";

std::string quoted(std::string_view text) {
  return "'" + std::string(text) + "'";
}

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
  throw UsageError(quoted(text) + ": " + why);
}

std::string known_schemes() {
  std::string list;
  for (const Scheme& scheme : schemes) {
    list.append(list.empty() ? "" : ", ").append(scheme.name).append("://");
  }
  return list;
}

bool is_scheme_character(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
         (character >= '0' && character <= '9') || character == '+' || character == '-' ||
         character == '.';
}

std::optional<EndpointKind> kind_of(std::string_view scheme) {
  for (const Scheme& known : schemes) {
    if (known.name == scheme) return known.kind;
  }
  return std::nullopt;
}

std::uint16_t parse_port(std::string_view text, std::string_view port, bool listens) {
  const std::string expected = listens ? "expected a port from 0 (any free one) to 65535"
                                       : "expected a port from 1 to 65535";
  unsigned number = 0;
  const char* const end = port.data() + port.size();
  const auto parsed = std::from_chars(port.data(), end, number);
  if (port.empty() || (parsed.ec == std::errc{} && parsed.ptr != end) ||
      parsed.ec == std::errc::invalid_argument) {
    refuse(text, port.empty() ? expected : quoted(port) + " is not a port number; " + expected);
  }
  if (parsed.ec != std::errc{} || number > 65535 || (number == 0 && !listens)) {
    const std::string what =
        number == 0 && parsed.ec == std::errc{} ? "cannot connect to port " : "there is no port ";
    refuse(text, what + std::string(port) + "; " + expected);
  }
  return static_cast<std::uint16_t>(number);
}

// HOST:PORT or [IPV6]:PORT.
void parse_authority(std::string_view rest, Endpoint& endpoint) {
  const bool listens = endpoint.listens();
  std::string_view host;
  std::string_view port;
  if (!rest.empty() && rest.front() == '[') {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos || close + 1 >= rest.size() || rest[close + 1] != ':') {
      refuse(endpoint.text, "expected [IPV6-ADDRESS]:PORT after ://");
    }
    host = rest.substr(1, close - 1);
    port = rest.substr(close + 2);
    const auto address = SocketAddress::from_numeric(host, 0);
    if (!address || address->family() != AddressFamily::ipv6) {
      refuse(endpoint.text, quoted(host) + " is not an IPv6 address");
    }
  } else {
    const std::size_t colon = rest.rfind(':');
    if (colon == std::string_view::npos) {
      refuse(endpoint.text, "expected HOST:PORT after ://");
    }
    host = rest.substr(0, colon);
    port = rest.substr(colon + 1);
    if (host.find(':') != std::string_view::npos) {
      refuse(endpoint.text, "an IPv6 address goes into brackets, as in tcp://[::1]:4000");
    }
    if (host.find_first_of("/@ []") != std::string_view::npos) {
      refuse(endpoint.text, quoted(host) + " is not a host name");
    }
  }
  if (host.empty() && !listens) {
    refuse(endpoint.text, "a host is missing; expected HOST:PORT after ://");
  }
  endpoint.host = host;
  endpoint.port = parse_port(endpoint.text, port, listens);
}

// The path of a Unix socket, or @NAME for an abstract one.
void parse_socket_path(std::string_view rest, Endpoint& endpoint) {
  if (rest.empty() || rest == "@") {
    refuse(endpoint.text, "expected /PATH, or @NAME for an abstract socket, after ://");
  }
  if (rest.size() > SocketAddress::max_unix_path) {
    refuse(endpoint.text, "the path has " + std::to_string(rest.size()) +
                              " bytes; a Unix socket's path can have at most " +
                              std::to_string(SocketAddress::max_unix_path));
  }
  endpoint.path = rest;
  if (rest.front() == '@') {
    endpoint.path.front() = '\0';
  }
}

void parse_file_path(std::string_view rest, Endpoint& endpoint) {
  if (rest.empty() || rest.front() != '/') {
    refuse(endpoint.text, "expected file:///PATH; a relative path is written without file://");
  }
  endpoint.path = rest;
}

void parse_pipe_path(std::string_view rest, Endpoint& endpoint) {
  if (rest.empty()) {
    refuse(endpoint.text, "expected pipe:///PATH of a FIFO or a character device");
  }
  endpoint.path = rest;
}

Endpoint parse_url(EndpointKind kind, std::string_view rest, Endpoint endpoint) {
  endpoint.kind = kind;
  switch (kind) {
    case EndpointKind::tcp:
    case EndpointKind::tcp_listen:
    case EndpointKind::tls:
    case EndpointKind::tls_listen:
      parse_authority(rest, endpoint);
      break;
    case EndpointKind::unix_stream:
    case EndpointKind::unix_listen:
      parse_socket_path(rest, endpoint);
      break;
    case EndpointKind::pipe:
      parse_pipe_path(rest, endpoint);
      break;
    case EndpointKind::file:
    case EndpointKind::standard_stream:
    case EndpointKind::command:
      parse_file_path(rest, endpoint);
      break;
  }
  return endpoint;
}

constexpr const char* not_for_listening =
    "cannot be listened on; expected tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH";
constexpr const char* not_for_connecting =
    "cannot be connected to; expected tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH";

bool is_connected_to(EndpointKind kind) {
  return kind == EndpointKind::tcp || kind == EndpointKind::tls ||
         kind == EndpointKind::unix_stream;
}

EndpointKind for_service(EndpointKind kind, std::string_view text) {
  switch (kind) {
    case EndpointKind::tcp:
    case EndpointKind::tcp_listen:
      return EndpointKind::tcp_listen;
    case EndpointKind::tls:
    case EndpointKind::tls_listen:
      return EndpointKind::tls_listen;
    case EndpointKind::unix_stream:
    case EndpointKind::unix_listen:
      return EndpointKind::unix_listen;
    default:
      refuse(text, not_for_listening);
  }
}

Endpoint named(std::string_view text) {
  Endpoint endpoint;
  endpoint.text = text;
  endpoint.name = text;
  return endpoint;
}

// "localhost:80", which would otherwise be an odd name of a file.
bool looks_like_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || text.find('/') != std::string_view::npos) {
    return false;
  }
  const std::string_view port = text.substr(colon + 1);
  return !port.empty() && port.size() <= 5 &&
         port.find_first_not_of("0123456789") == std::string_view::npos;
}

Endpoint parse_plain(std::string_view text, EndpointRole role) {
  Endpoint endpoint = named(text);
  if (text == "-") {
    endpoint.name = role == EndpointRole::source ? "standard input" : "standard output";
    return endpoint;
  }
  // "tcp:localhost:80" would otherwise be an odd name of a missing file.
  const std::string_view head = text.substr(0, text.find(':'));
  if (head.size() < text.size() && kind_of(head)) {
    refuse(text, "expected // after " + std::string(head) + ":");
  }
  if (looks_like_address(text) && !identity_of(endpoint.text)) {
    refuse(text, "there is no such file; expected tcp://" + std::string(text) +
                     " for a connection, or ./" + std::string(text) + " for a file of this name");
  }
  endpoint.kind = EndpointKind::file;
  endpoint.path = text;
  return endpoint;
}

}  // namespace

Endpoint parse_endpoint(std::string_view text, EndpointRole role) {
  if (text.empty()) {
    throw UsageError("an endpoint is empty; expected -, a path, exec:COMMAND, or one of " +
                     known_schemes());
  }
  const bool for_server = role == EndpointRole::service || role == EndpointRole::target;
  if (text.starts_with(command_prefix) && !for_server) {
    Endpoint endpoint = named(text);
    endpoint.kind = EndpointKind::command;
    endpoint.command = split_command(text.substr(command_prefix.size()));
    return endpoint;
  }
  const std::size_t mark = text.find("://");
  const std::string_view scheme = text.substr(0, mark);
  const bool is_url = mark != std::string_view::npos && mark > 0 &&
                      std::all_of(scheme.begin(), scheme.end(), is_scheme_character);
  if (!is_url) {
    if (role == EndpointRole::service) {
      refuse(text, not_for_listening);
    }
    if (role == EndpointRole::target) {
      refuse(text, not_for_connecting);
    }
    return parse_plain(text, role);
  }
  std::optional<EndpointKind> kind = kind_of(scheme);
  if (!kind) {
    refuse(text, "unknown scheme " + quoted(scheme) + "; expected one of " + known_schemes());
  }
  if (role == EndpointRole::service) {
    kind = for_service(*kind, text);
  }
  if (role == EndpointRole::target && !is_connected_to(*kind)) {
    refuse(text, not_for_connecting);
  }
  return parse_url(*kind, text.substr(mark + 3), named(text));
}

std::string url_of(const SocketAddress& address, const Endpoint& listener) {
  switch (address.family()) {
    case AddressFamily::ipv4:
    case AddressFamily::ipv6:
      return (listener.is_tls() ? "tls://" : "tcp://") + address.to_string();
    default:
      return "unix://" + address.to_string();
  }
}

}  // namespace sluice::cli
