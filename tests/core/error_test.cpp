#include "sluice/error.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "sluice/version.hpp"

namespace sluice {
namespace {

constexpr Errc all[] = {Errc::callback_failed, Errc::loop_stopped, Errc::cancelled,
                        Errc::no_address, Errc::all_attempts_failed};

TEST(Errors, BecomeErrorCodesOfOurCategory) {
  const std::error_code code = Errc::cancelled;
  EXPECT_EQ(&sluice_category(), &code.category());
  EXPECT_STREQ("sluice", code.category().name());
  EXPECT_EQ(Errc::cancelled, code);
  EXPECT_NE(Errc::loop_stopped, code);
}

TEST(Errors, AreNeverSuccess) {
  for (const Errc error : all) {
    EXPECT_TRUE(make_error_code(error));
  }
}

TEST(Errors, EachHasAMessageOfItsOwn) {
  const std::string unknown = std::error_code(4711, sluice_category()).message();
  std::set<std::string> messages{unknown};
  for (const Errc error : all) {
    EXPECT_TRUE(messages.insert(make_error_code(error).message()).second);
  }
  EXPECT_EQ("unknown error of sluice", unknown);
}

TEST(Version, IsThatOfTheHeader) {
  EXPECT_EQ(std::to_string(version_major) + "." + std::to_string(version_minor) + "." +
                std::to_string(version_patch),
            version());
}

}  // namespace
}  // namespace sluice
