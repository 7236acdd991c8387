#include "loop/log.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace sluice::loop {
namespace {

template <class Action>
std::string on_stderr(Action action) {
  ::testing::internal::CaptureStderr();
  action();
  return ::testing::internal::GetCapturedStderr();
}

TEST(Log, WithoutAFunctionGoesToStandardError) {
  Log log({}, false);
  EXPECT_EQ("sluice warning: careful\n",
            on_stderr([&] { log.write(LogLevel::warning, "careful"); }));
  EXPECT_EQ("sluice error: broken\n", on_stderr([&] { log.write(LogLevel::error, "broken"); }));
}

TEST(Log, WithoutAFunctionIsQuietBelowWarning) {
  Log log({}, false);
  EXPECT_EQ("", on_stderr([&] {
              log.write(LogLevel::debug, "detail");
              log.write(LogLevel::info, "news");
            }));
}

TEST(Log, WithoutAFunctionTellsAllInDebugMode) {
  Log log({}, true);
  EXPECT_EQ("sluice debug: detail\nsluice info: news\n", on_stderr([&] {
              log.write(LogLevel::debug, "detail");
              log.write(LogLevel::info, "news");
            }));
}

TEST(Log, AFunctionGetsEveryMessageWhole) {
  std::vector<std::pair<LogLevel, std::string>> got;
  Log log([&](LogLevel level, std::string_view text) { got.emplace_back(level, text); }, false);
  EXPECT_EQ("", on_stderr([&] {
              log.write(LogLevel::debug, "detail");
              log.write(LogLevel::error, "two\nlines");
            }));
  EXPECT_EQ((std::vector<std::pair<LogLevel, std::string>>{{LogLevel::debug, "detail"},
                                                           {LogLevel::error, "two\nlines"}}),
            got);
}

TEST(Log, AFunctionThatThrowsLosesNoMessage) {
  Log log([](LogLevel, std::string_view) { throw std::runtime_error("full"); }, false);
  EXPECT_EQ(
      "sluice error: the log function threw an exception on this message:\n"
      "sluice info: news\n",
      on_stderr([&] { log.write(LogLevel::info, "news"); }));
}

TEST(Log, AMessageIsNotReadBeyondItsEnd) {
  Log log({}, false);
  EXPECT_EQ("sluice error: ab\n",
            on_stderr([&] { log.write(LogLevel::error, std::string_view("abcd").substr(0, 2)); }));
}

}  // namespace
}  // namespace sluice::loop
