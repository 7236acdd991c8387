#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/socket_address.hpp"

namespace sluice::cli {

enum class EndpointKind : std::uint8_t {
  standard_stream,  ///< "-": standard input or standard output
  tcp,              ///< tcp://HOST:PORT, to connect to
  tcp_listen,       ///< tcp-listen://HOST:PORT, to be connected to
  tls,              ///< tls://HOST:PORT, to connect to
  tls_listen,       ///< tls-listen://HOST:PORT, to be connected to
  unix_stream,      ///< unix://PATH
  unix_listen,      ///< unix-listen://PATH
  pipe,             ///< pipe://PATH: a FIFO or a character device
  file,             ///< a plain path or file:///PATH
  command,          ///< exec:COMMAND ARGUMENTS
};

/// What an endpoint is wanted for: it decides which kinds and which ports make sense.
enum class EndpointRole : std::uint8_t {
  source,
  sink,
  service,  ///< what a server listens on
  target,   ///< what a server connects its clients to
};

/// What --cert, --key, --ca and --insecure say; empty: not given.
struct TlsChoice {
  std::string certificate_file;
  std::string key_file;
  std::string ca_file;
  bool verify = true;
};

/// Where bytes come from or go to, as the command line names it.
struct Endpoint {
  EndpointKind kind = EndpointKind::standard_stream;
  std::string text;                  ///< as it was given
  std::string name;                  ///< for messages
  std::string host;                  ///< TCP, TLS: without brackets; empty: all interfaces
  std::uint16_t port = 0;            ///< TCP, TLS; 0: any free one, to listen on
  TlsChoice tls;                     ///< of TLS
  std::string path;                  ///< all others; an abstract socket name begins with a NUL byte
  std::vector<std::string> command;  ///< of exec: the program and its arguments

  [[nodiscard]] bool listens() const {
    return kind == EndpointKind::tcp_listen || kind == EndpointKind::tls_listen ||
           kind == EndpointKind::unix_listen;
  }
  [[nodiscard]] bool is_tls() const {
    return kind == EndpointKind::tls || kind == EndpointKind::tls_listen;
  }
  /// Whether it is reached by a host and a port.
  [[nodiscard]] bool is_tcp() const {
    return kind == EndpointKind::tcp || kind == EndpointKind::tcp_listen || is_tls();
  }
};

/// Parses what the command line calls SOURCE, SINK or URL. Throws UsageError, which says what was
/// expected. For a service, tcp://, tls:// and unix:// mean the listening kinds.
[[nodiscard]] Endpoint parse_endpoint(std::string_view text, EndpointRole role);

/// The URL that others connect to: "tcp://127.0.0.1:4000", "tls://127.0.0.1:4000",
/// "unix:///run/x.sock", "unix://@name". `listener` is what listens on the address.
[[nodiscard]] std::string url_of(const SocketAddress& address, const Endpoint& listener);

}  // namespace sluice::cli
