// Which sessions are kept, for whom, and for how long.
#include "tls/session_cache.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <new>
#include <string>

#include "core/allocation_probe.hpp"
#include "tls/tls_channel.hpp"

namespace sluice::tls {
namespace {

struct ContextDeleter {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
struct SessionDeleter {
  void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};
using Session = std::unique_ptr<SSL_SESSION, SessionDeleter>;

class Sessions : public ::testing::Test {
 protected:
  // One that can be resumed; `number` tells it from others.
  static Session make_session(unsigned char number, int version = TLS1_3_VERSION) {
    Session session(SSL_SESSION_new());
    EXPECT_EQ(SSL_SESSION_set1_id(session.get(), &number, 1), 1);
    EXPECT_EQ(SSL_SESSION_set_protocol_version(session.get(), version), 1);
    return session;
  }
  void keep(const std::string& server, unsigned char number, int version = TLS1_3_VERSION) {
    Session session = make_session(number, version);
    cache_.keep(server, session.get());
    static_cast<void>(session.release());
  }
  // The number of the session that a new connection to `server` begins with; -1: none.
  int offered(const std::string& server) {
    const SslPointer ssl(SSL_new(context_.get()));
    cache_.offer(*ssl, server);
    const SSL_SESSION* const session = SSL_get_session(ssl.get());
    unsigned int size = 0;
    return session == nullptr ? -1 : *SSL_SESSION_get_id(session, &size);
  }

  std::unique_ptr<SSL_CTX, ContextDeleter> context_{SSL_CTX_new(TLS_client_method())};
  SessionCache cache_;
};

TEST_F(Sessions, AreOfferedToTheServerTheyCameFromOnly) {
  keep("a 443", 1);
  EXPECT_EQ(offered("b 443"), -1);
  EXPECT_EQ(offered("a 444"), -1);
  EXPECT_EQ(offered("a 443"), 1);
}

TEST_F(Sessions, OfTls13AreOfferedOnceTheLatestFirst) {
  keep("a", 1);
  keep("a", 2);
  EXPECT_EQ(offered("a"), 2);
  EXPECT_EQ(offered("a"), 1);
  EXPECT_EQ(offered("a"), -1);
}

TEST_F(Sessions, OfTls12AreOfferedAgain) {
  keep("a", 1, TLS1_2_VERSION);
  EXPECT_EQ(offered("a"), 1);
  EXPECT_EQ(offered("a"), 1);
}

TEST_F(Sessions, OfABusyServerDoNotDriveOutThoseOfOthers) {
  keep("quiet", 7);
  for (int i = 0; i < 300; ++i) {
    keep("busy", static_cast<unsigned char>(i % 100));
  }
  EXPECT_EQ(offered("quiet"), 7);
  // The latest of the busy one are still there.
  EXPECT_EQ(offered("busy"), 99);
  EXPECT_EQ(offered("busy"), 98);
  EXPECT_EQ(offered("busy"), 97);
  EXPECT_EQ(offered("busy"), 96);
  EXPECT_EQ(offered("busy"), -1);
}

TEST_F(Sessions, OfTheServerSilentForLongestAreForgottenWhenThereAreTooMany) {
  for (std::size_t i = 0; i < SessionCache::most_servers; ++i) {
    keep(std::to_string(i), 1);
  }
  keep("0", 2);
  keep("one more", 3);
  EXPECT_EQ(offered("1"), -1);
  EXPECT_EQ(offered("0"), 2);
  EXPECT_EQ(offered("2"), 1);
  EXPECT_EQ(offered("one more"), 3);
}

TEST_F(Sessions, StayWithTheCallerWhenThereIsNoMemory) {
  const std::string server = "a server with a name that is not short";
  std::size_t failures = 0;
  for (bool kept = false; !kept; ++failures) {
    Session session = make_session(1);
    const testing::FailingAllocation failing(failures + 1);
    try {
      cache_.keep(server, session.get());
      static_cast<void>(session.release());
      kept = true;
    } catch (const std::bad_alloc&) {
      EXPECT_TRUE(failing.failed());
    }
  }
  EXPECT_GT(failures, 1U);
  EXPECT_EQ(offered(server), 1);
}

}  // namespace
}  // namespace sluice::tls
