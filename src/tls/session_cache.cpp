#include "tls/session_cache.hpp"

#include <algorithm>
#include <utility>

namespace sluice::tls {

void SessionCache::offer(SSL& ssl, const std::string& server) {
  const std::scoped_lock lock(mutex_);
  const auto place = places_.find(server);
  if (place == places_.end()) {
    return;
  }
  auto& sessions = place->second->sessions;
  SSL_SESSION* const session = sessions.front().get();
  const bool usable = SSL_SESSION_is_resumable(session) == 1;
  if (usable) {
    static_cast<void>(SSL_set_session(&ssl, session));
  }
  if (!usable || SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION) {
    std::move(sessions.begin() + 1, sessions.end(), sessions.begin());
    sessions.back().reset();
    if (!sessions.front()) {
      forget(place->second);
    }
  }
}

void SessionCache::keep(const std::string& server, SSL_SESSION* session) {
  const std::scoped_lock lock(mutex_);
  auto& sessions = server_of(server).sessions;
  std::move_backward(sessions.begin(), sessions.end() - 1, sessions.end());
  sessions.front().reset(session);
  if (servers_.size() > most_servers) {
    forget(servers_.begin());
  }
}

// At the end of the list; without sessions, if it is new.
SessionCache::Server& SessionCache::server_of(const std::string& name) {
  const auto place = places_.find(name);
  if (place != places_.end()) {
    servers_.splice(servers_.end(), servers_, place->second);
    return servers_.back();
  }
  Servers added;
  added.push_back({name});
  places_.emplace(added.front().name, added.begin());
  servers_.splice(servers_.end(), added);
  return servers_.back();
}

void SessionCache::forget(Servers::iterator server) {
  places_.erase(server->name);
  servers_.erase(server);
}

}  // namespace sluice::tls
