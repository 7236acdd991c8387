#include "tls/session_cache.hpp"

#include <algorithm>
#include <utility>

namespace sluice::tls {

void SessionCache::offer(SSL& ssl, const std::string& host) {
  const std::scoped_lock lock(mutex_);
  const auto found = std::find_if(entries_.rbegin(), entries_.rend(),
                                  [&](const Entry& entry) { return entry.host == host; });
  if (found == entries_.rend()) {
    return;
  }
  SSL_SESSION* const session = found->session.get();
  const bool usable = SSL_SESSION_is_resumable(session) == 1;
  if (usable) {
    static_cast<void>(SSL_set_session(&ssl, session));
  }
  if (!usable || SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION) {
    entries_.erase(std::next(found).base());
  }
}

void SessionCache::keep(const std::string& host, SSL_SESSION* session) {
  Entry entry{host, decltype(Entry::session)(session)};
  const std::scoped_lock lock(mutex_);
  entries_.push_back(std::move(entry));
  if (entries_.size() > most_sessions) {
    entries_.pop_front();
  }
}

}  // namespace sluice::tls
