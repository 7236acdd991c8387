// The words of TLS errors, and what they equal, known without the library of TLS.
#include "sluice/tls_error.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <system_error>

namespace sluice {
namespace {

TEST(TlsErrors, EachHasWordsOfItsOwn) {
  constexpr int first = static_cast<int>(TlsErrc::certificate_expired);
  constexpr int last = static_cast<int>(TlsErrc::bad_setting);
  const std::string unknown = tls_category().message(last + 1);
  std::set<std::string> words{unknown};
  for (int value = first; value <= last; ++value) {
    EXPECT_TRUE(words.insert(tls_category().message(value)).second) << value;
  }
  EXPECT_EQ("unknown error of TLS", unknown);
}

TEST(TlsErrors, AreOfTheCategoryTls) {
  const std::error_code code = TlsErrc::host_name_mismatch;
  EXPECT_STREQ("tls", code.category().name());
  EXPECT_EQ(tls_category(), code.category());
  EXPECT_EQ("the peer's certificate is for another host", code.message());
}

TEST(TlsErrors, TheEndsOfConnectionsEqualTheirErrc) {
  EXPECT_EQ(std::error_code(TlsErrc::closed_in_handshake), std::errc::connection_reset);
  EXPECT_EQ(std::error_code(TlsErrc::handshake_timed_out), std::errc::connection_aborted);
  EXPECT_EQ(std::error_code(TlsErrc::closed_by_us), std::errc::connection_aborted);
  EXPECT_EQ(std::error_code(TlsErrc::shutdown_timed_out), std::errc::timed_out);
  EXPECT_NE(std::error_code(TlsErrc::truncated), std::errc::connection_reset);
}

}  // namespace
}  // namespace sluice
