// Section 2.6 of docs/contract.md: the size of the buffer and its limits.
#include <optional>
#include <stdexcept>
#include <string>

#include "contract/suites.hpp"

namespace sluice::testing {
namespace {

TEST_P(Contract, W54_TheSizeIsWhatTheKernelHasNotTaken) {
  start();
  EXPECT_EQ(size(), 0U);
  in_turn([&] { put(big); });
  EXPECT_EQ(size(), put_so_far() - statistics().bytes_written);
  peer().start_reading();
  run_until("half of it has left", [&] { return size() < big / 2; });
  EXPECT_EQ(size(), put_so_far() - statistics().bytes_written);
  run_until("all of it has left", [&] { return size() == 0; });
  EXPECT_EQ(statistics().bytes_written, big);
}

TEST_P(AnyCoalesceContract, W54_TheSizeIncludesWhatWaitsForTheEndOfTheTurn) {
  start();
  in_turn([&] {
    put(123);
    EXPECT_EQ(size(), 123U);
  });
}

TEST_P(Contract, W55_LimitsAreReadLowFirstAndSetHighFirst) {
  start();
  transport().set_write_buffer_limits(1000, 10);
  EXPECT_EQ(transport().get_write_buffer_limits().low, 10U);
  EXPECT_EQ(transport().get_write_buffer_limits().high, 1000U);
}

struct LimitsCase {
  std::optional<std::size_t> high;
  std::optional<std::size_t> low;
  WriteBufferLimits resolved;
};

TEST_P(Contract, W56_DefaultsOfTheLimits) {
  start();
  EXPECT_EQ(transport().get_write_buffer_limits(), (WriteBufferLimits{16384, 65536}));
  for (const LimitsCase& one : {
           LimitsCase{7, {}, {1, 7}},
           LimitsCase{3, {}, {0, 3}},
           LimitsCase{1, {}, {0, 1}},
           LimitsCase{0, {}, {0, 0}},
           LimitsCase{4000, {}, {1000, 4000}},
           LimitsCase{{}, 100, {100, 400}},
           LimitsCase{{}, 0, {0, 0}},
           LimitsCase{50, 50, {50, 50}},
           LimitsCase{unlimited, 50, {50, unlimited}},
           LimitsCase{{}, {}, {16384, 65536}},
       }) {
    transport().set_write_buffer_limits(one.high, one.low);
    EXPECT_EQ(transport().get_write_buffer_limits(), one.resolved);
  }
}

TEST_P(Contract, W56_HighBelowLowIsRefusedAndTheOldLimitsStay) {
  start();
  transport().set_write_buffer_limits(1000, 10);
  try {
    transport().set_write_buffer_limits(5, 6);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "high (5) must be >= low (6) must be >= 0");
  }
  EXPECT_EQ(transport().get_write_buffer_limits(), (WriteBufferLimits{10, 1000}));
}

}  // namespace
}  // namespace sluice::testing
