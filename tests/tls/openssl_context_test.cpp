// What OpenSSL calls back for.
#include "tls/openssl_context.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "core/allocation_probe.hpp"
#include "core/segment_pool.hpp"
#include "testing/scripted_kernel.hpp"
#include "testing/tls/certificates.hpp"
#include "tls/tls_channel.hpp"

namespace sluice::tls {
namespace {

TEST(OpensslCallbacks, ANewSessionIsNotKeptWithoutMemory) {
  TlsOptions options;
  options.ca_file = testing::certificates().authority();
  const auto context = std::make_shared<OpensslContext>(Side::client, options);
  testing::ScriptedKernel kernel;
  core::SegmentPool pool;
  TlsChannel channel(context, {.sys = kernel,
                               .pool = pool,
                               .fd = -1,
                               .edge_tells_all = true,
                               .server = "a server with a name that is not short"});
  const SslPointer ssl(SSL_new(context->native()));
  SSL_set_app_data(ssl.get(), &channel);
  const auto on_new_session = SSL_CTX_sess_get_new_cb(context->native());
  std::size_t failures = 0;
  for (bool kept = false; !kept; ++failures) {
    SSL_SESSION* const session = SSL_SESSION_new();
    const testing::FailingAllocation failing(failures + 1);
    kept = on_new_session(ssl.get(), session) == 1;
    EXPECT_EQ(kept, !failing.failed());
    if (!kept) {
      SSL_SESSION_free(session);
    }
  }
  EXPECT_GT(failures, 1U);
}

}  // namespace
}  // namespace sluice::tls
