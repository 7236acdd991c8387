#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/fake_transport.hpp"

namespace sluice::core {

using Log = std::vector<std::string>;

inline const std::error_code broken = std::make_error_code(std::errc::broken_pipe);

/// A transport that sends inside write().
class Immediate : public ::testing::Test {
 protected:
  // Writes `count` bytes of which the sink takes none.
  void fill(std::size_t count) {
    transport_.room = 0;
    transport_.write(count);
    transport_.clear_log();
  }
  WriteSide& side() { return transport_.side; }
  testing::FakeTransport transport_{WriteTiming::at_once};
};

/// A transport that sends at the end of the turn.
class Coalescing : public ::testing::Test {
 protected:
  WriteSide& side() { return transport_.side; }
  testing::FakeTransport transport_{WriteTiming::end_of_turn};
};

}  // namespace sluice::core
