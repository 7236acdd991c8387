#include "transports/file_range.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <system_error>

#include "core/allocation_probe.hpp"
#include "sluice/event_loop.hpp"
#include "testing/scripted_kernel.hpp"

namespace sluice::transports {
namespace {

using core::ExternalEnd;

// How many of its allocations could fail before the range had left and its future had its outcome.
int allocations_that_may_fail(EventLoop& loop, sys::SystemCalls& sys, ExternalEnd end) {
  for (std::size_t nth = 1;; ++nth) {
    const auto sent = loop.create_future<std::uint64_t>();
    const auto range = std::make_shared<FileRange>(sys, std::make_shared<const Fd>(), 0, 100, sent);
    bool failed = false;
    {
      const testing::FailingAllocation failing(nth);
      range->left(end, std::make_error_code(std::errc::connection_reset));
      failed = failing.failed();
    }
    EXPECT_TRUE(sent.done());
    if (!failed) {
      EXPECT_THROW(static_cast<void>(sent.get()), std::system_error);
      return static_cast<int>(nth) - 1;
    }
    EXPECT_THROW(static_cast<void>(sent.get()), std::bad_alloc);
  }
}

// W-195: whoever tells it is in the middle of a loss, which cannot fail.
TEST(FileRanges, W195_WithoutMemoryForTheWordsTheFutureFailsOfThat) {
  const auto kernel = std::make_shared<testing::ScriptedKernel>();
  LoopOptions options;
  options.system_calls = kernel;
  EventLoop loop(options);
  EXPECT_GT(allocations_that_may_fail(loop, *kernel, ExternalEnd::lost), 0);
  EXPECT_GT(allocations_that_may_fail(loop, *kernel, ExternalEnd::unreadable), 0);
}

}  // namespace
}  // namespace sluice::transports
