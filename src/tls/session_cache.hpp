#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

namespace sluice::tls {

/// The sessions that servers have given us, by host name, to come back with. Any thread.
class SessionCache {
 public:
  /// The oldest are forgotten when there are more.
  static constexpr std::size_t most_sessions = 256;

  /// Lets the connection resume the latest session with `host`, if there is one. A session of TLS
  /// 1.3 is used once (RFC 8446, C.4).
  void offer(SSL& ssl, const std::string& host);
  /// Owns `session` from now on.
  void keep(const std::string& host, SSL_SESSION* session);

 private:
  struct SessionDeleter {
    void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
  };
  struct Entry {
    std::string host;
    std::unique_ptr<SSL_SESSION, SessionDeleter> session;
  };

  std::mutex mutex_;
  std::deque<Entry> entries_;  // the latest last
};

}  // namespace sluice::tls
