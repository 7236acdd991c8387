#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace sluice::tls {

/// The sessions that servers have given us, by the server's name, to come back with. Any thread.
class SessionCache {
 public:
  /// When there are more servers, the one that has been silent for longest is forgotten.
  static constexpr std::size_t most_servers = 256;
  /// Of each, the latest are kept: a busy one does not drive out the others.
  static constexpr std::size_t most_of_one_server = 4;

  /// Lets the connection resume the latest session with `server`, if there is one. A session of TLS
  /// 1.3 is used once (RFC 8446, C.4).
  void offer(SSL& ssl, const std::string& server);
  /// Owns `session` from now on. Throws std::bad_alloc; then it stays the caller's.
  void keep(const std::string& server, SSL_SESSION* session);

 private:
  struct SessionDeleter {
    void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
  };
  struct Server {
    std::string name;
    /// The latest first, then null.
    std::array<std::unique_ptr<SSL_SESSION, SessionDeleter>, most_of_one_server> sessions{};
  };
  using Servers = std::list<Server>;

  Server& server_of(const std::string& name);
  void forget(Servers::iterator server);

  std::mutex mutex_;
  Servers servers_;  // the one heard of last at the end
  std::unordered_map<std::string_view, Servers::iterator> places_;
};

}  // namespace sluice::tls
